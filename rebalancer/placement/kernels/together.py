"""All placements of a few domains at once, whatever lies between them and the one that there is."""

from __future__ import annotations

from rebalancer.placement.kernels.best import keep_best
from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    CONTROL,
    DOMAINS,
    HOSTS,
    PLACE,
    SPENT,
    START,
    STATIC_FORBIDDEN,
    STATIC_ROW,
    SUBJECT,
)
from rebalancer.placement.kernels.moves import add_to_cost, move, shift
from rebalancer.placement.kernels.types import Floats, Ints

__all__ = ["try_some"]


@kernel
def put(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, host: int) -> None:
    if si[ci[PLACE] + domain] != host:
        shift(ci, cf, si, sf, domain, host)
        move(ci, cf, si, sf, domain, host)
        add_to_cost(ci, sf)
        si[ci[CONTROL] + SPENT] += 1


@kernel
def next_host(ci: Ints, domain: int, host: int) -> int:
    """The first host from this one on that a domain may be on: its start, too."""
    if ci[STATIC_FORBIDDEN] >= 0:
        table = ci[STATIC_FORBIDDEN] + ci[ci[STATIC_ROW] + domain] * ci[HOSTS]
        while host < ci[HOSTS] and ci[table + host] > 0 and host != ci[ci[START] + domain]:
            host += 1
    return host


@kernel
def try_some(ci: Ints, cf: Floats, si: Ints, sf: Floats) -> int:
    """Goes through every placement of some domains, like an odometer, and keeps the best; 1 where one is better.

    SUBJECT: which domains, a bit each, from the lowest on. It ends somewhere else.
    """
    bits, hosts = si[ci[CONTROL] + SUBJECT], ci[HOSTS]
    for domain in range(ci[DOMAINS]):
        if (bits >> domain) & 1 == 1:
            put(ci, cf, si, sf, domain, next_host(ci, domain, 0))
    found = 1 if keep_best(ci, si, sf) else 0
    domain = 0
    while bits >> domain > 0:
        if (bits >> domain) & 1 == 0:
            domain += 1
            continue
        host = next_host(ci, domain, si[ci[PLACE] + domain] + 1)
        if host == hosts:
            put(ci, cf, si, sf, domain, next_host(ci, domain, 0))
            domain += 1
            continue
        put(ci, cf, si, sf, domain, host)
        if keep_best(ci, si, sf):
            found = 1
        domain = 0
    return found
