"""Costs of single hosts by what stands on them in sum: capacity, headroom, evenness, proportion, hosts in use."""

from __future__ import annotations

from math import sqrt

from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    ABOVE,
    CAPACITY,
    CURVE_BOUND,
    CURVE_KIND,
    CURVE_LEVEL,
    CURVE_LIMIT,
    CURVE_NUMBER,
    CURVE_ROW,
    CURVE_SECOND,
    CURVE_SLACK,
    CURVE_SUM,
    CURVE_TARGET,
    CURVE_TOLERANCE,
    CURVE_VALUE,
    CURVE_WEIGHT,
    CURVES,
    DELTA,
    DEMAND,
    EVEN_ROOT,
    EVEN_SQUARE,
    FLOOR,
    HARD_CURVES,
    HOSTS,
    LOAD,
    NEED,
    RATIO,
    ROOM,
    ROOM_BOTHS,
    ROOM_CURVE,
    ROOMS,
    ROW_BOTH,
    ROWS,
    START,
    UNBROKEN,
)
from rebalancer.placement.kernels.types import Floats, Ints

__all__ = [
    "apply_loads",
    "fits",
    "hard_load_shift",
    "overloaded",
    "relieves",
    "soft_load_exchange",
    "soft_load_shift",
    "start_loads",
]

_EVEN = 1e-9
"""Squares of percentages: a sum that was added up inexactly is never quite 0, and its root far from it."""


@kernel
def curve_value(ci: Ints, cf: Floats, j: int, host: int, load: float, second: float) -> float:
    """What curve ``j`` makes of a host's load (and of its second sum)."""
    kind = ci[ci[CURVE_KIND] + j]
    limit = cf[ci[CURVE_LIMIT] + host * ci[CURVES] + j]
    if kind == CAPACITY:
        over = load - limit
        return over if over > cf[ci[CURVE_SLACK] + j] else 0.0
    if kind == FLOOR:
        under = limit - load
        return under if under > cf[ci[CURVE_SLACK] + j] else 0.0
    if kind == RATIO:
        room = cf[ci[CURVE_BOUND] + host * ci[CURVES] + j] - second
        short = cf[ci[CURVE_TARGET] + j] * (limit - load) - room
        return short if short > 0.0 else 0.0
    if kind == EVEN_ROOT or kind == EVEN_SQUARE:
        if limit == 0.0:
            return 0.0
        outside = load * limit - cf[ci[CURVE_TARGET] + j]
        if outside < 0.0:
            outside = -outside
        outside -= cf[ci[CURVE_TOLERANCE] + j]
        return outside * outside if outside > 0.0 else 0.0
    if kind == ABOVE:
        if limit == 0.0:
            return 0.0
        outside = load * limit - cf[ci[CURVE_TARGET] + j] - cf[ci[CURVE_TOLERANCE] + j]
        return outside if outside > 0.0 else 0.0
    if second < 0.5:
        return 0.0
    used = load * limit
    if used > 1.0:
        used = 1.0
    return 0.5 + used - used * used / 2.0


@kernel
def curve_cost(ci: Ints, cf: Floats, j: int, total: float) -> float:
    """The weighted cost that the sum of a curve's values over all hosts makes."""
    if ci[ci[CURVE_KIND] + j] == EVEN_ROOT:
        if total <= _EVEN:
            return 0.0
        return cf[ci[CURVE_WEIGHT] + j] * sqrt(total / ci[ci[CURVE_NUMBER] + j])
    return cf[ci[CURVE_WEIGHT] + j] * total


@kernel
def over(load: float, bound: float, slack: float) -> float:
    return load - bound if load - bound > slack else 0.0


@kernel
def hard_load_shift(ci: Ints, cf: Floats, sf: Floats, domain: int, source: int, destination: int, strict: bool) -> None:
    """Adds what a move changes of hard capacities to levels 0 and 1 of DELTA; ``strict``: no more than shows it is
    forbidden, which takes that no host is over its bound now."""
    rows, curves = ci[ROWS], ci[CURVES]
    home = ci[ci[START] + domain]
    wants, loads, bounds = ci[DEMAND] + domain * rows, ci[LOAD], ci[CURVE_BOUND]
    worse = 0.0
    broken = 0.0
    for j in range(ci[HARD_CURVES]):
        row = ci[ci[CURVE_ROW] + j]
        demand = cf[wants + row]
        if demand == 0.0:
            continue
        both = ci[ci[ROW_BOTH] + row]
        slack = cf[ci[CURVE_SLACK] + j]
        if both == 0 or destination != home:
            load, bound = sf[loads + destination * rows + row], cf[bounds + destination * curves + j]
            if load + demand - bound > slack:
                worse += cf[ci[CURVE_TARGET] + j] * (load + demand - bound - over(load, bound, slack))
                if strict:
                    break
            if ci[UNBROKEN] == 0:
                limit = cf[ci[CURVE_LIMIT] + destination * curves + j]
                change = over(load + demand, limit, slack) - over(load, limit, slack)
                broken += cf[ci[CURVE_WEIGHT] + j] * change
        if both == 0 or source != home:
            load, bound = sf[loads + source * rows + row], cf[bounds + source * curves + j]
            if load - bound > slack:
                worse += cf[ci[CURVE_TARGET] + j] * (over(load - demand, bound, slack) - (load - bound))
            if ci[UNBROKEN] == 0:
                limit = cf[ci[CURVE_LIMIT] + source * curves + j]
                change = over(load - demand, limit, slack) - over(load, limit, slack)
                broken += cf[ci[CURVE_WEIGHT] + j] * change
    sf[ci[DELTA]] += worse
    sf[ci[DELTA] + 1] += broken


@kernel
def counted(ci: Ints, row: int, domain: int, host: int, demand: float) -> float:
    """What a domain's coming to, or going from, a host changes of its sum: nothing where it counts there for good."""
    if ci[ci[ROW_BOTH] + row] == 1 and ci[ci[START] + domain] == host:
        return 0.0
    return demand


@kernel
def fits(ci: Ints, cf: Floats, sf: Floats, arriving: int, leaving: int, host: int) -> bool:
    """Whether a host can take one domain for another (-1: for none) as far as hard capacities go; a quick look before a
    thorough one."""
    rooms, boths = ci[ROOMS], ci[ROOM_BOTHS]
    need, room = ci[NEED] + arriving * rooms, ci[ROOM] + host * rooms
    # Where a domain started it takes up nothing more of what it has kept.
    first = boths if ci[ci[START] + arriving] == host else 0
    kept = rooms
    if leaving >= 0:
        kept = boths if ci[ci[START] + leaving] == host else 0
    for k in range(first, kept):
        if cf[need + k] > sf[room + k] and cf[need + k] > 0.0:
            return False
    gone = ci[NEED] + leaving * rooms
    for k in range(max(first, kept), rooms):
        more = cf[need + k] - cf[gone + k]
        if more > sf[room + k] and more > 0.0:
            return False
    return True


@kernel
def measure_room(ci: Ints, cf: Floats, sf: Floats, host: int) -> None:
    rooms, loads, bounds = ci[ROOMS], ci[LOAD] + host * ci[ROWS], ci[CURVE_BOUND] + host * ci[CURVES]
    for k in range(rooms):
        j = ci[ci[ROOM_CURVE] + k]
        load = sf[loads + ci[ci[CURVE_ROW] + j]]
        sf[ci[ROOM] + host * rooms + k] = cf[bounds + j] + cf[ci[CURVE_SLACK] + j] - load


@kernel
def overloaded(ci: Ints, cf: Floats, sf: Floats, host: int) -> bool:
    """Whether more stands on a host than may."""
    rows, curves = ci[ROWS], ci[CURVES]
    for j in range(ci[HARD_CURVES]):
        row = ci[ci[CURVE_ROW] + j]
        load, bound = sf[ci[LOAD] + host * rows + row], cf[ci[CURVE_BOUND] + host * curves + j]
        if load - bound > cf[ci[CURVE_SLACK] + j]:
            return True
    return False


@kernel
def relieves(ci: Ints, cf: Floats, sf: Floats, domain: int, host: int) -> bool:
    """Whether a domain's leaving lessens by how much too much stands on a host."""
    rows, curves = ci[ROWS], ci[CURVES]
    for j in range(ci[HARD_CURVES]):
        row = ci[ci[CURVE_ROW] + j]
        demand = cf[ci[DEMAND] + domain * rows + row]
        load, bound = sf[ci[LOAD] + host * rows + row], cf[ci[CURVE_BOUND] + host * curves + j]
        if load - bound > cf[ci[CURVE_SLACK] + j] and counted(ci, row, domain, host, demand) > 0.0:
            return True
    return False


@kernel
def cost_change(ci: Ints, cf: Floats, sf: Floats, j: int, change: float) -> float:
    """What a change of a curve's sum makes of its cost."""
    if ci[ci[CURVE_KIND] + j] == EVEN_ROOT:
        total = sf[ci[CURVE_SUM] + j]
        return curve_cost(ci, cf, j, total + change) - curve_cost(ci, cf, j, total)
    return cf[ci[CURVE_WEIGHT] + j] * change


@kernel
def value_change(ci: Ints, cf: Floats, sf: Floats, j: int, host: int, more: float, second_more: float) -> float:
    """What more load (and more of the second sum) on a host changes of a curve's value there."""
    loads = ci[LOAD] + host * ci[ROWS]
    load, second = sf[loads + ci[ci[CURVE_ROW] + j]], sf[loads + ci[ci[CURVE_SECOND] + j]]
    now = sf[ci[CURVE_VALUE] + host * ci[CURVES] + j]
    return curve_value(ci, cf, j, host, load + more, second + second_more) - now


@kernel
def soft_load_exchange(ci: Ints, cf: Floats, sf: Floats, one: int, here: int, other: int, there: int) -> None:
    """Adds what it changes of soft curves to DELTA if two domains change places."""
    rows, curves = ci[ROWS], ci[CURVES]
    first, last = ci[DEMAND] + one * rows, ci[DEMAND] + other * rows
    for j in range(ci[HARD_CURVES], curves):
        row, second = ci[ci[CURVE_ROW] + j], ci[ci[CURVE_SECOND] + j]
        # The second sum is never counted on both ends.
        more = cf[first + second] - cf[last + second]
        into = counted(ci, row, one, there, cf[first + row]) - counted(ci, row, other, there, cf[last + row])
        out = counted(ci, row, one, here, cf[first + row]) - counted(ci, row, other, here, cf[last + row])
        if more == 0.0 and into == 0.0 and out == 0.0:
            continue
        change = value_change(ci, cf, sf, j, there, into, more) + value_change(ci, cf, sf, j, here, -out, -more)
        sf[ci[DELTA] + ci[ci[CURVE_LEVEL] + j]] += cost_change(ci, cf, sf, j, change)


@kernel
def soft_load_shift(ci: Ints, cf: Floats, sf: Floats, domain: int, source: int, destination: int) -> None:
    """Adds what a move changes of all other curves to DELTA."""
    rows, curves = ci[ROWS], ci[CURVES]
    wants = ci[DEMAND] + domain * rows
    for j in range(ci[HARD_CURVES], curves):
        row, second = ci[ci[CURVE_ROW] + j], ci[ci[CURVE_SECOND] + j]
        demand, more = cf[wants + row], cf[wants + second]
        if demand == 0.0 and more == 0.0:
            continue
        out = counted(ci, row, domain, source, demand)
        into = counted(ci, row, domain, destination, demand)
        change = value_change(ci, cf, sf, j, destination, into, more)
        change += value_change(ci, cf, sf, j, source, -out, -more)
        sf[ci[DELTA] + ci[ci[CURVE_LEVEL] + j]] += cost_change(ci, cf, sf, j, change)


@kernel
def apply_loads(ci: Ints, cf: Floats, sf: Floats, domain: int, source: int, destination: int) -> None:
    """Moves a domain's demands, and brings the values of curves up to date."""
    rows, curves = ci[ROWS], ci[CURVES]
    home = ci[ci[START] + domain]
    for row in range(rows):
        demand = cf[ci[DEMAND] + domain * rows + row]
        both = ci[ci[ROW_BOTH] + row]
        if both == 0 or source != home:
            sf[ci[LOAD] + source * rows + row] -= demand
        if both == 0 or destination != home:
            sf[ci[LOAD] + destination * rows + row] += demand
    measure_room(ci, cf, sf, source)
    measure_room(ci, cf, sf, destination)
    for j in range(ci[HARD_CURVES], curves):
        row, second = ci[ci[CURVE_ROW] + j], ci[ci[CURVE_SECOND] + j]
        change = 0.0
        for end in range(2):
            host = source if end == 0 else destination
            value = curve_value(ci, cf, j, host, sf[ci[LOAD] + host * rows + row], sf[ci[LOAD] + host * rows + second])
            at = ci[CURVE_VALUE] + host * curves + j
            change += value - sf[at]
            sf[at] = value
        sf[ci[CURVE_SUM] + j] += change


@kernel
def start_loads(ci: Ints, cf: Floats, sf: Floats) -> None:
    """The values of curves and their sums, from the loads."""
    rows, curves = ci[ROWS], ci[CURVES]
    for host in range(ci[HOSTS]):
        measure_room(ci, cf, sf, host)
    for j in range(ci[HARD_CURVES], curves):
        total = 0.0
        for host in range(ci[HOSTS]):
            loads = ci[LOAD] + host * rows
            row, second = sf[loads + ci[ci[CURVE_ROW] + j]], sf[loads + ci[ci[CURVE_SECOND] + j]]
            value = curve_value(ci, cf, j, host, row, second)
            sf[ci[CURVE_VALUE] + host * curves + j] = value
            total += value
        sf[ci[CURVE_SUM] + j] = total
