"""What a domain costs by where it stands itself, and the limits on how much one plan may move."""

from __future__ import annotations

from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    ARRIVALS_PER_HOST,
    ARRIVED,
    BUDGET,
    BUDGET_AMOUNT,
    BUDGET_NUMBERS,
    BUDGETS,
    CONTROL,
    DELTA,
    DISTANCE_LEVEL,
    DISTANCE_TABLE,
    DISTANCE_WEIGHT,
    DISTANCES,
    DOMAINS,
    GROUP_MOVE,
    GROUP_MOVE_MOST,
    GROUP_MOVE_WEIGHT,
    GROUP_MOVES,
    HOSTS,
    LEVELS,
    LISTED,
    MAX_MOVES,
    MOVE_COST,
    MOVED,
    MOVED_AT,
    MOVED_DOMAIN,
    PER_HOST,
    START,
    STATIC_FORBIDDEN,
    STATIC_ROW,
    STATIC_TABLE,
    THROUGH,
)
from rebalancer.placement.kernels.types import Floats, Ints

__all__ = ["apply_limits", "hard_alone_shift", "soft_alone_shift"]


@kernel
def above(value: float, bound: float) -> float:
    return value - bound if value > bound else 0.0


@kernel
def pass_through(ci: Ints, si: Ints, home: int, source: int, destination: int, sign: int) -> None:
    through = ci[THROUGH]
    if source != home:
        si[through + home] -= sign
        si[through + source] -= sign
    if destination != home:
        si[through + home] += sign
        si[through + destination] += sign


@kernel
def through_change(ci: Ints, si: Ints, home: int, source: int, destination: int) -> float:
    """Of the moves in and out of hosts beyond what one may have; any two of the three hosts may be the same."""
    through = ci[THROUGH]
    before = 0.0
    for turn in range(2):
        # The sum over the hosts concerned, each once, before and after.
        total = above(si[through + home], ci[PER_HOST])
        if source != home:
            total += above(si[through + source], ci[PER_HOST])
        if destination not in (home, source):
            total += above(si[through + destination], ci[PER_HOST])
        if turn == 0:
            before = total
            pass_through(ci, si, home, source, destination, 1)
        else:
            pass_through(ci, si, home, source, destination, -1)
            return total - before
    return 0.0


@kernel
def hard_alone_shift(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, source: int, destination: int) -> None:
    """Adds what a move changes of forbidden hosts and of limits on moves to levels 0 and 1 of DELTA."""
    delta, home = ci[DELTA], ci[ci[START] + domain]
    row = ci[ci[STATIC_ROW] + domain] * ci[HOSTS]
    if ci[STATIC_FORBIDDEN] >= 0:
        table = ci[STATIC_FORBIDDEN] + row
        if destination != home:
            sf[delta] += ci[table + destination]
        if source != home:
            sf[delta] -= ci[table + source]
    if ci[ci[STATIC_TABLE] + 1] >= 0:
        table = ci[ci[STATIC_TABLE] + 1] + row
        sf[delta + 1] += cf[table + destination] - cf[table + source]
    step = (0 if destination == home else 1) - (0 if source == home else 1)
    if step != 0 and ci[MAX_MOVES] >= 0:
        moved = si[ci[MOVED]]
        sf[delta] += above(moved + step, ci[MAX_MOVES]) - above(moved, ci[MAX_MOVES])
    if step != 0:
        for index in range(ci[BUDGETS]):
            bucket = ci[ci[ci[BUDGET] + 2 * index] + domain]
            if bucket >= 0:
                used = sf[ci[ci[BUDGET] + 2 * index + 1] + bucket]
                most = cf[ci[BUDGET_NUMBERS] + 2 * index]
                amount = step * cf[ci[BUDGET_AMOUNT] + index * ci[DOMAINS] + domain]
                unit = cf[ci[BUDGET_NUMBERS] + 2 * index + 1]
                sf[delta] += (above(used + amount, most) - above(used, most)) / unit
    if ci[ARRIVALS_PER_HOST] >= 0:
        if source != home and si[ci[ARRIVED] + source] > ci[ARRIVALS_PER_HOST]:
            sf[delta] -= 1.0
        if destination != home and si[ci[ARRIVED] + destination] >= ci[ARRIVALS_PER_HOST]:
            sf[delta] += 1.0
    if ci[PER_HOST] >= 0:
        sf[delta] += through_change(ci, si, home, source, destination)


@kernel
def most_moved_change(ci: Ints, si: Ints, index: int, group: int, step: int) -> int:
    """How the largest number of moves of one group changes."""
    term = ci[GROUP_MOVE] + 4 * index
    most, moved = si[ci[GROUP_MOVE_MOST] + index], si[ci[term + 2] + group]
    if step > 0:
        return 1 if moved == most else 0
    return -1 if moved == most and si[ci[term + 3] + most] == 1 else 0


@kernel
def soft_alone_shift(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, source: int, destination: int) -> None:
    """Adds what a move changes of costs per domain and host, of moves and of distances to DELTA."""
    delta, home, hosts = ci[DELTA], ci[ci[START] + domain], ci[HOSTS]
    row = ci[ci[STATIC_ROW] + domain] * hosts
    step = (0 if destination == home else 1) - (0 if source == home else 1)
    for level in range(1, ci[LEVELS]):
        table = ci[ci[STATIC_TABLE] + level]
        if level > 1 and table >= 0:
            sf[delta + level] += cf[table + row + destination] - cf[table + row + source]
        costs = ci[ci[MOVE_COST] + level]
        if costs >= 0:
            sf[delta + level] += step * cf[costs + domain]
    for index in range(ci[DISTANCES]):
        away = ci[ci[DISTANCE_TABLE] + index] + home * hosts
        change = cf[away + destination] - cf[away + source]
        sf[delta + ci[ci[DISTANCE_LEVEL] + index]] += cf[ci[DISTANCE_WEIGHT] + index] * change
    if step != 0:
        for index in range(ci[GROUP_MOVES]):
            term = ci[GROUP_MOVE] + 4 * index
            group = ci[ci[term] + domain]
            if group >= 0:
                change = most_moved_change(ci, si, index, group, step)
                sf[delta + ci[term + 1]] += cf[ci[GROUP_MOVE_WEIGHT] + index] * change


@kernel
def count_move(ci: Ints, si: Ints, domain: int, step: int) -> None:
    """Puts a domain on the list of those that have moved (1), or takes it off (-1)."""
    si[ci[MOVED]] += step
    listed, place = si[ci[CONTROL] + LISTED], si[ci[MOVED_AT] + domain]
    if step > 0 and place < 0:
        si[ci[MOVED_DOMAIN] + listed] = domain
        si[ci[MOVED_AT] + domain] = listed
        si[ci[CONTROL] + LISTED] = listed + 1
    elif step < 0 and place >= 0:
        last = si[ci[MOVED_DOMAIN] + listed - 1]
        si[ci[MOVED_DOMAIN] + place] = last
        si[ci[MOVED_AT] + last] = place
        si[ci[MOVED_AT] + domain] = -1
        si[ci[CONTROL] + LISTED] = listed - 1


@kernel
def apply_limits(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, source: int, destination: int) -> None:
    """Brings the numbers of moves up to date."""
    home = ci[ci[START] + domain]
    if ci[PER_HOST] >= 0:
        pass_through(ci, si, home, source, destination, 1)
    if source != home:
        si[ci[ARRIVED] + source] -= 1
    if destination != home:
        si[ci[ARRIVED] + destination] += 1
    step = (0 if destination == home else 1) - (0 if source == home else 1)
    if step == 0:
        return
    count_move(ci, si, domain, step)
    for index in range(ci[BUDGETS]):
        bucket = ci[ci[ci[BUDGET] + 2 * index] + domain]
        if bucket >= 0:
            sf[ci[ci[BUDGET] + 2 * index + 1] + bucket] += step * cf[ci[BUDGET_AMOUNT] + index * ci[DOMAINS] + domain]
    for index in range(ci[GROUP_MOVES]):
        term = ci[GROUP_MOVE] + 4 * index
        group = ci[ci[term] + domain]
        if group >= 0:
            si[ci[GROUP_MOVE_MOST] + index] += most_moved_change(ci, si, index, group, step)
            moved = si[ci[term + 2] + group]
            si[ci[term + 3] + moved] -= 1
            si[ci[term + 3] + moved + step] += 1
            si[ci[term + 2] + group] = moved + step
