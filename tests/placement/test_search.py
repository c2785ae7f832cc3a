from __future__ import annotations

import numpy as np
import pytest

from rebalancer.placement import search
from rebalancer.placement.state import State, improves
from tests.placement.optimum import optimum
from tests.placement.problems import random_problem, reference_costs


@pytest.mark.parametrize("seed", range(60))
def test_never_makes_a_rule_worse_and_repairs_first(seed: int) -> None:
    problem = random_problem(seed, hosts=5, domains=10)
    before = reference_costs(problem, problem.start)
    after = reference_costs(problem, search(problem, seed=seed, effort=1).host)
    assert after[0] == 0
    assert after[1] <= before[1] + 1e-9
    assert after == before or improves(np.array(after) - np.array(before))


def test_finds_the_optimum_of_nearly_every_small_problem() -> None:
    seeds = range(60)
    found = 0
    for seed in seeds:
        problem = random_problem(seed)
        costs = np.array(reference_costs(problem, search(problem, effort=2).host))
        best = optimum(problem)
        assert not improves(np.round(costs - best, 6))
        found += not improves(np.round(best - costs, 6))
    assert found >= 0.95 * len(seeds)


@pytest.mark.parametrize("seed", range(4))
def test_a_longer_search_breaks_no_rule_either(seed: int) -> None:
    """It goes through worse placements than a short one."""
    problem = random_problem(seed, hosts=5, domains=12)
    before = reference_costs(problem, problem.start)
    after = reference_costs(problem, search(problem, seed=seed, effort=6).host)
    assert after[0] == 0
    assert after == before or improves(np.array(after) - np.array(before))


def test_is_deterministic_for_a_seed() -> None:
    problem = random_problem(3, hosts=8, domains=30)
    first, second = (search(problem, seed=7, effort=1).host for _ in range(2))
    assert (first == second).all()


def test_a_stop_signal_returns_the_best_so_far() -> None:
    problem = random_problem(3, hosts=8, domains=60)
    placement = search(problem, elapsed=lambda: 1.0)
    assert not placement.complete
    assert not improves(State(problem).costs() - State(problem, placement.host).costs())
