"""Evenness that only the most (and the least) utilised host decides."""

from __future__ import annotations

from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    DELTA,
    DEMAND,
    EXTREME_COST,
    EXTREME_HOSTS,
    EXTREME_LEVEL,
    EXTREME_NUMBERS,
    EXTREME_RANGE,
    EXTREME_ROW,
    EXTREME_SHARE,
    EXTREMES,
    HOSTS,
    LOAD,
    ROWS,
)
from rebalancer.placement.kernels.types import Floats, Ints

__all__ = ["apply_extremes", "extremes_shift"]

_NOTHING = 1e300


@kernel
def utilised(ci: Ints, cf: Floats, sf: Floats, index: int, host: int, more: float) -> float:
    load = sf[ci[LOAD] + host * ci[ROWS] + ci[ci[EXTREME_ROW] + index]]
    return (load + more) * cf[ci[EXTREME_SHARE] + index * ci[HOSTS] + host]


@kernel
def extreme_cost(ci: Ints, cf: Floats, index: int, most: float, least: float) -> float:
    numbers = ci[EXTREME_NUMBERS] + 3 * index
    if most == -_NOTHING:
        return 0.0
    spread = most - (least if ci[ci[EXTREME_RANGE] + index] == 1 else cf[numbers + 1]) - cf[numbers + 2]
    return cf[numbers] * spread if spread > 0.0 else 0.0


@kernel
def cost_after(
    ci: Ints, cf: Floats, si: Ints, sf: Floats, index: int, source: int, destination: int, demand: float
) -> float:
    most, least = -_NOTHING, _NOTHING
    for end in range(2):
        host = source if end == 0 else destination
        if cf[ci[EXTREME_SHARE] + index * ci[HOSTS] + host] > 0.0:
            used = utilised(ci, cf, sf, index, host, -demand if end == 0 else demand)
            most = used if used > most else most
            least = used if used < least else least
    for rank in range(6):
        host = si[ci[EXTREME_HOSTS] + 6 * index + rank]
        if host >= 0 and host != source and host != destination:
            used = utilised(ci, cf, sf, index, host, 0.0)
            most = used if used > most else most
            least = used if used < least else least
    return extreme_cost(ci, cf, index, most, least)


@kernel
def extremes_shift(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, source: int, destination: int) -> None:
    """Adds what a move changes of extremes to DELTA."""
    for index in range(ci[EXTREMES]):
        demand = cf[ci[DEMAND] + domain * ci[ROWS] + ci[ci[EXTREME_ROW] + index]]
        if demand != 0.0:
            after = cost_after(ci, cf, si, sf, index, source, destination, demand)
            sf[ci[DELTA] + ci[ci[EXTREME_LEVEL] + index]] += after - sf[ci[EXTREME_COST] + index]


@kernel
def insert(
    ci: Ints, cf: Floats, si: Ints, sf: Floats, index: int, ranks: int, host: int, used: float, sign: float
) -> None:
    """Puts a host among the three most (``sign`` 1) or least (-1) utilised, if it is."""
    for rank in range(3):
        other = si[ranks + rank]
        if other < 0 or sign * used > sign * utilised(ci, cf, sf, index, other, 0.0):
            for later in range(2, rank, -1):
                si[ranks + later] = si[ranks + later - 1]
            si[ranks + rank] = host
            return


@kernel
def apply_extremes(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int) -> None:
    """Looks for the extremes anew; the loads have been moved. A negative domain: look in any case."""
    for index in range(ci[EXTREMES]):
        if domain >= 0 and cf[ci[DEMAND] + domain * ci[ROWS] + ci[ci[EXTREME_ROW] + index]] == 0.0:
            continue
        ranks = ci[EXTREME_HOSTS] + 6 * index
        for rank in range(6):
            si[ranks + rank] = -1
        for host in range(ci[HOSTS]):
            if cf[ci[EXTREME_SHARE] + index * ci[HOSTS] + host] > 0.0:
                used = utilised(ci, cf, sf, index, host, 0.0)
                for side in range(2):
                    insert(ci, cf, si, sf, index, ranks + 3 * side, host, used, 1.0 if side == 0 else -1.0)
        most, least = -_NOTHING, _NOTHING
        if si[ranks] >= 0:
            most = utilised(ci, cf, sf, index, si[ranks], 0.0)
            least = utilised(ci, cf, sf, index, si[ranks + 3], 0.0)
        sf[ci[EXTREME_COST] + index] = extreme_cost(ci, cf, index, most, least)
