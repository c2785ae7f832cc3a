"""How few hosts can carry all domains."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.primitives import Capacity, HostsInUse
from rebalancer.placement.problem import Problem

__all__ = ["hosts_in_use"]


def hosts_in_use(pack: HostsInUse, problem: Problem) -> float:
    """Filling the largest hosts first takes x of them, and at least the next whole number is in use. A host in use
    costs (1 + 2u - u²) / 2 ≥ (1 + u) / 2."""
    if not len(problem.domains):
        return 0.0
    hosts = _hosts_filled(pack, problem)
    return (max(float(np.ceil(hosts * (1 - 1e-9))), 1.0) + hosts) / 2


def _hosts_filled(pack: HostsInUse, problem: Problem) -> float:
    """How many hosts, the largest first, the domains fill to the brim."""
    room = np.full(len(pack.capacity), np.inf)
    for term in problem.terms:
        capacity = term.primitive
        if term.hard and isinstance(capacity, Capacity) and np.array_equal(capacity.demand, pack.demand):
            # A host that is beyond its limit may stay there.
            load = np.bincount(problem.start, weights=capacity.demand, minlength=len(room))
            room = np.minimum(room, np.maximum(capacity.limit, load))
    # Where more fits than the capacity, a host costs no more than a full one.
    size = np.where(pack.capacity > 0, np.maximum(room, pack.capacity), np.inf)
    left, hosts = float(pack.demand.sum()), 0.0
    for largest in np.sort(size)[::-1]:
        hosts += min(left / largest, 1.0)
        left -= min(left, largest)
    return hosts
