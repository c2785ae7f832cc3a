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
    AGAIN,
    ALIKE,
    ARRIVALS_PER_HOST,
    AWAY,
    BIAS,
    BUDGETS,
    CHAINS,
    CLEARANCES,
    CONTROL,
    COST,
    DELTA,
    EXTREMES,
    FAILOVERS,
    FOCUS,
    HOMESICKNESS,
    ITERATIONS,
    LEVELS,
    LISTED,
    MAX_MOVES,
    MOVED,
    MOVED_DOMAIN,
    PER_HOST,
    PLACE,
    POOLS,
    REACH,
    SCRATCH,
    SECTION,
    SECTION_DOMAIN,
    SECTION_DOMAINS,
    SECTION_HOST,
    SECTION_LARGE,
    SECTION_LARGES,
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
    add_to_cost,
    exchange_guess,
    hard_shift,
    move,
    shift,
    soft_shift,
)
from rebalancer.placement.kernels.section import choose_section, tries_in_section
from rebalancer.placement.kernels.squeeze import add_chain_to_cost, clear_out, some_resident, squeeze_in, undo
from rebalancer.placement.kernels.types import TOLERANCE, Floats, Ints

__all__ = ["anneal"]

LOOKS = 16
"""For a place with room, where most have none: a look costs far less than a try."""


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
    limit -= pull(ci, cf, sf, domain, si[ci[PLACE] + domain], destination)
    if not welcome(ci, si, sf, ci[DELTA], limit):
        return False
    move(ci, cf, si, sf, domain, destination)
    add_to_cost(ci, sf)
    return True


@kernel
def try_pair(
    ci: Ints, cf: Floats, si: Ints, sf: Floats, one: int, there: int, other: int, back: int, limit: float
) -> bool:
    """Moves a domain, then another; undone where the two together are not welcome."""
    source, levels, scratch = si[ci[PLACE] + one], ci[LEVELS], ci[SCRATCH]
    limit -= pull(ci, cf, sf, one, source, there) + pull(ci, cf, sf, other, si[ci[PLACE] + other], back)
    shift(ci, cf, si, sf, one, there)
    for level in range(levels):
        sf[scratch + level] = sf[ci[DELTA] + level]
    move(ci, cf, si, sf, one, there)
    shift(ci, cf, si, sf, other, back)
    for level in range(levels):
        sf[scratch + level] += sf[ci[DELTA] + level]
    if welcome(ci, si, sf, scratch, limit):
        move(ci, cf, si, sf, other, back)
        for level in range(levels):
            sf[ci[COST] + level] += sf[scratch + level]
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
def some_rank(ci: Ints, si: Ints, sf: Floats) -> int:
    """A place in the order of the section's domains by size: any, or rather a large one."""
    if chance(ci, si) < sf[ci[SETTINGS] + BIAS]:
        return si[ci[SECTION_LARGE] + below(ci, si, si[ci[CONTROL] + SECTION_LARGES])]
    return below(ci, si, si[ci[CONTROL] + SECTION_DOMAINS])


@kernel
def some_host(ci: Ints, si: Ints, domain: int) -> int:
    """A host where a domain may ever go, or where it is; of the section where it may go anywhere."""
    reach = ci[REACH] + 2 * domain
    number = ci[reach + 1]
    return si[ci[SECTION_HOST] + below(ci, si, ci[SECTION])] if number < 0 else ci[ci[reach] + below(ci, si, number)]


@kernel
def some_neighbour(ci: Ints, si: Ints, domain: int) -> int:
    """A domain that stands where this one may ever go; itself where there is none."""
    reach = ci[REACH] + 2 * domain
    number = ci[reach + 1]
    if number < 0:
        return si[ci[SECTION_DOMAIN] + below(ci, si, si[ci[CONTROL] + SECTION_DOMAINS])]
    other = some_resident(ci, si, ci[ci[reach] + below(ci, si, number)])
    return other if other >= 0 else domain


@kernel
def partner(ci: Ints, si: Ints, sf: Floats, domain: int, rank: int) -> int:
    """A domain to change places with: any where the first can go, or one of about the same size."""
    if chance(ci, si) < sf[ci[SETTINGS] + ALIKE]:
        number = si[ci[CONTROL] + SECTION_DOMAINS]
        near = number // 20 + 5
        rank += below(ci, si, 2 * near + 1) - near
        if 0 <= rank < number:
            return si[ci[SECTION_DOMAIN] + rank]
    return some_neighbour(ci, si, domain)


@kernel
def some_room(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, source: int) -> int:
    """A host, other than ``source``, whose capacities a domain fits; -1 where a few looks find none."""
    for _ in range(LOOKS):
        host = some_host(ci, si, domain)
        if host != source and fits(ci, cf, sf, domain, -1, host):
            return host
    return -1


@kernel
def try_exchange(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, other: int, limit: float) -> bool:
    """Two domains that fit each other's hosts change places."""
    source, destination = si[ci[PLACE] + domain], si[ci[PLACE] + other]
    if is_additive(ci):
        exchange_guess(ci, cf, si, sf, domain, other)
        both = pull(ci, cf, sf, domain, source, destination) + pull(ci, cf, sf, other, destination, source)
        if not welcome(ci, si, sf, ci[DELTA], limit - both):
            return False
    return try_pair(ci, cf, si, sf, domain, destination, other, source, limit)


@kernel
def try_swap(ci: Ints, cf: Floats, si: Ints, sf: Floats, rank: int, limit: float) -> bool:
    """Two domains change places: the first of a few pairs that fit each other's hosts."""
    domain = si[ci[SECTION_DOMAIN] + rank]
    source = si[ci[PLACE] + domain]
    for _ in range(LOOKS):
        other = partner(ci, si, sf, domain, rank)
        destination = si[ci[PLACE] + other]
        if destination == source or not fits(ci, cf, sf, domain, other, destination):
            continue
        if not fits(ci, cf, sf, other, domain, source):
            continue
        return try_exchange(ci, cf, si, sf, domain, other, limit)
    return False


@kernel
def try_chain(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, limit: float) -> bool:
    """Another domain makes room and goes on to a third host, often to where it started."""
    source = si[ci[PLACE] + domain]
    for _ in range(LOOKS):
        other = some_neighbour(ci, si, domain)
        destination = si[ci[PLACE] + other]
        if destination == source or not fits(ci, cf, sf, domain, other, destination):
            continue
        third = ci[ci[START] + other]
        if third == destination or chance(ci, si) < 0.5:
            third = some_room(ci, cf, si, sf, other, destination)
        if third < 0 or third == source:
            return False
        hard_shift(ci, cf, si, sf, other, third, True)
        if sf[ci[DELTA]] > TOLERANCE:
            return False
        return try_pair(ci, cf, si, sf, other, third, domain, destination, limit)
    return False


@kernel
def some_moved(ci: Ints, si: Ints) -> int:
    """A domain that is away from home; there is one on the list."""
    return si[ci[MOVED_DOMAIN] + below(ci, si, si[ci[CONTROL] + LISTED])]


@kernel
def try_again(ci: Ints, cf: Floats, si: Ints, sf: Floats, limit: float) -> bool:
    """One that has moved goes elsewhere, or changes places with another one that has, or with one from its home."""
    domain = some_moved(ci, si)
    source = si[ci[PLACE] + domain]
    way = chance(ci, si)
    if way < 0.4:
        host = some_room(ci, cf, si, sf, domain, source)
        return host >= 0 and try_shift(ci, cf, si, sf, domain, host, limit)
    other = some_moved(ci, si) if way < 0.7 else some_resident(ci, si, ci[ci[START] + domain])
    if other < 0:
        return False
    destination = si[ci[PLACE] + other]
    if destination == source or not fits(ci, cf, sf, domain, other, destination):
        return False
    return fits(ci, cf, sf, other, domain, source) and try_exchange(ci, cf, si, sf, domain, other, limit)


@kernel
def try_instead(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, limit: float) -> bool:
    """No move is left: this domain, or one from another one's home, goes where that one returns; there, or anywhere."""
    if si[ci[CONTROL] + LISTED] == 0:
        return False
    other = some_moved(ci, si)
    there, back = si[ci[PLACE] + other], ci[ci[START] + other]
    way = chance(ci, si)
    if way < 0.3:
        neighbour = some_resident(ci, si, back)
        if neighbour < 0 or ci[ci[START] + neighbour] != back:
            return False
        domain = neighbour
    source = si[ci[PLACE] + domain]
    destination = there if way < 0.6 else some_room(ci, cf, si, sf, domain, source)
    if destination < 0 or destination == source:
        return False
    if not fits(ci, cf, sf, other, domain if source == back else -1, back):
        return False
    if destination == there and not fits(ci, cf, sf, domain, other, there):
        return False
    return try_pair(ci, cf, si, sf, other, back, domain, destination, limit)


@kernel
def try_once(ci: Ints, cf: Floats, si: Ints, sf: Floats, limit: float) -> bool:
    again = sf[ci[SETTINGS] + AGAIN]
    if again > 0.0 and si[ci[CONTROL] + LISTED] > 0 and chance(ci, si) < again:
        return try_again(ci, cf, si, sf, limit)
    rank = some_rank(ci, si, sf)
    domain = si[ci[SECTION_DOMAIN] + rank]
    source, home = si[ci[PLACE] + domain], ci[ci[START] + domain]
    if 0 < ci[MAX_MOVES] <= si[ci[MOVED]] and source == home:
        return try_instead(ci, cf, si, sf, domain, limit)
    way = chance(ci, si)
    if way < sf[ci[SETTINGS] + SWAPS]:
        return try_swap(ci, cf, si, sf, rank, limit)
    if way < sf[ci[SETTINGS] + CHAINS]:
        return try_chain(ci, cf, si, sf, domain, limit)
    if way < sf[ci[SETTINGS] + SQUEEZES]:
        destination = some_host(ci, si, domain)
        return destination != source and settle_chain(
            ci, cf, si, sf, squeeze_in(ci, cf, si, sf, domain, destination), limit
        )
    if way < sf[ci[SETTINGS] + CLEARANCES]:
        return settle_chain(ci, cf, si, sf, clear_out(ci, cf, si, sf, source), limit)
    destination = some_room(ci, cf, si, sf, domain, source)
    return destination >= 0 and try_shift(ci, cf, si, sf, domain, destination, limit)


@kernel
def anneal(ci: Ints, cf: Floats, si: Ints, sf: Floats) -> None:
    """ITERATIONS tries at one TEMPERATURE."""
    temperature = sf[ci[SETTINGS] + TEMPERATURE]
    accepted = 0
    left = si[ci[CONTROL] + ITERATIONS]
    while left > 0:
        choose_section(ci, si)
        tries = tries_in_section(ci, si, left)
        for _ in range(tries):
            limit = -temperature * log(chance(ci, si) + 1e-12)
            if try_once(ci, cf, si, sf, limit):
                accepted += 1
        left -= max(tries, 1)
    si[ci[CONTROL] + ACCEPTED] = accepted
    si[ci[CONTROL] + SPENT] += si[ci[CONTROL] + ITERATIONS]
