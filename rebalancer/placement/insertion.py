"""Domains that stand nowhere get a host each, while all others stay: the largest first, then the best host for each
again until nothing betters.

Exact for one domain, and for many as good as looking at one at a time is; the search is for what finds no place so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rebalancer.placement.primitives import Capacity, FloatArray, IntArray
from rebalancer.placement.problem import Problem
from rebalancer.placement.state import State, improves

__all__ = ["best_host", "insert"]

_MOST_PASSES = 10
_SAME = 1e-9


def insert(
    problem: Problem,
    waiting: Sequence[int],
    *,
    alike: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> IntArray:
    """int[D]: the problem's start, with the ``waiting`` domains on hosts that hard rules allow them; one for whom
    there is none stays where it was. ``alike``: all are of one kind, so where one finds no place, neither do the rest.
    ``stop``: whether to end with what there is."""
    state = State(problem)
    order = list(waiting) if alike else _largest_first(problem, waiting)
    for domain in order:
        if stop() or (not _settle(state, domain) and alike):
            return state.placement
    for _ in range(0 if alike else _MOST_PASSES):
        if stop() or not sum(_settle(state, domain) for domain in order):
            break
    return state.placement


def best_host(change: FloatArray) -> int:
    """The host (by index) with the least change of cost, most important level first, the first of equals.

    ``change``: float[levels, H], as :meth:`State.shifts` gives it.
    """
    left = np.arange(change.shape[1])
    for row in change:
        costs = row[left]
        left = left[costs <= costs.min() + _SAME]
    return int(left[0])


def _settle(state: State, domain: int) -> bool:
    change = state.shifts(domain)
    host = best_host(change)
    if not improves(change[:, host]):
        return False
    state.apply(domain, host)
    return True


def _largest_first(problem: Problem, waiting: Sequence[int]) -> list[int]:
    """By the share of a mean host that a domain takes of the resource that it takes most of."""
    size = np.zeros(len(problem.domains))
    for term in problem.terms:
        capacity = term.primitive
        if term.hard and isinstance(capacity, Capacity):
            limits = capacity.limit[np.isfinite(capacity.limit) & (capacity.limit > 0)]
            if len(limits):
                size = np.maximum(size, capacity.demand / limits.mean())
    return sorted(waiting, key=lambda domain: (-size[domain], domain))
