from __future__ import annotations

import numpy as np
import pytest

from rebalancer.placement.state import State, improves
from tests.placement.problems import random_problem, reference_costs


@pytest.mark.parametrize("seed", range(150))
def test_costs_and_changes_agree_with_the_definitions(seed: int) -> None:
    problem = random_problem(seed)
    random = np.random.default_rng(seed)
    state = State(problem)
    for _ in range(6):
        assert state.costs() == pytest.approx(reference_costs(problem, state.placement), abs=1e-6)
        domain = int(random.integers(len(problem.domains)))
        change, before = state.shifts(domain), state.costs()
        for host in range(len(problem.hosts)):
            placement = state.placement.copy()
            placement[domain] = host
            expected = np.array(reference_costs(problem, placement)) - before
            assert change[:, host] == pytest.approx(expected, abs=1e-6), (problem.terms, host)
        state.apply(domain, int(random.integers(len(problem.hosts))))


def test_restore_leads_back() -> None:
    problem = random_problem(1)
    state = State(problem)
    before = state.costs()
    for domain in range(len(problem.domains)):
        state.apply(domain, 0)
    state.restore(problem.start)
    assert state.costs() == pytest.approx(before, abs=1e-9)
    assert state.moved == 0


def test_a_higher_level_decides() -> None:
    assert improves(np.array([0.0, -1.0, 5.0]))
    assert not improves(np.array([0.0, 1.0, -5.0]))
    assert not improves(np.array([0.0, 0.0]))
