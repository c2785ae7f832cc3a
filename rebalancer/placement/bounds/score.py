"""What the soft tiers cost together at least."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.arrays import distinct
from rebalancer.placement.bounds.evenness import evenness
from rebalancer.placement.bounds.goals import least_cost
from rebalancer.placement.bounds.reach import Reach, reach_of
from rebalancer.placement.primitives import Evenness, FloatArray, IntArray, MoveCost
from rebalancer.placement.problem import Problem

__all__ = ["score_bound"]

_MOST_NUMBERS = 2_000
"""Of moves that are looked at one by one."""
_ROUNDING = 1e-9


def score_bound(problem: Problem, *, holds: bool = False) -> float:
    """No placement of these domains that makes no hard rule worse costs less in the soft tiers together.

    ``holds``: whether some placement that makes none worse breaks none at all. Then only such placements count: they
    are better than any other.
    """
    reach = reach_of(problem, holds=holds)
    first, last = _numbers_of_moves(problem, reach)
    total = np.zeros(len(first))
    for term in problem.terms:
        if term.hard:
            continue
        match term.primitive:
            case Evenness():
                cost: FloatArray | float = evenness(term.primitive, problem, reach, last)
            case MoveCost():
                cost = _moved(term.primitive, reach, first)
            case _:
                cost = least_cost(term.primitive, problem, reach)
        total = total + term.weight * cost
    return max(float(total.min()) * (1 - _ROUNDING) - _ROUNDING, 0.0)


def _numbers_of_moves(problem: Problem, reach: Reach) -> tuple[IntArray, IntArray]:
    """Numbers of moves, from the first to the last of each row: what falls with moves counts by the last, what rises
    by the first."""
    least, most = reach.least_moves(), int(reach.movable.sum())
    if problem.max_moves is not None:
        most = min(most, problem.max_moves)
    most = max(most, least)
    numbers = distinct(np.linspace(least, most, min(most - least + 1, _MOST_NUMBERS)).astype(np.int64))
    return numbers, np.append(numbers[1:] - 1, most)


def _moved(primitive: MoveCost, reach: Reach, moves: IntArray) -> FloatArray:
    """Those that have to move, and the cheapest of the others."""
    forced = float(primitive.cost[reach.forced].sum())
    others = np.sort(primitive.cost[reach.movable & ~reach.forced])
    sums = np.concatenate([[0.0], np.cumsum(others)])
    return np.asarray(forced + sums[np.clip(moves - reach.least_moves(), 0, len(others))], dtype=np.float64)
