"""A placement under construction: what moving one domain would change, and doing it."""

from __future__ import annotations

from rebalancer.placement.kernels.alone import apply_limits, hard_alone_shift, soft_alone_shift
from rebalancer.placement.kernels.extremes import apply_extremes, extremes_shift
from rebalancer.placement.kernels.failover import apply_failover, failover_shift, settle_failover, start_failover
from rebalancer.placement.kernels.groups import apply_groups, hard_group_shift, soft_group_shift
from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    CONTROL,
    COST,
    DELTA,
    DOMAINS,
    EXTREMES,
    FAILOVERS,
    FIRST,
    FOCUS,
    LEVELS,
    NEXT,
    PLACE,
    POOLS,
    PREVIOUS,
    RESIDENTS,
    TRAFFICS,
    UNBROKEN,
)
from rebalancer.placement.kernels.loads import (
    apply_loads,
    hard_load_shift,
    soft_load_exchange,
    soft_load_shift,
    start_loads,
)
from rebalancer.placement.kernels.pools import apply_pools, pools_shift, traffic_shift
from rebalancer.placement.kernels.types import TOLERANCE, Floats, Ints

__all__ = ["add_to_cost", "better", "exchange_guess", "hard_shift", "move", "shift", "soft_shift", "start"]


@kernel
def hard_shift(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, destination: int, strict: bool) -> None:
    """Sets levels 0 and 1 of DELTA to what the move would change, and the others to 0; failover is left out.

    ``strict``: no more than it takes to see that level 0 gets worse.
    """
    for level in range(ci[LEVELS]):
        sf[ci[DELTA] + level] = 0.0
    source = si[ci[PLACE] + domain]
    hard_load_shift(ci, cf, sf, domain, source, destination, strict)
    if strict and sf[ci[DELTA]] > TOLERANCE:
        return
    hard_alone_shift(ci, cf, si, sf, domain, source, destination)
    if strict and sf[ci[DELTA]] > TOLERANCE:
        return
    hard_group_shift(ci, cf, si, sf, domain, source, destination, strict)
    if ci[POOLS] > 0:
        pools_shift(ci, cf, si, sf, domain, source, destination)
    if ci[UNBROKEN] == 1:
        sf[ci[DELTA] + 1] = sf[ci[DELTA]]


@kernel
def soft_shift(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, destination: int) -> None:
    """Adds the rest to DELTA."""
    source = si[ci[PLACE] + domain]
    soft_load_shift(ci, cf, sf, domain, source, destination)
    soft_alone_shift(ci, cf, si, sf, domain, source, destination)
    soft_group_shift(ci, cf, si, sf, domain, source, destination)
    if ci[TRAFFICS] > 0:
        traffic_shift(ci, cf, si, sf, domain, source, destination)
    if ci[EXTREMES] > 0:
        extremes_shift(ci, cf, si, sf, domain, source, destination)
    if ci[FAILOVERS] > 0:
        failover_shift(ci, cf, si, sf, domain, source, destination)


@kernel
def shift(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, destination: int) -> None:
    """Sets DELTA to what moving a domain to another host would change, level by level."""
    hard_shift(ci, cf, si, sf, domain, destination, False)
    soft_shift(ci, cf, si, sf, domain, destination)


@kernel
def exchange_guess(ci: Ints, cf: Floats, si: Ints, sf: Floats, one: int, other: int) -> None:
    """Sets DELTA to about what it would change if two domains changed places: right but for what each of them alone
    would find otherwise where the other has moved already."""
    here, there = si[ci[PLACE] + one], si[ci[PLACE] + other]
    for level in range(ci[LEVELS]):
        sf[ci[DELTA] + level] = 0.0
    hard_group_shift(ci, cf, si, sf, one, here, there, True)
    if sf[ci[DELTA]] <= TOLERANCE:
        hard_group_shift(ci, cf, si, sf, other, there, here, True)
    if sf[ci[DELTA]] <= TOLERANCE:
        hard_alone_shift(ci, cf, si, sf, one, here, there)
        hard_alone_shift(ci, cf, si, sf, other, there, here)
    if sf[ci[DELTA]] <= TOLERANCE:
        soft_load_exchange(ci, cf, sf, one, here, other, there)
        soft_alone_shift(ci, cf, si, sf, one, here, there)
        soft_alone_shift(ci, cf, si, sf, other, there, here)
        soft_group_shift(ci, cf, si, sf, one, here, there)
        soft_group_shift(ci, cf, si, sf, other, there, here)


@kernel
def leave(ci: Ints, si: Ints, domain: int, host: int) -> None:
    """Takes a domain out of the list of its host's residents."""
    following, before = si[ci[NEXT] + domain], si[ci[PREVIOUS] + domain]
    if before >= 0:
        si[ci[NEXT] + before] = following
    else:
        si[ci[FIRST] + host] = following
    if following >= 0:
        si[ci[PREVIOUS] + following] = before
    si[ci[RESIDENTS] + host] -= 1


@kernel
def settle(ci: Ints, si: Ints, domain: int, host: int) -> None:
    """Puts a domain at the head of its host's residents."""
    first = si[ci[FIRST] + host]
    si[ci[NEXT] + domain] = first
    si[ci[PREVIOUS] + domain] = -1
    if first >= 0:
        si[ci[PREVIOUS] + first] = domain
    si[ci[FIRST] + host] = domain
    si[ci[RESIDENTS] + host] += 1
    si[ci[PLACE] + domain] = host


@kernel
def move(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, destination: int) -> None:
    """Moves a domain to another host; COST follows only where the caller adds DELTA to it."""
    source = si[ci[PLACE] + domain]
    if ci[FAILOVERS] > 0:
        apply_failover(ci, cf, si, sf, source, -1)
        apply_failover(ci, cf, si, sf, destination, -1)
    apply_loads(ci, cf, sf, domain, source, destination)
    apply_groups(ci, si, domain, source, destination)
    if ci[POOLS] > 0:
        apply_pools(ci, cf, si, sf, domain, source, destination)
    apply_limits(ci, cf, si, sf, domain, source, destination)
    leave(ci, si, domain, source)
    settle(ci, si, domain, destination)
    if ci[FAILOVERS] > 0:
        apply_failover(ci, cf, si, sf, source, 1)
        apply_failover(ci, cf, si, sf, destination, 1)
        settle_failover(ci, cf, si, sf)
    if ci[EXTREMES] > 0:
        apply_extremes(ci, cf, si, sf, domain)


@kernel
def start(ci: Ints, cf: Floats, si: Ints, sf: Floats) -> None:
    """What is only known from the loads: residents, extremes, room for failures."""
    for domain in range(ci[DOMAINS] - 1, -1, -1):
        settle(ci, si, domain, si[ci[PLACE] + domain])
    start_loads(ci, cf, sf)
    if ci[EXTREMES] > 0:
        apply_extremes(ci, cf, si, sf, -1)
    if ci[FAILOVERS] > 0:
        start_failover(ci, cf, si, sf)


@kernel
def better(ci: Ints, si: Ints, sf: Floats, change: int) -> int:
    """1 where the change of costs that stands at ``change`` in ``sf`` is for the better, -1 for the worse, else 0; down
    to the level in focus."""
    for level in range(si[ci[CONTROL] + FOCUS] + 1):
        value = sf[change + level]
        if value < -TOLERANCE:
            return 1
        if value > TOLERANCE:
            return -1
    return 0


@kernel
def add_to_cost(ci: Ints, sf: Floats) -> None:
    for level in range(ci[LEVELS]):
        sf[ci[COST] + level] += sf[ci[DELTA] + level]
