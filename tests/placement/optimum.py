"""The best of all placements of a small problem, by trying them all: by the book, or with kernels, for larger ones."""

from __future__ import annotations

import itertools

import numpy as np

from rebalancer.placement import Problem, State
from rebalancer.placement.engine import Engine
from rebalancer.placement.kernels import tasks
from rebalancer.placement.primitives import FloatArray
from rebalancer.placement.state import improves

__all__ = ["kernel_optimum", "optimum"]


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


def kernel_optimum(problem: Problem) -> FloatArray:
    """The same, a thousand times as fast where kernels are compiled."""
    engine = Engine(problem)
    engine.run(tasks.TRY_ALL)
    return State(problem, engine.best).costs()
