from __future__ import annotations

import numpy as np
import pytest

from rebalancer.placement import search
from rebalancer.placement.engine import Engine
from rebalancer.placement.kernels import layout as at
from rebalancer.placement.kernels import tasks
from rebalancer.placement.primitives import AllowedHosts
from rebalancer.placement.problem import Problem, Term
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
    engine.run(tasks.TRY_SOME)
    costs = State(problem, engine.best).costs()
    assert costs == pytest.approx(optimum(problem), abs=1e-6)
    assert costs == pytest.approx(kernel_optimum(problem), abs=1e-6)


@pytest.mark.parametrize("seed", range(30))
def test_where_placements_are_few_the_best_is_proved(seed: int) -> None:
    problem = random_problem(seed, hosts=4, domains=9)
    found = search(problem, seed=seed)
    assert found.optimal
    assert found.evaluations > 20_000  # a search takes a few thousand, one round of the kernels as many again
    costs = State(problem, found.host).costs()
    assert not improves(np.round(kernel_optimum(problem) - costs, 6))


def test_what_is_added_up_inexactly_hides_no_better_placement() -> None:
    problem = mixed_problem(343)
    costs = State(problem, search(problem).host).costs()
    assert not improves(np.round(kernel_optimum(problem) - costs, 6))


def pinned() -> Problem:
    """One pin: one move of ninety thousand."""
    masks = np.zeros((1, 300), dtype=np.bool_)
    masks[0, 0] = True
    pin = AllowedHosts(masks=masks, mask=np.where(np.arange(300) == 299, 0, -1))
    return Problem(
        hosts=tuple(f"h{h}" for h in range(300)),
        domains=tuple(f"d{d}" for d in range(300)),
        start=np.arange(300),
        terms=(Term(name="pin", primitive=pin),),
    )


def test_what_chance_hardly_meets_is_repaired() -> None:
    problem = pinned()
    for seed in range(3):
        moved = search(problem, seed=seed).host != problem.start
        assert moved.nonzero()[0].tolist() == [299]


def test_when_one_search_has_repaired_all_no_other_goes_on_repairing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are many domains that takes up to half of the time."""
    descents: list[bool] = []
    run = Engine.run

    def watched(engine: Engine, task: int) -> int:
        if task == tasks.DESCEND and engine.told(at.FOCUS) == 1:
            descents.append(True)
        return run(engine, task)

    monkeypatch.setattr(Engine, "run", watched)
    problem = pinned()
    for seed in range(8):
        assert search(problem, seed=seed, effort=1).host[299] == 0
    assert not descents


def test_is_deterministic_for_a_seed() -> None:
    problem = random_problem(3, hosts=8, domains=30)
    first, second = (search(problem, seed=7, effort=1).host for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize("now", [0.5, 0.7])
def test_what_begins_too_late_ends_at_once(now: float) -> None:
    """Repairing, here in vain, may take half of the time."""
    pin = AllowedHosts(masks=np.zeros((1, 2), dtype=np.bool_), mask=np.zeros(60, dtype=np.int64))
    problem = Problem(
        hosts=("h0", "h1"),
        domains=tuple(f"d{d}" for d in range(60)),
        start=np.zeros(60, dtype=np.int64),
        terms=(Term(name="pin", primitive=pin),),
    )
    assert search(problem, effort=10, elapsed=lambda: now).evaluations < 10**6


def test_a_stop_signal_returns_the_best_so_far() -> None:
    problem = random_problem(3, hosts=8, domains=60)
    placement = search(problem, elapsed=lambda: 1.0)
    assert not placement.complete
    assert not improves(State(problem).costs() - State(problem, placement.host).costs())
