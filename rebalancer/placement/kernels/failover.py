"""Room for a failure: what the worst loss of some zones would leave without a place."""

from __future__ import annotations

from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import (
    DELTA,
    DEMAND,
    DOMAINS,
    FAILOVER,
    FAILOVER_COST,
    FAILOVER_LEVEL,
    FAILOVER_LIMIT,
    FAILOVER_NUMBERS,
    FAILOVER_ROWS,
    FAILOVER_SCALE,
    FAILOVER_WIDTH,
    FAILOVER_ZONE,
    FAILOVER_ZONES,
    FAILOVERS,
    FREE,
    HOSTS,
    LARGEST,
    LOAD,
    PLACE,
    RESOURCES,
    ROOMY,
    ROOMY_ZONES,
    ROWS,
    TAKEN,
    TOLERATE,
    ZONE_FIRST,
    ZONE_HOST,
)
from rebalancer.placement.kernels.types import Floats, Ints

__all__ = ["apply_failover", "failover_shift", "start_failover"]


@kernel
def room(ci: Ints, cf: Floats, sf: Floats, term: int, host: int, resource: int) -> float:
    """What is free of a resource on a host."""
    row = ci[ci[term + FAILOVER_ROWS] + resource]
    free = cf[ci[term + FAILOVER_LIMIT] + host * ci[term + RESOURCES] + resource] - sf[ci[LOAD] + host * ci[ROWS] + row]
    return free if free > 0.0 else 0.0


@kernel
def holds(ci: Ints, cf: Floats, sf: Floats, term: int, host: int, wants: int) -> bool:
    """Whether a host has room for what stands at ``wants`` [R] in ``cf``; -1 - domain: for that domain's demands."""
    for resource in range(ci[term + RESOURCES]):
        if wants >= 0:
            want = cf[wants + resource]
        else:
            want = cf[ci[DEMAND] + (-1 - wants) * ci[ROWS] + ci[ci[term + FAILOVER_ROWS] + resource]]
        slack = 1e-9 * cf[ci[term + FAILOVER_SCALE] + resource]
        if want > room(ci, cf, sf, term, host, resource) + slack:
            return False
    return True


@kernel
def missing(ci: Ints, cf: Floats, sf: Floats, term: int) -> float:
    """What the survivors are short of in the worst case, in shares of the mean limit, over all resources."""
    zones, resources = ci[term + FAILOVER_ZONES], ci[term + RESOURCES]
    total = 0.0
    for resource in range(resources):
        taken = ci[term + TAKEN] + resource * zones
        lost = 0.0
        ceiling, ceiling_zone = 1e300, -1
        for _ in range(min(ci[term + TOLERATE], zones)):
            # The next largest after the one before, zones of one size in their order.
            best, best_zone = -1.0, -1
            for zone in range(zones):
                value = sf[taken + zone]
                later = value < ceiling or (value == ceiling and zone > ceiling_zone)
                if later and value > best:
                    best, best_zone = value, zone
            lost += best
            ceiling, ceiling_zone = best, best_zone
        short = lost - sf[ci[term + FREE] + resource]
        if short > 0.0:
            total += short / cf[ci[term + FAILOVER_SCALE] + resource]
    return total


@kernel
def homeless(ci: Ints, cf: Floats, si: Ints, sf: Floats, term: int) -> float:
    """Domains that fit on no survivor once their own zone and those that could best hold them are lost."""
    tolerate = ci[term + TOLERATE]
    if si[ci[term + ROOMY_ZONES]] > tolerate:
        return 0.0
    number = 0.0
    for domain in range(ci[DOMAINS]):
        own = ci[ci[term + FAILOVER_ZONE] + si[ci[PLACE] + domain]]
        refuges = 0
        for zone in range(ci[term + FAILOVER_ZONES]):
            if zone != own and refuges < tolerate:
                for index in range(ci[ci[term + ZONE_FIRST] + zone], ci[ci[term + ZONE_FIRST] + zone + 1]):
                    if holds(ci, cf, sf, term, ci[ci[term + ZONE_HOST] + index], -1 - domain):
                        refuges += 1
                        break
        if refuges < tolerate:
            number += 1.0
    return number


@kernel
def count_host(ci: Ints, cf: Floats, si: Ints, sf: Floats, term: int, host: int, sign: int) -> None:
    """Takes a host into the sums of its zone (``sign`` 1), or out of them (-1)."""
    zone, zones = ci[ci[term + FAILOVER_ZONE] + host], ci[term + FAILOVER_ZONES]
    for resource in range(ci[term + RESOURCES]):
        free = room(ci, cf, sf, term, host, resource)
        load = sf[ci[LOAD] + host * ci[ROWS] + ci[ci[term + FAILOVER_ROWS] + resource]]
        sf[ci[term + TAKEN] + resource * zones + zone] += sign * (load + free)
        sf[ci[term + FREE] + resource] += sign * free
    if holds(ci, cf, sf, term, host, ci[term + LARGEST]):
        before = si[ci[term + ROOMY] + zone]
        si[ci[term + ROOMY] + zone] = before + sign
        if before == 0 and sign == 1:
            si[ci[term + ROOMY_ZONES]] += 1
        if before == 1 and sign == -1:
            si[ci[term + ROOMY_ZONES]] -= 1


@kernel
def displace(ci: Ints, cf: Floats, si: Ints, sf: Floats, term: int, domain: int, source: int, destination: int) -> None:
    """Moves a domain as far as this rule looks at it: its loads and the sums over zones."""
    count_host(ci, cf, si, sf, term, source, -1)
    count_host(ci, cf, si, sf, term, destination, -1)
    for resource in range(ci[term + RESOURCES]):
        row = ci[ci[term + FAILOVER_ROWS] + resource]
        demand = cf[ci[DEMAND] + domain * ci[ROWS] + row]
        sf[ci[LOAD] + source * ci[ROWS] + row] -= demand
        sf[ci[LOAD] + destination * ci[ROWS] + row] += demand
    count_host(ci, cf, si, sf, term, source, 1)
    count_host(ci, cf, si, sf, term, destination, 1)


@kernel
def failover_shift(ci: Ints, cf: Floats, si: Ints, sf: Floats, domain: int, source: int, destination: int) -> None:
    """Adds what a move changes to DELTA."""
    for index in range(ci[FAILOVERS]):
        term = ci[FAILOVER] + index * FAILOVER_WIDTH
        displace(ci, cf, si, sf, term, domain, source, destination)
        si[ci[PLACE] + domain] = destination
        after = missing(ci, cf, sf, term) + homeless(ci, cf, si, sf, term)
        si[ci[PLACE] + domain] = source
        displace(ci, cf, si, sf, term, domain, destination, source)
        now, level = sf[ci[FAILOVER_COST] + index], ci[term + FAILOVER_LEVEL]
        numbers = ci[FAILOVER_NUMBERS] + 2 * index
        sf[ci[DELTA] + level] += cf[numbers] * (after - now)
        if level == 1:
            bound = cf[numbers + 1]
            sf[ci[DELTA]] += (after - bound if after > bound else 0.0) - (now - bound if now > bound else 0.0)


@kernel
def start_failover(ci: Ints, cf: Floats, si: Ints, sf: Floats) -> None:
    """The sums over zones and the costs, from the loads."""
    for index in range(ci[FAILOVERS]):
        term = ci[FAILOVER] + index * FAILOVER_WIDTH
        for host in range(ci[HOSTS]):
            count_host(ci, cf, si, sf, term, host, 1)
        sf[ci[FAILOVER_COST] + index] = missing(ci, cf, sf, term) + homeless(ci, cf, si, sf, term)


@kernel
def apply_failover(ci: Ints, cf: Floats, si: Ints, sf: Floats, host: int, sign: int) -> None:
    """Before a move: takes its two hosts out of the sums; after it, with ``sign`` 1, back in."""
    for index in range(ci[FAILOVERS]):
        count_host(ci, cf, si, sf, ci[FAILOVER] + index * FAILOVER_WIDTH, host, sign)


@kernel
def settle_failover(ci: Ints, cf: Floats, si: Ints, sf: Floats) -> None:
    """The costs after a move."""
    for index in range(ci[FAILOVERS]):
        term = ci[FAILOVER] + index * FAILOVER_WIDTH
        sf[ci[FAILOVER_COST] + index] = missing(ci, cf, sf, term) + homeless(ci, cf, si, sf, term)
