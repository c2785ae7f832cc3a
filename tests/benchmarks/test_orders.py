"""How good plans are: against exhaustive search, bounds and plain policies. ``make bench``."""

from __future__ import annotations

import os
from random import Random

from rebalancer.plan.schedule import schedule
from tests.benchmarks.figures import record
from tests.benchmarks.planning import plain, ucc15, uplinks
from tests.benchmarks.planning.bound import makespan, makespan_bound
from tests.benchmarks.planning.small import CASES, case, compare, random_instance, summarise


def cases(number: int) -> int:
    return min(number, int(os.environ.get("REBALANCE_CASES", number)))


def test_cases_are_planned_as_well_as_is_possible() -> None:
    rows = []
    for name in CASES:
        found = compare(case(name))
        assert found is not None
        assert (found.moves, found.makespan) == (found.fewest, found.shortest), name
        rows.append([name, found.moves, found.fewest, f"{found.makespan:.1f} s", f"{found.shortest:.1f} s"])
    record("cases", ["case", "moves", "fewest", "makespan", "shortest"], rows)


def test_small_instances_are_planned_nearly_as_well_as_is_possible() -> None:
    found = [compare(random_instance(Random(f"small {number}"))) for number in range(cases(2000))]
    summary = summarise(each for each in found if each is not None)
    too_large = sum(each is None for each in found)
    record(
        "small",
        ["", "measured", "target"],
        [
            ["instances (feasible; too large to search)", f"{len(found)} ({summary.feasible}; {too_large})", "2,000"],
            ["feasible, but no plan found", summary.called_infeasible, "0"],
            ["planned, but not feasible", summary.impossible_plans, "0"],
            ["planned with the fewest moves", f"{summary.fewest_moves:.2%}", "≥ 99%"],
            ["makespan over the shortest, mean", f"{summary.longer:.2%} ({summary.proved} proved)", "≤ 2%"],
        ],
    )
    assert summary.impossible_plans == summary.called_infeasible == 0
    assert summary.fewest_moves >= 0.99
    assert summary.longer <= 0.02


def test_decommissioning_comes_close_to_its_bound() -> None:
    rows, gaps = [], []
    for instance in ucc15.INSTANCES:
        moves = ucc15.moves_of(instance)
        took, least = makespan(schedule(moves)), makespan_bound(moves)
        gaps.append((took / least - 1, instance.most_gap))
        rows.append(
            [
                f"{instance.domains} domains, {instance.leave} to {instance.stay} hosts, {instance.uplink} Gbit/s",
                f"{took:.1f} s",
                f"{least:.1f} s",
                f"{took / least - 1:.2%}",
                f"≤ {instance.most_gap:.0%}",
            ]
        )
    record("ucc15", ["instance", "makespan", "bound", "gap", "target"], rows)
    for gap, most in gaps:
        assert gap <= most + 0.001


def test_plans_are_shorter_than_plain_policies_take() -> None:
    took: list[float] = []
    bounds: list[float] = []
    plainly: dict[str, list[float]] = {name: [] for name in plain.POLICIES}
    for number in range(cases(200)):
        moves = uplinks.random_moves(Random(f"uplinks {number}"))
        took.append(makespan(schedule(moves)))
        bounds.append(makespan_bound(moves))
        for name, limit in plain.POLICIES.items():
            plainly[name].append(plain.makespan(moves, limit))
    plainly["the best of these"] = [min(values) for values in zip(*plainly.values(), strict=True)]
    rows = []
    for name, values in plainly.items():
        shorter = [1 - ours / theirs for ours, theirs in zip(took, values, strict=True)]
        longer = sum(each < -1e-6 for each in shorter)
        rows.append([name, f"{sum(shorter) / len(shorter):.1%}", f"{min(shorter):.1%}", longer])
    over = sum(ours / least - 1 for ours, least in zip(took, bounds, strict=True)) / len(took)
    rows.append(["(over the bound)", f"{over:.1%}", "", ""])
    record("plain", ["against", "shorter by, mean", "at worst", "clusters with a longer plan"], rows)
    best = [1 - ours / theirs for ours, theirs in zip(took, plainly["the best of these"], strict=True)]
    assert sum(best) / len(best) >= 0.28
    assert min(best) >= -1e-6
