"""Lower bounds: what no placement can better."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.primitives import Capacity, HostsInUse
from rebalancer.placement.problem import Problem, Term

__all__ = ["score_bound"]


def score_bound(problem: Problem) -> float:
    """No placement of these domains costs less in the soft tiers together: the terms' own bounds, added."""
    return sum(term.weight * _bound(term, problem) for term in problem.terms if not term.hard)


def _bound(term: Term, problem: Problem) -> float:
    match term.primitive:
        case HostsInUse() as pack if len(problem.domains):
            # Filling the largest hosts first takes x of them, and at least the next whole number is in use. A host in
            # use costs (1 + 2u - u²) / 2 ≥ (1 + u) / 2.
            hosts = _hosts_filled(pack, problem)
            return (max(float(np.ceil(hosts * (1 - 1e-9))), 1.0) + hosts) / 2
        case _:
            return 0.0


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
