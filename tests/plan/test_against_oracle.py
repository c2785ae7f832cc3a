"""Plans against exhaustive search, bounds and plain policies: a sample of what ``make bench`` measures."""

from __future__ import annotations

from random import Random

import pytest

from rebalancer.plan.schedule import schedule
from tests.benchmarks.planning import plain, ucc15, uplinks
from tests.benchmarks.planning.bound import makespan, makespan_bound
from tests.benchmarks.planning.small import CASES, case, compare, random_instance, summarise


@pytest.mark.parametrize("name", CASES)
def test_no_case_has_a_better_plan(name: str) -> None:
    found = compare(case(name))
    assert found is not None
    assert (found.moves, found.makespan) == (found.fewest, found.shortest)
    assert found.fewest == CASES[name][2]


def test_small_instances_are_planned_nearly_as_well_as_is_possible() -> None:
    found = [compare(random_instance(Random(f"sample {number}"))) for number in range(60)]
    summary = summarise(each for each in found if each is not None)
    assert summary.feasible > 50
    assert summary.impossible_plans == 0
    assert summary.fewest_moves >= 0.95
    assert summary.longer <= 0.03


def test_decommissioning_comes_close_to_its_bound() -> None:
    moves = ucc15.moves_of(ucc15.INSTANCES[0])
    assert makespan(schedule(moves)) <= 1.03 * makespan_bound(moves)


@pytest.mark.parametrize("number", range(3))
def test_no_plan_is_shorter_than_its_bound(number: int) -> None:
    moves = uplinks.random_moves(Random(f"sample {number}"), most=30)
    assert makespan_bound(moves) <= makespan(schedule(moves)) * (1 + 1e-6)
    assert min(plain.makespan(moves, limit) for limit in plain.POLICIES.values()) >= makespan_bound(moves) * (1 - 1e-6)
