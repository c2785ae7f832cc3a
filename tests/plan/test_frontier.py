"""The trade-off between score and moves."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from rebalancer.cluster import Capabilities, Cluster, Domain, Host
from rebalancer.placement import State
from rebalancer.plan.frontier import Point, find_frontier, knee_of
from rebalancer.policy import load_policies
from rebalancer.policy.compile import compile_problem

GIB = 2.0**30
LIVE = Capabilities(live=True, rename=True)
POLICY = """
apiVersion: rebalancer/v1
kind: Policy
rules:
  - capacity: {resource: memory}
  - anti_affinity: {group: "labels.app"}
goals:
  - balance: {resource: memory}
"""


def small(sizes: list[int], *, apart: int = 0) -> Cluster:
    """All on the first of three hosts; the first ``apart`` must not be together."""
    return Cluster(
        name="c",
        hosts=tuple(Host(name=name, capacity={"memory": 64 * GIB}, migration=LIVE) for name in "abc"),
        domains=tuple(
            Domain(
                name=f"d{index}",
                uuid=f"uuid-{index}",
                host="a",
                uses={"memory": size * GIB},
                labels={"app": "x"} if index < apart else {},
            )
            for index, size in enumerate(sizes)
        ),
    )


@pytest.mark.parametrize(("sizes", "apart"), [([9, 7, 5, 4, 3, 2], 0), ([8, 8, 1, 1, 1, 4], 3)])
def test_each_point_is_the_best_with_so_many_moves(sizes: list[int], apart: int) -> None:
    cluster, policy = small(sizes, apart=apart), load_policies(["./p.yaml"], lambda _: POLICY)
    problem = compile_problem(policy, cluster).problem
    best: dict[int, tuple[float, ...]] = {}
    for hosts in product(range(3), repeat=len(sizes)):
        state = State(problem, np.array(hosts, dtype=np.int64))
        costs = tuple(float(cost) for cost in state.costs())
        if costs[0] == 0:
            best[state.moved] = min(best.get(state.moved, (1e9,)), costs[1:])
    frontier = find_frontier(cluster, policy)
    assert frontier.points[0].moves == 0
    for point in frontier.points:
        wanted = min(costs for moves, costs in best.items() if moves <= point.moves)
        assert point.costs == pytest.approx(wanted, abs=1e-6)
    moves = [point.moves for point in frontier.points]
    assert moves == sorted(set(moves))
    assert frontier.complete


def test_a_time_limit_that_is_over_leaves_a_curve() -> None:
    policy = load_policies(["./p.yaml"], lambda _: POLICY)
    frontier = find_frontier(small([4] * 12), policy, elapsed=lambda: 1.0)
    assert not frontier.complete
    assert frontier.points[0].moves == 0


def points(*pairs: tuple[int, float], broken: tuple[int, ...] = ()) -> tuple[Point, ...]:
    rest = (*broken, *([0] * len(pairs)))
    return tuple(Point(moves=m, score=s, broken=b, costs=(s,)) for (m, s), b in zip(pairs, rest, strict=False))


@pytest.mark.parametrize(
    ("given", "knee"),
    [
        (points((0, 10), (2, 2), (5, 1), (10, 0)), 2),
        (points((0, 10), (5, 5), (10, 0)), None),
        (points((0, 10), (10, 0)), None),
        (points(), None),
        # Few moves that leave a rule broken are no bargain.
        (points((0, 10), (1, 1), (4, 6), (5, 1), (10, 0), broken=(1, 1)), 5),
    ],
)
def test_the_knee(given: tuple[Point, ...], knee: int | None) -> None:
    found = knee_of(given)
    assert (found.moves if found else None) == knee
