from __future__ import annotations

import numpy as np
import pytest

from rebalancer.placement import search
from rebalancer.placement.engine import Engine
from rebalancer.placement.kernels import entry
from rebalancer.placement.kernels import layout as at
from rebalancer.placement.state import State, improves
from tests.placement.optimum import kernel_optimum, optimum
from tests.placement.problems import mixed_problem, random_problem, reference_costs


@pytest.mark.parametrize("seed", range(60))
def test_never_makes_a_rule_worse_and_repairs_first(seed: int) -> None:
    problem = random_problem(seed, hosts=5, domains=10)
    before = reference_costs(problem, problem.start)
    after = reference_costs(problem, search(problem, seed=seed, effort=1).host)
    assert after[0] == 0
    assert after[1] <= before[1] + 1e-9
    assert after == before or improves(np.array(after) - np.array(before))


def test_finds_the_optimum_of_nearly_every_small_problem() -> None:
    """``tests/benchmarks/test_search.py`` does the same with larger ones, and 500 of them."""
    seeds = range(40)
    found = 0
    for seed in seeds:
        problem = mixed_problem(seed, placements=3e4)
        costs = np.array(reference_costs(problem, search(problem).host))
        best = kernel_optimum(problem)
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


@pytest.mark.parametrize("seed", range(20))
def test_all_domains_together_are_all_placements(seed: int) -> None:
    problem = random_problem(seed)
    engine = Engine(problem)
    engine.tell(at.SUBJECT, 2 ** len(problem.domains) - 1)
    engine.run(entry.TRY_SOME)
    costs = State(problem, engine.best).costs()
    assert costs == pytest.approx(optimum(problem), abs=1e-6)
    assert costs == pytest.approx(kernel_optimum(problem), abs=1e-6)


def test_is_deterministic_for_a_seed() -> None:
    problem = random_problem(3, hosts=8, domains=30)
    first, second = (search(problem, seed=7, effort=1).host for _ in range(2))
    assert (first == second).all()


def test_a_stop_signal_returns_the_best_so_far() -> None:
    problem = random_problem(3, hosts=8, domains=60)
    placement = search(problem, elapsed=lambda: 1.0)
    assert not placement.complete
    assert not improves(State(problem).costs() - State(problem, placement.host).costs())
