"""The trade-off between score and moves: the best placement found for each of several numbers of moves.

Each is searched for with that number as its limit, not cut from a longer plan: ten moves of the best plan of a hundred
are not the best ten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rebalancer.cluster import Cluster
from rebalancer.placement import Problem, State, search
from rebalancer.placement.explain import breaches
from rebalancer.placement.primitives import IntArray
from rebalancer.policy.compile import compile_problem
from rebalancer.policy.history import History
from rebalancer.policy.model import Policy
from rebalancer.values import dataclass

__all__ = ["Frontier", "Point", "find_frontier", "knee_of"]

_SHARES = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8)
"""Of the moves of the best placement without a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """``score``: of the soft tiers together, as of plans. ``broken``: how many elements of hard rules are broken still.

    ``costs``: by tier, hard rules first; which of two points is better.
    """

    moves: int
    score: float
    broken: int
    costs: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """``points``: each with more moves than the one before and better, the first without any move. ``knee``: the one
    after which moves gain little, where there is such a one. ``complete``: whether the time limit let all be found."""

    points: tuple[Point, ...]
    knee: Point | None
    complete: bool


def find_frontier(
    cluster: Cluster,
    policy: Policy,
    *,
    seed: int = 0,
    effort: int = 5,
    elapsed: Callable[[], float] = lambda: 0.0,
    history: History | None = None,
) -> Frontier:
    """As for plans; the limits of the policy hold, and more moves than its ``max_moves`` are not looked at."""
    compiled = compile_problem(policy, cluster, history=history)
    problem = compiled.problem

    def name(domain: int) -> str:
        return compiled.view.domains[domain].name

    def point(placement: IntArray) -> Point:
        return _point(problem, placement, name)

    complete = True
    begun = [0.0]

    def share(number: int, of: int) -> Callable[[], float]:
        """Of what is left of the time limit, an equal part for each search."""
        start = begun[0] = elapsed()
        span = (1.0 - start) / max(of - number, 1)
        return lambda: 1.0 if elapsed() >= 1.0 else min((elapsed() - start) / max(span, 1e-9), 1.0)

    searches = len(_SHARES) + 1
    found = search(problem, seed=seed, effort=effort, elapsed=share(0, searches))
    complete &= found.complete
    best = point(found.host)
    points = [point(problem.start), best]
    for number, moves in enumerate(_numbers(best.moves), start=1):
        if elapsed() >= 1.0:
            complete = False
            break
        limited = replace(problem, max_moves=moves)
        found = search(limited, seed=seed, effort=effort, elapsed=share(number, searches))
        complete &= found.complete
        points.append(point(found.host))
    ordered = _better_and_better(points)
    return Frontier(points=ordered, knee=knee_of(ordered), complete=complete)


def _numbers(most: int) -> list[int]:
    return sorted({max(round(share * most), 1) for share in _SHARES} - {most}) if most > 1 else []


def _point(problem: Problem, placement: IntArray, name: Callable[[int], str]) -> Point:
    state = State(problem, placement)
    costs = tuple(float(cost) for cost in state.costs()[1:])
    soft = {term.name for term in problem.terms if not term.hard}
    return Point(
        moves=state.moved,
        score=sum(cost for part, cost in state.parts().items() if part in soft),
        broken=len(breaches(problem, placement, name)),
        costs=costs,
    )


def _better_and_better(points: list[Point]) -> tuple[Point, ...]:
    """Those that no other with as few moves betters."""
    kept: list[Point] = []
    for each in sorted(points, key=lambda one: (one.moves, one.costs)):
        if not kept or _is_less(each.costs, kept[-1].costs):
            kept.append(each)
    return tuple(kept)


def _is_less(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    for first, second in zip(one, other, strict=True):
        if abs(first - second) > 1e-9 * max(1.0, abs(second)):
            return first < second
    return False


def knee_of(points: tuple[Point, ...]) -> Point | None:
    """The point farthest below the straight line from the first to the last, both axes scaled to 1 (Satopää et al.,
    "Finding a kneedle in a haystack", 2011). Of those only that leave no more rules broken than the last does.

    >>> [knee_of(tuple(Point(moves=m, score=s, broken=0, costs=(s,)) for m, s in ((0, 9), (2, 3), (9, 0)))).moves]
    [2]
    """
    if not points:
        return None
    repaired = [each for each in points if each.broken <= points[-1].broken]
    if len(repaired) < 3:
        return None
    first, last = repaired[0], repaired[-1]
    width, height = last.moves - first.moves, first.score - last.score
    if height <= 0:
        return None

    def below(each: Point) -> float:
        return (first.score - each.score) / height - (each.moves - first.moves) / width

    best = max(repaired[1:-1], key=below)
    return best if below(best) > 0 else None
