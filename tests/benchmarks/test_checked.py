"""Random plans judged by the checker. ``make bench``; ``tests/checker/test_random_plans.py`` is a sample."""

from __future__ import annotations

import os
from collections import Counter
from random import Random

from rebalancer.checker import check_steps
from rebalancer.plan.schedule import StuckMovesError, schedule
from tests.benchmarks.figures import record
from tests.checker.worlds import random_moves, situation_of

PLANS = int(os.environ.get("REBALANCE_CASES", "20000"))


def test_no_plan_breaks_an_invariant() -> None:
    planned, steps, clusters = 0, 0, 0
    broken: Counter[str] = Counter()
    while planned < PLANS:
        clusters += 1
        moves = random_moves(Random(f"checked {clusters}"))
        try:
            found = schedule(moves)
        except StuckMovesError:
            continue
        planned += 1
        steps += len(found)
        violations = {v.invariant for v in check_steps(found, situation_of(moves), seed=clusters)}
        if violations:
            print(f"cluster {clusters}: {', '.join(sorted(violations))}")
        broken.update(violations)
    rows = [
        ["random clusters", f"{clusters:,}"],
        ["plans (clusters without one left out)", f"{planned:,}"],
        ["steps", f"{steps:,}"],
        ["times each was run", "4"],
        ["plans that break an invariant", ", ".join(f"{n} ({name})" for name, n in broken.items()) or "0"],
    ]
    record("checked", ["", "measured"], rows)
    assert not broken
