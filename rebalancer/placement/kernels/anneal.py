"""Simulated annealing (Kirkpatrick, Gelatt, Vecchi 1983) over shifts, swaps and chains, one temperature at a time.

Levels above the one in focus may not get worse, and getting better there is always welcome; on the level in focus the
Metropolis criterion decides; the levels below break ties.
"""

from __future__ import annotations

from math import log

from rebalancer.placement.kernels.chance import below, chance
from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    ACCEPTED,
    ARRIVALS_PER_HOST,
    AWAY,
    BEST,
    BEST_COST,
    BUDGETS,
    CHAINS,
    CLEARANCES,
    CONTROL,
    COST,
    DELTA,
    DOMAINS,
    EXCESS,
    EXCESS_CHANGE,
    EXTREMES,
    FAILOVERS,
    FOCUS,
    HOMESICKNESS,
    HOSTS,
    ITERATIONS,
    LEVELS,
    MAX_MOVES,
    MOVED,
    PENALTY,
    PER_HOST,
    PLACE,
    POOLS,
    SCRATCH,
    SETTINGS,
    SPENT,
    SQUEEZES,
    STACK,
    START,
    SWAPS,
    TEMPERATURE,
    TRAFFICS,
    UNBROKEN,
)
from rebalancer.placement.kernels.loads import fits
from rebalancer.placement.kernels.moves import (
    TOLERANCE,
    add_to_cost,
    exchange_guess,
    hard_shift,
    move,
    shift,
    soft_shift,
)
from rebalancer.placement.kernels.squeeze import add_chain_to_cost, clear_out, squeeze_in, undo
from rebalancer.placement.kernels.types import Floats, Ints

__all__ = ["anneal", "keep_best"]


@kernel
def welcome(ci: Ints, si: Ints, sf: Floats, change: int, limit: float) -> bool:
    """Whether the change of costs that stands at ``change`` in ``sf`` is accepted: up to ``limit`` on the focus."""
    focus = si[ci[CONTROL] + FOCUS]
    for level in range(ci[LEVELS]):
        value = sf[change + level]
        if level == focus and (limit < 0.0 or value < -TOLERANCE or value > TOLERANCE):
            return value < limit
        if value < -TOLERANCE:
            return True
        if value > TOLERANCE:
            return False
    return True


@kernel
def pull(ci: Ints, cf: Floats, sf: Floats, domain: int, source: int, destination: int) -> float:
    """What a move's taking up of room on two hosts costs."""
    home = ci[ci[START] + domain]
    if source == home:
        return sf[ci[SETTINGS] + HOMESICKNESS] * cf[ci[AWAY] + domain]
    if destination == home:
        return -sf[ci[SETTINGS] + HOMESICKNESS] * cf[ci[AWAY] + domain]
    return 0.0


@kernel
def try_shift(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, destination: int, limit: float) -> bool:
    hard_shift(ci, cf, si, sf, domain, destination, True)
    if sf[ci[DELTA]] > TOLERANCE:
        return False
    soft_shift(ci, cf, si, sf, domain, destination)
    excess = sf[ci[SETTINGS] + EXCESS_CHANGE]
    limit -= pull(ci, cf, sf, domain, si[ci[PLACE] + domain], destination) + sf[ci[SETTINGS] + PENALTY] * excess
    if not welcome(ci, si, sf, ci[DELTA], limit):
        return False
    move(ci, cf, si, sf, domain, destination)
    add_to_cost(ci, sf)
    sf[ci[SETTINGS] + EXCESS] += excess
    return True


@kernel
def try_pair(
    ci: Ints, cf: Floats, si: Ints, sf: Floats, one: int, there: int, other: int, back: int, limit: float
) -> bool:
    """Moves a domain, then another; undone where the two together are not welcome."""
    source, levels, scratch = si[ci[PLACE] + one], ci[LEVELS], ci[SCRATCH]
    limit -= pull(ci, cf, sf, one, source, there) + pull(ci, cf, sf, other, si[ci[PLACE] + other], back)
    shift(ci, cf, si, sf, one, there)
    excess = sf[ci[SETTINGS] + EXCESS_CHANGE]
    for level in range(levels):
        sf[scratch + level] = sf[ci[DELTA] + level]
    move(ci, cf, si, sf, one, there)
    shift(ci, cf, si, sf, other, back)
    for level in range(levels):
        sf[scratch + level] += sf[ci[DELTA] + level]
    excess += sf[ci[SETTINGS] + EXCESS_CHANGE]
    limit -= sf[ci[SETTINGS] + PENALTY] * excess
    if welcome(ci, si, sf, scratch, limit):
        move(ci, cf, si, sf, other, back)
        for level in range(levels):
            sf[ci[COST] + level] += sf[scratch + level]
        sf[ci[SETTINGS] + EXCESS] += excess
        return True
    move(ci, cf, si, sf, one, source)
    return False


@kernel
def settle_chain(ci: Ints, cf: Floats, si: Ints, sf: Floats, number: int, limit: float) -> bool:
    """Keeps the moves of a chain, or takes them back."""
    if number == 0:
        return False
    for index in range(number):
        moved, source = si[ci[STACK] + 2 * index], si[ci[STACK] + 2 * index + 1]
        limit -= pull(ci, cf, sf, moved, source, si[ci[PLACE] + moved])
    if welcome(ci, si, sf, ci[SCRATCH], limit):
        add_chain_to_cost(ci, sf)
        return True
    undo(ci, cf, si, sf, number)
    return False


@kernel
def is_additive(ci: Ints) -> bool:
    """Whether ``exchange_guess`` may be trusted to refuse."""
    limited = ci[MAX_MOVES] >= 0 or ci[BUDGETS] > 0 or ci[PER_HOST] >= 0 or ci[ARRIVALS_PER_HOST] >= 0
    return ci[UNBROKEN] == 1 and not limited and ci[EXTREMES] + ci[FAILOVERS] + ci[POOLS] + ci[TRAFFICS] == 0


@kernel
def try_once(ci: Ints, cf: Floats, si: Ints, sf: Floats, limit: float) -> bool:
    domains = ci[DOMAINS]
    domain = below(ci, si, domains)
    source, home = si[ci[PLACE] + domain], ci[ci[START] + domain]
    if ci[MAX_MOVES] >= 0 and si[ci[MOVED]] >= ci[MAX_MOVES] and source == home:
        # No move is left: this one can only go where another one returns.
        other, destination = below(ci, si, domains), below(ci, si, ci[HOSTS])
        back = ci[ci[START] + other]
        for _ in range(20):
            if si[ci[PLACE] + other] != back:
                break
            other = below(ci, si, domains)
            back = ci[ci[START] + other]
        if si[ci[PLACE] + other] == back or destination == source:
            return False
        return try_pair(ci, cf, si, sf, other, back, domain, destination, limit)
    way = chance(ci, si)
    if way < sf[ci[SETTINGS] + SWAPS]:
        other = below(ci, si, domains)
        destination = si[ci[PLACE] + other]
        if destination == source:
            return False
        if not fits(ci, cf, sf, domain, other, destination) or not fits(ci, cf, sf, other, domain, source):
            return False
        if is_additive(ci):
            exchange_guess(ci, cf, si, sf, domain, other)
            both = pull(ci, cf, sf, domain, source, destination) + pull(ci, cf, sf, other, destination, source)
            if not welcome(ci, si, sf, ci[DELTA], limit - both):
                return False
        return try_pair(ci, cf, si, sf, domain, destination, other, source, limit)
    if way < sf[ci[SETTINGS] + CHAINS]:
        # Another makes room and goes on to a third host, often to where it started.
        other, third = below(ci, si, domains), below(ci, si, ci[HOSTS])
        destination = si[ci[PLACE] + other]
        if chance(ci, si) < 0.5 and destination != ci[ci[START] + other]:
            third = ci[ci[START] + other]
        if destination in (source, third) or third == source or not fits(ci, cf, sf, domain, other, destination):
            return False
        hard_shift(ci, cf, si, sf, other, third, True)
        if sf[ci[DELTA]] > TOLERANCE:
            return False
        return try_pair(ci, cf, si, sf, other, third, domain, destination, limit)
    destination = below(ci, si, ci[HOSTS])
    if way < sf[ci[SETTINGS] + SQUEEZES]:
        return destination != source and settle_chain(
            ci, cf, si, sf, squeeze_in(ci, cf, si, sf, domain, destination), limit
        )
    if way < sf[ci[SETTINGS] + CLEARANCES]:
        return settle_chain(ci, cf, si, sf, clear_out(ci, cf, si, sf, source), limit)
    return destination != source and try_shift(ci, cf, si, sf, domain, destination, limit)


@kernel
def anneal(ci: Ints, cf: Floats, si: Ints, sf: Floats) -> None:
    """ITERATIONS tries at one TEMPERATURE."""
    temperature = sf[ci[SETTINGS] + TEMPERATURE]
    accepted = 0
    for _ in range(si[ci[CONTROL] + ITERATIONS]):
        limit = -temperature * log(chance(ci, si) + 1e-12)
        if try_once(ci, cf, si, sf, limit):
            accepted += 1
    si[ci[CONTROL] + ACCEPTED] = accepted
    si[ci[CONTROL] + SPENT] += si[ci[CONTROL] + ITERATIONS]


@kernel
def keep_best(ci: Ints, si: Ints, sf: Floats) -> bool:
    """Keeps the placement where its costs are the best so far."""
    if sf[ci[SETTINGS] + EXCESS] > TOLERANCE:
        return False
    for level in range(ci[LEVELS]):
        change = sf[ci[COST] + level] - sf[ci[BEST_COST] + level]
        if change > TOLERANCE:
            return False
        if change < -TOLERANCE:
            for domain in range(ci[DOMAINS]):
                si[ci[BEST] + domain] = si[ci[PLACE] + domain]
            for other in range(ci[LEVELS]):
                sf[ci[BEST_COST] + other] = sf[ci[COST] + other]
            return True
    return False
