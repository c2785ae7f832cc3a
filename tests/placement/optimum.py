"""The best of all placements of a small problem, by trying them all."""

from __future__ import annotations

import itertools

import numpy as np

from rebalancer.placement import Problem, State
from rebalancer.placement.primitives import FloatArray
from rebalancer.placement.state import improves

__all__ = ["optimum"]


def optimum(problem: Problem) -> FloatArray:
    """float[levels]: worsening (0), hard rules, soft tiers."""
    state = State(problem)
    best = state.costs()
    for hosts in itertools.product(range(len(problem.hosts)), repeat=len(problem.domains)):
        state.restore(np.array(hosts, dtype=np.int64))
        costs = state.costs()
        if improves(costs - best):
            best = costs
    return best
