"""Moves of many domains: a large one moves in where several small ones move out, or a host is cleared out.

The first is the "big process rearrangement" of the challenge's winner (Gavranović, Buljubašić: *An efficient local
search with noising strategy for Google Machine Reassignment problem*, 2016).
"""

from __future__ import annotations

from rebalancer.placement.kernels.alone import hard_alone_shift
from rebalancer.placement.kernels.chance import below
from rebalancer.placement.kernels.groups import hard_group_shift
from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    COST,
    DELTA,
    DOMAINS,
    FIRST,
    HOSTS,
    LEVELS,
    NEXT,
    PLACE,
    RESIDENTS,
    SCRATCH,
    STACK,
    START,
)
from rebalancer.placement.kernels.loads import fits, overloaded, relieves
from rebalancer.placement.kernels.moves import hard_shift, move, shift, soft_shift
from rebalancer.placement.kernels.types import TOLERANCE, Floats, Ints

__all__ = ["add_chain_to_cost", "clear_out", "some_resident", "squeeze_in", "undo"]

MOST_EJECTED = 7
MOST_CLEARED = 30
_TARGETS = 6
_LOOKS = 6
"""For a domain that can be moved out of the way."""


@kernel
def take(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, destination: int, number: int) -> None:
    """Moves a domain as step ``number`` of a chain; DELTA says what that changes."""
    for level in range(ci[LEVELS]):
        sf[ci[SCRATCH] + level] += sf[ci[DELTA] + level]
    si[ci[STACK] + 2 * number] = domain
    si[ci[STACK] + 2 * number + 1] = si[ci[PLACE] + domain]
    move(ci, cf, si, sf, domain, destination)


@kernel
def undo(ci: Ints, cf: Floats, si: Ints, sf: Floats, number: int) -> None:
    """Takes back the first ``number`` steps of a chain, the last one first."""
    for index in range(number - 1, -1, -1):
        move(ci, cf, si, sf, si[ci[STACK] + 2 * index], si[ci[STACK] + 2 * index + 1])


@kernel
def best_target(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, host: int, likely: int, carrying: bool) -> int:
    """The best of a few hosts that have room for a domain, -1 for none; never the one that it leaves.

    ``carrying``: hosts that carry domains; otherwise where the domain started, a likely one, and any.
    """
    best, best_cost = -1, 1e300
    for attempt in range(_TARGETS):
        if carrying:
            target = si[ci[PLACE] + below(ci, si, ci[DOMAINS])]
        elif attempt == 0:
            target = ci[ci[START] + domain]
        elif attempt == 1:
            target = likely
        else:
            target = below(ci, si, ci[HOSTS])
        if target == host or not fits(ci, cf, sf, domain, -1, target):
            continue
        hard_shift(ci, cf, si, sf, domain, target, False)
        if sf[ci[DELTA]] > TOLERANCE:
            continue
        soft_shift(ci, cf, si, sf, domain, target)
        cost = 0.0
        for level in range(1, ci[LEVELS]):
            cost += sf[ci[DELTA] + level]
        if cost < best_cost:
            best, best_cost = target, cost
    return best


@kernel
def some_resident(ci: Ints, si: Ints, host: int) -> int:
    """A domain that stands on a host, -1 where none does."""
    number = si[ci[RESIDENTS] + host]
    if number == 0:
        return -1
    domain = si[ci[FIRST] + host]
    for _ in range(below(ci, si, number)):
        domain = si[ci[NEXT] + domain]
    return domain


@kernel
def eject(ci: Ints, cf: Floats, si: Ints, sf: Floats, kept: int, host: int, likely: int, number: int) -> bool:
    """Moves a resident of an overloaded host, whose leaving helps, to the best of a few that have room for it."""
    for _ in range(_LOOKS):
        other = some_resident(ci, si, host)
        if other == kept or not relieves(ci, cf, sf, other, host):
            continue
        best = best_target(ci, cf, si, sf, other, host, likely, False)
        if best >= 0:
            shift(ci, cf, si, sf, other, best)
            take(ci, cf, si, sf, other, best, number)
            return True
    return False


@kernel
def squeeze_in(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, destination: int) -> int:
    """Moves a domain where there is no room for it, and others out of its way, each to the best of a few hosts.

    The number of moves made, 0 where it cannot be done; SCRATCH says what they change together.
    """
    source = si[ci[PLACE] + domain]
    for level in range(ci[LEVELS]):
        sf[ci[DELTA] + level] = 0.0
        sf[ci[SCRATCH] + level] = 0.0
    hard_alone_shift(ci, cf, si, sf, domain, source, destination)
    hard_group_shift(ci, cf, si, sf, domain, source, destination, True)
    if sf[ci[DELTA]] > TOLERANCE:
        return 0
    shift(ci, cf, si, sf, domain, destination)
    take(ci, cf, si, sf, domain, destination, 0)
    number = 1
    while overloaded(ci, cf, sf, destination):
        if number > MOST_EJECTED or not eject(ci, cf, si, sf, domain, destination, source, number):
            undo(ci, cf, si, sf, number)
            return 0
        number += 1
    if sf[ci[SCRATCH]] > TOLERANCE:
        undo(ci, cf, si, sf, number)
        return 0
    return number


@kernel
def clear_out(ci: Ints, cf: Floats, si: Ints, sf: Floats, host: int) -> int:
    """Moves all domains of a host to hosts that carry others, each to the best of a few.

    The number of moves made, 0 where it cannot be done; SCRATCH says what they change together.
    """
    for level in range(ci[LEVELS]):
        sf[ci[SCRATCH] + level] = 0.0
    number = 0
    while si[ci[FIRST] + host] >= 0:
        domain = si[ci[FIRST] + host]
        best = best_target(ci, cf, si, sf, domain, host, -1, True)
        if best < 0 or number >= MOST_CLEARED:
            undo(ci, cf, si, sf, number)
            return 0
        shift(ci, cf, si, sf, domain, best)
        take(ci, cf, si, sf, domain, best, number)
        number += 1
    return number


@kernel
def add_chain_to_cost(ci: Ints, sf: Floats) -> None:
    for level in range(ci[LEVELS]):
        sf[ci[COST] + level] += sf[ci[SCRATCH] + level]
