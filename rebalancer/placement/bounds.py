"""Lower bounds: what no placement can better."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.primitives import HostsInUse
from rebalancer.placement.problem import Problem, Term

__all__ = ["score_bound"]


def score_bound(problem: Problem) -> float:
    """No placement of these domains costs less in the soft tiers together: the terms' own bounds, added."""
    return sum(term.weight * _bound(term) for term in problem.terms if not term.hard)


def _bound(term: Term) -> float:
    match term.primitive:
        case HostsInUse() as pack:
            # The fewest hosts whose capacity, the largest first, holds all; each full host saves 1/H at most.
            capacity = np.sort(pack.capacity)[::-1]
            total = pack.demand.sum()
            hosts = int(np.searchsorted(np.cumsum(capacity), total * (1 - 1e-9))) + 1 if total > 0 else 0
            return max(min(hosts, len(capacity)) * (1 - 1 / len(capacity)), 0.0) if len(capacity) else 0.0
        case _:
            return 0.0
