"""Looking at everything: descents to where no single move betters the costs, and trying all placements."""

from __future__ import annotations

from rebalancer.placement.kernels.best import keep_best
from rebalancer.placement.kernels.chance import below
from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    CONTROL,
    CURSOR,
    DELTA,
    DOMAINS,
    FOCUS,
    HOSTS,
    IDLE,
    ITERATIONS,
    LEVELS,
    PLACE,
    SAMPLED,
    SCRATCH,
    SETTINGS,
    SPENT,
    START,
    TYPICAL,
)
from rebalancer.placement.kernels.moves import add_to_cost, hard_shift, move, shift, soft_shift
from rebalancer.placement.kernels.types import TOLERANCE, Floats, Ints

__all__ = ["descend", "sample", "try_all"]


@kernel
def is_less(ci: Ints, sf: Floats, one: int, other: int) -> bool:
    for level in range(ci[LEVELS]):
        change = sf[one + level] - sf[other + level]
        if change < -TOLERANCE:
            return True
        if change > TOLERANCE:
            return False
    return False


@kernel
def best_host(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int) -> int:
    """The host on which a domain costs least, -1 where it is; SCRATCH says what moving it there would change.

    Of hosts that cost the same its start goes first, then where it is.
    """
    best, source, home = -1, si[ci[PLACE] + domain], ci[ci[START] + domain]
    for level in range(ci[LEVELS]):
        sf[ci[SCRATCH] + level] = 0.0
    for host in range(ci[HOSTS]):
        if host == source:
            continue
        hard_shift(ci, cf, si, sf, domain, host, True)
        if sf[ci[DELTA]] > TOLERANCE and sf[ci[SCRATCH]] <= 0.0:
            continue
        soft_shift(ci, cf, si, sf, domain, host)
        if is_less(ci, sf, ci[DELTA], ci[SCRATCH]) or (host == home and not is_less(ci, sf, ci[SCRATCH], ci[DELTA])):
            best = host
            for level in range(ci[LEVELS]):
                sf[ci[SCRATCH] + level] = sf[ci[DELTA] + level]
    return best


@kernel
def descend(ci: Ints, cf: Floats, si: Ints, sf: Floats) -> int:
    """Moves domains in turn to their best hosts; 1 once none gains, 0 where ITERATIONS looks were not enough.

    Goes on where it was, unless IDLE has been set to 0 since.
    """
    control, domains = ci[CONTROL], ci[DOMAINS]
    idle, looks, domain = si[control + IDLE], 0, si[control + CURSOR] % domains
    while idle < domains and looks < si[control + ITERATIONS]:
        host = best_host(ci, cf, si, sf, domain)
        looks += ci[HOSTS]
        idle += 1
        if host >= 0:
            shift(ci, cf, si, sf, domain, host)
            move(ci, cf, si, sf, domain, host)
            add_to_cost(ci, sf)
            idle = 0
        domain = (domain + 1) % domains
    si[control + CURSOR] = domain
    si[control + IDLE] = idle
    si[control + SPENT] += looks
    keep_best(ci, si, sf)
    return 1 if idle >= domains else 0


@kernel
def sample(ci: Ints, cf: Floats, si: Ints, sf: Floats) -> None:
    """What allowed moves change of the level in focus, on average, up or down: TYPICAL, of SAMPLED moves that do."""
    total, number = 0.0, 0
    focus = si[ci[CONTROL] + FOCUS]
    for _ in range(si[ci[CONTROL] + ITERATIONS]):
        domain, host = below(ci, si, ci[DOMAINS]), below(ci, si, ci[HOSTS])
        if host == si[ci[PLACE] + domain]:
            continue
        hard_shift(ci, cf, si, sf, domain, host, True)
        if sf[ci[DELTA]] > TOLERANCE:
            continue
        soft_shift(ci, cf, si, sf, domain, host)
        value = sf[ci[DELTA] + focus]
        if value < -TOLERANCE or value > TOLERANCE:
            total += value if value > 0.0 else -value
            number += 1
    si[ci[CONTROL] + SAMPLED] = number
    sf[ci[SETTINGS] + TYPICAL] = total / number if number > 0 else 0.0


@kernel
def try_all(ci: Ints, cf: Floats, si: Ints, sf: Floats) -> None:
    """Goes through every placement, like an odometer, and keeps the best."""
    domains, hosts = ci[DOMAINS], ci[HOSTS]
    domain = 0
    while domain < domains:
        # The next of a domain's hosts after the one where it is; past the last one, back to its start, and carry.
        home = ci[ci[START] + domain]
        host = (si[ci[PLACE] + domain] + 1) % hosts
        shift(ci, cf, si, sf, domain, host)
        move(ci, cf, si, sf, domain, host)
        add_to_cost(ci, sf)
        if host == home:
            domain += 1
        else:
            keep_best(ci, si, sf)
            domain = 0
