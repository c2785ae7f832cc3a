"""After a search: who can go home because that gains nothing, alone or where another one goes in its stead."""

from __future__ import annotations

from rebalancer.placement.kernels.best import keep
from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    CONTROL,
    CURSOR,
    DELTA,
    DOMAINS,
    FIRST,
    IDLE,
    ITERATIONS,
    LEVELS,
    NEXT,
    PAYLOAD,
    PLACE,
    RESIDENTS,
    SCRATCH,
    SPENT,
    START,
)
from rebalancer.placement.kernels.loads import fits
from rebalancer.placement.kernels.moves import add_to_cost, better, move, shift
from rebalancer.placement.kernels.squeeze import add_chain_to_cost
from rebalancer.placement.kernels.types import Floats, Ints

__all__ = ["take_back", "trade_places"]


@kernel
def goes_home(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int) -> bool:
    """Sends a domain home where its move gains nothing."""
    home = ci[ci[START] + domain]
    if si[ci[PLACE] + domain] == home:
        return False
    shift(ci, cf, si, sf, domain, home)
    if better(ci, si, sf, ci[DELTA]) < 0:
        return False
    move(ci, cf, si, sf, domain, home)
    add_to_cost(ci, sf)
    return True


@kernel
def take_back(ci: Ints, cf: Floats, si: Ints, sf: Floats) -> int:
    """Sends home every domain whose move gains nothing; how many."""
    taken, again = 0, True
    while again:
        again = False
        for domain in range(ci[DOMAINS]):
            if goes_home(ci, cf, si, sf, domain):
                taken += 1
                again = True
    keep(ci, si, sf)  # it may be no better, but as good with fewer moves
    return taken


@kernel
def sends_less(ci: Ints, si: Ints, domain: int, other: int) -> bool:
    """Whether less is sent where another one stands where this one does, and this one at home."""
    there, start = si[ci[PLACE] + domain], ci[ci[START] + other]
    saved = ci[ci[PAYLOAD] + domain]
    if si[ci[PLACE] + other] != start:
        saved += ci[ci[PAYLOAD] + other]
    return there == start or saved > ci[ci[PAYLOAD] + other]


@kernel
def trade(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, other: int) -> bool:
    """Exchanges a domain and one that stands at its home, where that costs no more."""
    there, home = si[ci[PLACE] + domain], si[ci[PLACE] + other]
    shift(ci, cf, si, sf, domain, home)
    for level in range(ci[LEVELS]):
        sf[ci[SCRATCH] + level] = sf[ci[DELTA] + level]
    move(ci, cf, si, sf, domain, home)
    shift(ci, cf, si, sf, other, there)
    for level in range(ci[LEVELS]):
        sf[ci[SCRATCH] + level] += sf[ci[DELTA] + level]
    if better(ci, si, sf, ci[SCRATCH]) >= 0:
        move(ci, cf, si, sf, other, there)
        add_chain_to_cost(ci, sf)
        return True
    move(ci, cf, si, sf, domain, there)
    return False


@kernel
def trades(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int) -> bool:
    """Sends a domain home in exchange for the first of those there with which that costs no more and sends less."""
    there, home = si[ci[PLACE] + domain], ci[ci[START] + domain]
    if there == home:
        return False
    other = si[ci[FIRST] + home]
    while other >= 0:
        if (
            sends_less(ci, si, domain, other)
            and fits(ci, cf, sf, domain, other, home)
            and fits(ci, cf, sf, other, domain, there)
            and trade(ci, cf, si, sf, domain, other)
        ):
            return True
        other = si[ci[NEXT] + other]
    return False


@kernel
def trade_places(ci: Ints, cf: Floats, si: Ints, sf: Floats) -> int:
    """Sends domains home in turn, alone or in exchange; 1 once none can go, 0 where ITERATIONS looks were not enough.

    Goes on where it was, unless IDLE has been set to 0 since.
    """
    control, domains = ci[CONTROL], ci[DOMAINS]
    idle, looks, domain = si[control + IDLE], 0, si[control + CURSOR] % domains
    while idle < domains and looks < si[control + ITERATIONS]:
        looks += 1 + si[ci[RESIDENTS] + ci[ci[START] + domain]]
        idle += 1
        if goes_home(ci, cf, si, sf, domain) or trades(ci, cf, si, sf, domain):
            idle = 0
        domain = (domain + 1) % domains
    si[control + CURSOR] = domain
    si[control + IDLE] = idle
    si[control + SPENT] += looks
    keep(ci, si, sf)
    return 1 if idle >= domains else 0
