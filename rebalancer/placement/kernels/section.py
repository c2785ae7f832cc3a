"""Sections: the hosts, and the domains that stand there, among which annealing tries for a while.

A try looks at two domains and two hosts out of all, and what it needs of them is far apart in memory. Of a section all
fits a processor's cache, so that a try takes as long with 50,000 domains as with 2,000. Sections are drawn anew all the
time, so that in the end every domain can go to every host.
"""

from __future__ import annotations

from rebalancer.placement.kernels.chance import below
from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    BY_SIZE,
    CONTROL,
    HOSTS,
    IN_SECTION,
    LARGE_FIRST,
    LISTED,
    MOVED_AT,
    MOVED_DOMAIN,
    MOVERS,
    PLACE,
    SECTION,
    SECTION_DOMAIN,
    SECTION_DOMAINS,
    SECTION_HOST,
    SECTION_LARGE,
    SECTION_LARGES,
    START,
)
from rebalancer.placement.kernels.types import Ints

__all__ = ["choose_section", "tries_in_section"]

TRIES = 5
"""In a section, for each of its domains. With four times as many the search ends up to 5% worse; to draw the next looks
at each domain once."""


@kernel
def draw_hosts(ci: Ints, si: Ints) -> None:
    """The first steps of Fisher and Yates's shuffle."""
    for index in range(ci[SECTION]):
        si[ci[IN_SECTION] + si[ci[SECTION_HOST] + index]] = 0
    for index in range(ci[SECTION]):
        other = index + below(ci, si, ci[HOSTS] - index)
        host = si[ci[SECTION_HOST] + other]
        si[ci[SECTION_HOST] + other] = si[ci[SECTION_HOST] + index]
        si[ci[SECTION_HOST] + index] = host
        si[ci[IN_SECTION] + host] = 1


@kernel
def list_domains(ci: Ints, si: Ints) -> None:
    number, places = 0, 0
    for rank in range(ci[MOVERS]):
        domain = ci[ci[BY_SIZE] + rank]
        if si[ci[IN_SECTION] + si[ci[PLACE] + domain]] == 0:
            continue
        si[ci[SECTION_DOMAIN] + number] = domain
        for _ in range(ci[ci[LARGE_FIRST] + rank], ci[ci[LARGE_FIRST] + rank + 1]):
            si[ci[SECTION_LARGE] + places] = number
            places += 1
        number += 1
    si[ci[CONTROL] + SECTION_DOMAINS] = number
    si[ci[CONTROL] + SECTION_LARGES] = places


@kernel
def list_moved(ci: Ints, si: Ints) -> None:
    for index in range(si[ci[CONTROL] + LISTED]):
        si[ci[MOVED_AT] + si[ci[MOVED_DOMAIN] + index]] = -1
    listed = 0
    for index in range(si[ci[CONTROL] + SECTION_DOMAINS]):
        domain = si[ci[SECTION_DOMAIN] + index]
        if si[ci[PLACE] + domain] != ci[ci[START] + domain]:
            si[ci[MOVED_DOMAIN] + listed] = domain
            si[ci[MOVED_AT] + domain] = listed
            listed += 1
    si[ci[CONTROL] + LISTED] = listed


@kernel
def choose_section(ci: Ints, si: Ints) -> None:
    """Draws another section; the whole, where that is small enough, stays as it is."""
    if ci[SECTION] == ci[HOSTS]:
        return
    draw_hosts(ci, si)
    list_domains(ci, si)
    list_moved(ci, si)


@kernel
def tries_in_section(ci: Ints, si: Ints, left: int) -> int:
    """How many of the tries that are left are about the present section; none where nothing of it can move."""
    if ci[SECTION] == ci[HOSTS]:
        return left
    return min(left, TRIES * si[ci[CONTROL] + SECTION_DOMAINS])
