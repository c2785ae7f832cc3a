"""The planner's plans for random clusters hold whatever the migrations take; ``make bench`` judges 20,000 of them."""

from __future__ import annotations

import os
from random import Random

import pytest

from rebalancer.checker import check_steps
from rebalancer.plan.schedule import StuckMovesError, schedule
from tests.checker.worlds import random_moves, situation_of

CASES = int(os.environ.get("REBALANCE_CASES", "300"))
_BLOCK = 50


@pytest.mark.parametrize("first", range(0, CASES, _BLOCK))
def test_no_invariant_is_broken(first: int) -> None:
    planned = 0
    for number in range(first, first + _BLOCK):
        moves = random_moves(Random(f"sound {number}"))
        try:
            steps = schedule(moves)
        except StuckMovesError:
            continue
        planned += 1
        found = check_steps(steps, situation_of(moves), seed=number)
        assert not found, f"case {number}: {'; '.join(map(str, found))}"
    assert planned > _BLOCK / 2
