"""What the hosts of a zone hold together, between two bounds; and what talks to each other over a distance."""

from __future__ import annotations

from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    DELTA,
    HOSTS,
    PLACE,
    POOL,
    POOL_BOUNDS,
    POOL_COUNT,
    POOL_DEMAND,
    POOL_GROUP,
    POOL_LEVEL,
    POOL_LOAD,
    POOL_NUMBERS,
    POOL_PRESENCE,
    POOL_SUM,
    POOL_WIDTH,
    POOL_ZONE,
    POOL_ZONES,
    POOLS,
    TRAFFIC,
    TRAFFIC_FIRST,
    TRAFFIC_PARTNER,
    TRAFFIC_WIDTH,
    TRAFFICS,
)
from rebalancer.placement.kernels.layout import TRAFFIC_DISTANCE as DISTANCE
from rebalancer.placement.kernels.layout import TRAFFIC_LEVEL as LEVEL
from rebalancer.placement.kernels.layout import TRAFFIC_RATE as RATE
from rebalancer.placement.kernels.layout import TRAFFIC_WEIGHT as WEIGHT
from rebalancer.placement.kernels.types import Floats, Ints

__all__ = ["apply_pools", "pools_shift", "traffic_shift"]


@kernel
def outside(cf: Floats, bounds: int, load: float, slack: float) -> float:
    """How far a load is above the first or below the second bound."""
    over, under = load - cf[bounds], cf[bounds + 1] - load
    return (over if over > slack else 0.0) + (under if under > slack else 0.0)


@kernel
def load_change(ci: Ints, cf: Floats, si: Ints, sf: Floats, pool: int, domain: int, zone: int, sign: int) -> float:
    """What a domain's coming to (``sign`` 1) or leaving (-1) a zone changes of its load."""
    demand = cf[ci[pool + POOL_DEMAND] + domain]
    group = -1 if ci[pool + POOL_GROUP] < 0 else ci[ci[pool + POOL_GROUP] + domain]
    if group < 0:
        return sign * demand
    at = group * ci[pool + POOL_ZONES] + zone
    count, total = si[ci[pool + POOL_COUNT] + at], sf[ci[pool + POOL_SUM] + at]
    presence = cf[ci[pool + POOL_PRESENCE] + group]
    before = max(total, presence) if count > 0 else 0.0
    after = max(total + sign * demand, presence) if count + sign > 0 else 0.0
    return after - before


@kernel
def pools_shift(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, source: int, destination: int) -> None:
    """Adds what a move changes of all pools to DELTA, level 0 included."""
    for index in range(ci[POOLS]):
        pool = ci[POOL] + index * POOL_WIDTH
        level, numbers = ci[pool + POOL_LEVEL], ci[POOL_NUMBERS] + 3 * index
        here, there = ci[ci[pool + POOL_ZONE] + source], ci[ci[pool + POOL_ZONE] + destination]
        if here == there:
            continue
        for end in range(2):
            zone = here if end == 0 else there
            if zone < 0:
                continue
            load = sf[ci[pool + POOL_LOAD] + zone]
            after = load + load_change(ci, cf, si, sf, pool, domain, zone, -1 if end == 0 else 1)
            bounds, slack = ci[pool + POOL_BOUNDS] + 4 * zone, cf[numbers + 2]
            change = outside(cf, bounds, after, slack) - outside(cf, bounds, load, slack)
            sf[ci[DELTA] + level] += cf[numbers] * change
            if level == 1:
                change = outside(cf, bounds + 2, after, slack) - outside(cf, bounds + 2, load, slack)
                sf[ci[DELTA]] += cf[numbers + 1] * change


@kernel
def apply_pools(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, source: int, destination: int) -> None:
    """Brings the loads of zones up to date."""
    for index in range(ci[POOLS]):
        pool = ci[POOL] + index * POOL_WIDTH
        here, there = ci[ci[pool + POOL_ZONE] + source], ci[ci[pool + POOL_ZONE] + destination]
        if here == there:
            continue
        group = -1 if ci[pool + POOL_GROUP] < 0 else ci[ci[pool + POOL_GROUP] + domain]
        for end in range(2):
            zone, sign = (here, -1) if end == 0 else (there, 1)
            if zone < 0:
                continue
            sf[ci[pool + POOL_LOAD] + zone] += load_change(ci, cf, si, sf, pool, domain, zone, sign)
            if group >= 0:
                at = group * ci[pool + POOL_ZONES] + zone
                si[ci[pool + POOL_COUNT] + at] += sign
                sf[ci[pool + POOL_SUM] + at] += sign * cf[ci[pool + POOL_DEMAND] + domain]


@kernel
def traffic_shift(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, source: int, destination: int) -> None:
    """Adds what a move changes of all traffic to DELTA; of each partner: whether the domain is the pair's first."""
    hosts = ci[HOSTS]
    for index in range(ci[TRAFFICS]):
        traffic = ci[TRAFFIC] + index * TRAFFIC_WIDTH
        first, distance = ci[traffic + TRAFFIC_FIRST] + domain, ci[traffic + DISTANCE]
        total = 0.0
        for at in range(ci[first], ci[first + 1]):
            other = si[ci[PLACE] + ci[ci[traffic + TRAFFIC_PARTNER] + 2 * at]]
            if ci[ci[traffic + TRAFFIC_PARTNER] + 2 * at + 1] == 1:
                change = cf[distance + destination * hosts + other] - cf[distance + source * hosts + other]
            else:
                change = cf[distance + other * hosts + destination] - cf[distance + other * hosts + source]
            total += cf[ci[traffic + RATE] + at] * change
        sf[ci[DELTA] + ci[traffic + LEVEL]] += cf[ci[traffic + WEIGHT]] * total
