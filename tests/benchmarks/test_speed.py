"""How long it takes to order many moves, in seconds of the processor. ``make bench``."""

from __future__ import annotations

import os
import time

import pytest

from rebalancer.plan.schedule import schedule
from tests.benchmarks.figures import record
from tests.benchmarks.planning.bound import makespan, makespan_bound
from tests.benchmarks.planning.many import many_moves

SIZES = (1_000, 3_000, 10_000, 30_000)
TARGETS = {1_000: "< 1 s", 10_000: "< 20 s"}

_ROWS: list[list[object]] = []


@pytest.mark.parametrize("number", SIZES)
def test_many_moves_are_ordered(number: int) -> None:
    if number > int(os.environ.get("REBALANCE_CASES", number)):
        pytest.skip("REBALANCE_CASES says that fewer will do")
    moves = many_moves(number)
    start = time.process_time()
    steps = schedule(moves)
    took = time.process_time() - start
    assert len(steps) >= number
    gap = makespan(steps) / makespan_bound(moves) - 1
    target = TARGETS.get(number, "")
    _ROWS.append(
        [f"{number:,}", f"{number // 5:,}", f"{took:.2f} s", f"{1e3 * took / number:.2f} ms", f"{gap:.1%}", target]
    )
    record("speed", ["moves", "hosts", "planned in", "a move", "over the bound", "target"], _ROWS)
