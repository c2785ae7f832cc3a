"""Rules on how the domains of a group stand to each other over zones (hosts, racks, …)."""

from __future__ import annotations

from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    APART,
    BOUND,
    COUNT,
    COUNTING,
    COUNTING_WIDTH,
    COUNTINGS,
    DELTA,
    DENSE,
    GROUP,
    GROUP_TERM,
    GROUP_TERMS,
    GROUP_WEIGHT,
    HARD_GROUP_TERMS,
    KIND,
    KINDS,
    LEAST_WANTED,
    LEVEL,
    LONELY,
    MEMBER,
    MEMBER_FIRST,
    MOST,
    MOST_ALLOWED,
    NEAR,
    NEEDS,
    NEEDS_FIRST,
    PLACE,
    SERVES,
    SERVES_FIRST,
    SKEW,
    SPAN,
    TERM_COUNTING,
    TERM_WIDTH,
    UNBROKEN,
    USED,
    ZONE,
    ZONES,
)
from rebalancer.placement.kernels.types import Floats, Ints

__all__ = ["apply_groups", "hard_group_shift", "soft_group_shift"]


@kernel
def members_in(ci: Ints, si: Ints, counting: int, group: int, zone: int) -> int:
    """How many domains of a group stand in a zone."""
    row = ci[ci[counting + DENSE] + group]
    if row >= 0:
        return si[ci[counting + COUNT] + row * ci[counting + ZONES] + zone]
    zones, first = ci[counting + ZONE], ci[counting + MEMBER_FIRST] + group
    number = 0
    for index in range(ci[first], ci[first + 1]):
        if ci[zones + si[ci[PLACE] + ci[ci[counting + MEMBER] + index]]] == zone:
            number += 1
    return number


@kernel
def beyond(count: int, bound: int) -> int:
    return count - bound if count > bound else 0


@kernel
def most_change(ci: Ints, si: Ints, term: int, counting: int, group: int, here: int, there: int, hard: int) -> int:
    """Of domains too many in a zone; ``hard``: beyond where it stood at the start, too."""
    change = 0
    row = ci[ci[counting + DENSE] + group]
    bounds = ci[term + BOUND] + row * ci[counting + ZONES]
    bounded = hard == 1 and row >= 0
    if there >= 0:
        bound = ci[bounds + there] if bounded else ci[term + MOST_ALLOWED]
        if members_in(ci, si, counting, group, there) >= bound:
            change += 1
    if here >= 0:
        bound = ci[bounds + here] if bounded else ci[term + MOST_ALLOWED]
        if members_in(ci, si, counting, group, here) > bound:
            change -= 1
    return change


@kernel
def zones_change(ci: Ints, si: Ints, counting: int, group: int, here: int, there: int) -> int:
    """By how much the number of zones changes that a group stands in."""
    change = 0
    if here >= 0 and members_in(ci, si, counting, group, here) == 1:
        change -= 1
    if there >= 0 and members_in(ci, si, counting, group, there) == 0:
        change += 1
    return change


@kernel
def skew_change(ci: Ints, si: Ints, counting: int, group: int, here: int, there: int, bound: int) -> int:
    most, least, most_after, least_after = -1, 1 << 40, -1, 1 << 40
    for zone in range(ci[counting + ZONES]):
        count = members_in(ci, si, counting, group, zone)
        after = count - (1 if zone == here else 0) + (1 if zone == there else 0)
        most = count if count > most else most
        least = count if count < least else least
        most_after = after if after > most_after else most_after
        least_after = after if after < least_after else least_after
    return beyond(most_after - least_after, bound) - beyond(most - least, bound)


@kernel
def apart_change(ci: Ints, si: Ints, term: int, counting: int, group: int, here: int, there: int, hard: int) -> int:
    """Of different groups too many in a zone."""
    change = 0
    kinds = ci[counting + KINDS]
    bound = ci[ci[term + BOUND] + there] if hard == 1 else ci[term + MOST_ALLOWED]
    if si[kinds + there] >= bound and members_in(ci, si, counting, group, there) == 0:
        change += 1
    bound = ci[ci[term + BOUND] + here] if hard == 1 else ci[term + MOST_ALLOWED]
    if si[kinds + here] > bound and members_in(ci, si, counting, group, here) == 1:
        change -= 1
    return change


@kernel
def settled(ci: Ints, si: Ints, count: int, bound: int, more: int, hard: int, settle: int) -> int:
    """What ``more`` lonely domains of a pair cost; beyond where it stood at the start if ``hard``."""
    now = si[count]
    if settle == 1:
        si[count] = now + more
    if hard == 0:
        return more
    return beyond(now + more, ci[bound]) - beyond(now, ci[bound])


@kernel
def near_change(
    ci: Ints, si: Ints, term: int, counting: int, group: int, here: int, there: int, hard: int, settle: int
) -> int:
    """Of domains without the neighbour that they need; ``settle``: the move is made, and the sums follow."""
    change = 0
    lonely, bounds = ci[term + LONELY], ci[term + BOUND]
    first = ci[term + NEEDS_FIRST] + group
    for index in range(ci[first], ci[first + 1]):
        pair, other = ci[ci[term + NEEDS] + 2 * index], ci[ci[term + NEEDS] + 2 * index + 1]
        more = 0
        if members_in(ci, si, counting, other, there) == 0:
            more += 1
        if members_in(ci, si, counting, other, here) == 0:
            more -= 1
        change += settled(ci, si, lonely + pair, bounds + pair, more, hard, settle)
    first = ci[term + SERVES_FIRST] + group
    if ci[first] == ci[first + 1]:
        return change
    comes = members_in(ci, si, counting, group, there) == 0
    leaves = members_in(ci, si, counting, group, here) == 1
    if comes or leaves:
        for index in range(ci[first], ci[first + 1]):
            pair, other = ci[ci[term + SERVES] + 2 * index], ci[ci[term + SERVES] + 2 * index + 1]
            more = 0
            if comes:
                more -= members_in(ci, si, counting, other, there)
            if leaves:
                more += members_in(ci, si, counting, other, here)
            change += settled(ci, si, lonely + pair, bounds + pair, more, hard, settle)
    return change


@kernel
def term_change(ci: Ints, si: Ints, term: int, counting: int, group: int, here: int, there: int, hard: int) -> int:
    """What a move from zone ``here`` to zone ``there`` changes of a rule's cost, unweighted."""
    kind = ci[term + KIND]
    if kind == MOST:
        return most_change(ci, si, term, counting, group, here, there, hard)
    if kind == NEAR:
        return near_change(ci, si, term, counting, group, here, there, hard, 0)
    if kind == APART:
        return apart_change(ci, si, term, counting, group, here, there, hard)
    if kind == SKEW:
        bound = ci[ci[term + BOUND] + group] if hard == 1 else ci[term + MOST_ALLOWED]
        return skew_change(ci, si, counting, group, here, there, bound)
    used = si[ci[counting + USED] + group]
    after = used + zones_change(ci, si, counting, group, here, there)
    if kind == SPAN:
        bound = ci[ci[term + BOUND] + group] if hard == 1 else ci[term + MOST_ALLOWED]
        return beyond(after, bound) - beyond(used, bound)
    bound = ci[ci[term + BOUND] + group] if hard == 1 else ci[ci[term + LEAST_WANTED] + group]
    return beyond(bound, after) - beyond(bound, used)


@kernel
def hard_group_shift(
    ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, source: int, destination: int, strict: bool
) -> None:
    """Adds what a move changes of hard rules to levels 0 and 1 of DELTA; ``strict``: until it is seen forbidden."""
    for index in range(ci[HARD_GROUP_TERMS]):
        term = ci[GROUP_TERM] + index * TERM_WIDTH
        counting = ci[COUNTING] + ci[term + TERM_COUNTING] * COUNTING_WIDTH
        group = ci[ci[counting + GROUP] + domain]
        if group < 0:
            continue
        here, there = ci[ci[counting + ZONE] + source], ci[ci[counting + ZONE] + destination]
        if here == there:
            continue
        worse = term_change(ci, si, term, counting, group, here, there, 1 - ci[UNBROKEN])
        sf[ci[DELTA]] += worse
        if strict and worse > 0:
            return
        if ci[UNBROKEN] == 0:
            change = term_change(ci, si, term, counting, group, here, there, 0)
            sf[ci[DELTA] + 1] += cf[ci[GROUP_WEIGHT] + index] * change


@kernel
def soft_group_shift(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, source: int, destination: int) -> None:
    """Adds what a move changes of soft rules to DELTA."""
    for index in range(ci[HARD_GROUP_TERMS], ci[GROUP_TERMS]):
        term = ci[GROUP_TERM] + index * TERM_WIDTH
        counting = ci[COUNTING] + ci[term + TERM_COUNTING] * COUNTING_WIDTH
        group = ci[ci[counting + GROUP] + domain]
        if group < 0:
            continue
        here, there = ci[ci[counting + ZONE] + source], ci[ci[counting + ZONE] + destination]
        if here != there:
            change = term_change(ci, si, term, counting, group, here, there, 0)
            sf[ci[DELTA] + ci[term + LEVEL]] += cf[ci[GROUP_WEIGHT] + index] * change


@kernel
def apply_groups(ci: Ints, si: Ints, domain: int, source: int, destination: int) -> None:
    """Brings the counts up to date; the domain still stands at its source."""
    for index in range(ci[GROUP_TERMS]):
        term = ci[GROUP_TERM] + index * TERM_WIDTH
        if ci[term + KIND] == NEAR:
            counting = ci[COUNTING] + ci[term + TERM_COUNTING] * COUNTING_WIDTH
            group = ci[ci[counting + GROUP] + domain]
            if group >= 0:
                here, there = ci[ci[counting + ZONE] + source], ci[ci[counting + ZONE] + destination]
                if here != there:
                    near_change(ci, si, term, counting, group, here, there, 0, 1)
    for index in range(ci[COUNTINGS]):
        counting = ci[COUNTING] + index * COUNTING_WIDTH
        group = ci[ci[counting + GROUP] + domain]
        if group < 0:
            continue
        here, there = ci[ci[counting + ZONE] + source], ci[ci[counting + ZONE] + destination]
        if here == there:
            continue
        used, kinds = ci[counting + USED], ci[counting + KINDS]
        if used >= 0:
            si[used + group] += zones_change(ci, si, counting, group, here, there)
        if kinds >= 0:
            if members_in(ci, si, counting, group, here) == 1:
                si[kinds + here] -= 1
            if members_in(ci, si, counting, group, there) == 0:
                si[kinds + there] += 1
        row = ci[ci[counting + DENSE] + group]
        if row >= 0:
            counts = ci[counting + COUNT] + row * ci[counting + ZONES]
            if here >= 0:
                si[counts + here] -= 1
            if there >= 0:
                si[counts + there] += 1
