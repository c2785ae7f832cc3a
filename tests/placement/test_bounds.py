"""Bounds are never above what the best of all placements costs."""

from __future__ import annotations

import numpy as np
import pytest

from rebalancer.placement import Problem, Term
from rebalancer.placement.bounds import score_bound
from rebalancer.placement.bounds.lattice import unit_of
from rebalancer.placement.primitives import AllowedHosts, Evenness, MoveCost
from tests.placement.optimum import optimum
from tests.placement.problems import random_problem

FORMS = ("deviation", "variance", "peak", "range", "excess")


@pytest.mark.parametrize("seed", range(80))
def test_no_bound_is_above_the_optimum(seed: int) -> None:
    problem = random_problem(seed)
    best = optimum(problem)
    assert score_bound(problem) <= best[2:].sum()
    if best[1] <= 1e-9:
        assert score_bound(problem, holds=True) <= best[2:].sum()


def uneven(
    loads: list[list[float]],
    *,
    form: str = "deviation",
    cost: float = 0.0,
    target: float | None = None,
    most: int | None = None,
    rules: tuple[Term, ...] = (),
) -> Problem:
    """Hosts of size 10, each with domains of these sizes."""
    demand = np.array([size for host in loads for size in host], dtype=np.float64)
    start = np.array([h for h, host in enumerate(loads) for _ in host], dtype=np.int64)
    balance = Evenness(
        resource="memory",
        demand=demand,
        capacity=np.full(len(loads), 10.0),
        counted=np.ones(len(loads), dtype=np.bool_),
        target=demand.sum() / (10.0 * len(loads)) if target is None else target,
        form=form,  # type: ignore[arg-type]
    )
    return Problem(
        hosts=tuple(f"h{h}" for h in range(len(loads))),
        domains=tuple(f"d{d}" for d in range(len(demand))),
        start=start,
        terms=(
            *rules,
            Term(name="balance", primitive=balance, tier=1),
            Term(name="move_cost", primitive=MoveCost(cost=np.full(len(demand), cost)), tier=1),
        ),
        max_moves=most,
    )


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("form", FORMS)
def test_the_bound_of_balance_against_moves(form: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    loads = [[float(random.integers(1, 7)) for _ in range(random.integers(0, 4))] for _ in range(2)]
    problem = uneven(
        [*loads, [3.0]],
        form=form,
        cost=float(random.random() * 3),
        target=float(random.choice([0.3, 0.8])) if random.random() < 0.3 else None,
        most=int(random.integers(0, 3)) if random.random() < 0.5 else None,
    )
    assert score_bound(problem) <= optimum(problem)[2:].sum()


@pytest.mark.parametrize("form", FORMS)
def test_where_whole_domains_are_enough_the_bound_is_met(form: str) -> None:
    problem = uneven([[2, 2, 2], [], [2], []], form=form, cost=0.25)
    assert score_bound(problem) == pytest.approx(optimum(problem)[2:].sum(), rel=0.05)


@pytest.mark.parametrize("form", FORMS)
def test_what_sizes_of_one_unit_cannot_do_is_in_the_bound(form: str) -> None:
    problem = uneven([[4.0] * 6, [], [], [4.0]], form=form)
    assert score_bound(problem) == pytest.approx(optimum(problem)[2:].sum())


def test_the_unit_of_sizes() -> None:
    assert unit_of(np.array([1.5, 0.0, 4.5])) == 1.5
    assert unit_of(np.array([4.0, 6.0])) == 2.0
    assert unit_of(np.array([0.1, 0.25])) == 0.05
    assert unit_of(np.array([1 / 3])) is None
    assert unit_of(np.array([0.0])) is None


def test_with_no_moves_left_the_bound_is_what_there_is() -> None:
    for form in FORMS:
        problem = uneven([[4, 3], [1], [2]], form=form, most=0)
        assert score_bound(problem) == pytest.approx(optimum(problem)[2:].sum())


def test_a_domain_that_is_too_large_for_evenness_is_in_the_bound() -> None:
    problem = uneven([[9], [1], [1]], form="peak")
    assert score_bound(problem) == pytest.approx(100 * (0.9 - 11 / 30))


def test_more_than_the_target_everywhere_is_in_the_bound() -> None:
    problem = uneven([[9], [8, 1]], target=0.5)
    assert score_bound(problem) == pytest.approx(100 * 0.4)


def test_moves_that_rules_make_necessary_are_in_the_bound_where_they_can_be_made() -> None:
    leave = AllowedHosts(masks=np.array([[False, True]]), mask=np.array([0, 0, -1]))
    problem = uneven([[1, 1], [1]], target=1.0, form="excess", cost=2.0, rules=(Term(name="leave", primitive=leave),))
    assert score_bound(problem) == 0
    assert score_bound(problem, holds=True) == pytest.approx(4.0)


def test_a_large_problem_counts_its_moves_in_rows() -> None:
    problem = uneven([[1.0] * 5000, [], []], cost=0.001)
    small = uneven([[1.0] * 500, [], []], cost=0.01)
    assert score_bound(problem) == pytest.approx(score_bound(small), rel=0.01)
