"""How good, how fast and how large searches are. ``make bench``; one table alone: ``-k growth``.

``REBALANCE_ROADEF``: a directory with the instances of the machine reassignment problem, as ``model_a1_1.txt`` and
``assignment_a1_1.txt``. ``REBALANCE_SECONDS``: time limits, as ``10,60``. ``REBALANCE_CASES``: the largest number of
domains, for a short run that leaves the page as it is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rebalancer.placement import State, search
from rebalancer.placement.bounds import score_bound
from rebalancer.placement.state import improves
from tests.benchmarks.charts import line_chart
from tests.benchmarks.figures import SEARCH_PAGE, draw, record
from tests.benchmarks.searching.measure import Measured, measured
from tests.placement.optimum import kernel_optimum
from tests.placement.problems import mixed_problem

MOST = int(os.environ.get("REBALANCE_CASES", 10**9))
SECONDS = tuple(float(limit) for limit in os.environ.get("REBALANCE_SECONDS", "3,10,30,60").split(","))
ROADEF = os.environ.get("REBALANCE_ROADEF")

BEST_KNOWN = {
    "a1_1": 44306501,
    "a1_2": 777532896,
    "a1_3": 583005717,
    "a1_4": 247433844,
    "a1_5": 727578309,
    "a2_1": 167,
    "a2_2": 720671548,
    "a2_3": 1190713414,
    "a2_4": 1680609218,
    "a2_5": 309714522,
}
"""Of set A, collected from the literature."""

GROWTH = (
    (5, 100),
    (15, 300),
    (50, 1_000),
    (100, 2_000),
    (150, 3_000),
    (500, 10_000),
    (2_500, 50_000),
    (5_000, 100_000),
)
CLUSTERS = ((50, 1_000), (200, 5_000), (1_000, 20_000))
EVACUATIONS = ((100, 2_000), (300, 6_000), (1_000, 20_000))
SPEEDS = ((20, 200), (50, 1_000), (1_000, 20_000))

_MIB = 2**20


def seconds(limit: float) -> str:
    return f"{limit:g} s"


def test_machine_reassignment() -> None:
    if ROADEF is None:
        pytest.skip("REBALANCE_ROADEF names no directory with instances")
    rows, gaps = [], list[list[float]]()
    lines = dict[str, list[tuple[float, float]]]()
    for model in sorted(Path(ROADEF).glob("model_*.txt")):
        name = model.stem.removeprefix("model_")
        assignment = model.with_name(f"assignment_{name}.txt")
        found = []
        for limit in SECONDS:
            found.append(measured("roadef", model, assignment, "--time-limit", 0.97 * limit, "--effort", 10))
            if found[0].domains > MOST:
                break
        last = found[-1]
        assert all(each.broken == 0 for each in found)
        known = BEST_KNOWN.get(name)
        if known is not None:
            gap = [(each.after - known) / each.before for each in found]
            gaps.append(gap)
            lines[name] = [(limit, max(100 * share, 0.001)) for limit, share in zip(SECONDS, gap, strict=False)]
        cells = [
            f"{each.after:,.0f}" if known is None else f"{(each.after - known) / each.before:.2%}" for each in found
        ]
        cells += [""] * (len(SECONDS) - len(cells))
        size = f"{last.hosts:,} / {last.domains:,}"
        rows.append([name, size, *cells, f"{last.rate / 1e6:.1f} M", f"{last.memory / _MIB:.0f} MiB"])
    if gaps and all(len(each) == len(SECONDS) for each in gaps):
        columns = list(zip(*gaps, strict=True))
        rows.append(["mean", "", *(f"{sum(column) / len(column):.2%}" for column in columns), "", ""])
        rows.append(["worst", "", *(f"{max(column):.2%}" for column in columns), "", ""])
    head = ["instance", "machines / processes", *map(seconds, SECONDS), "moves tried a CPU second", "memory"]
    record("roadef", head, rows, page=SEARCH_PAGE)
    if lines:
        axes = {"x": "time limit, seconds", "y": "(cost − best known) / initial cost, %"}
        draw("search-roadef", line_chart(lines, title="Machine reassignment, set A", **axes))


def test_balance_over_time() -> None:
    rows, lines = [], {}
    for hosts, domains in (size for size in CLUSTERS if size[1] <= MOST):
        found = [measured("balance", hosts, domains, "--time-limit", limit, "--effort", 10) for limit in SECONDS]
        assert all(each.broken == 0 for each in found)
        cells = [f"{each.after:.3f}" for each in found]
        name = f"{hosts:,} / {domains:,}"
        rows.append([name, f"{found[0].before:.1f}", *cells, f"{found[-1].bound:.3f}", found[-1].moved])
        lines[name] = [(limit, each.after / each.before) for limit, each in zip(SECONDS, found, strict=True)]
    head = ["hosts / domains", "before", *map(seconds, SECONDS), "no less than", "moves"]
    record("balance", head, rows, page=SEARCH_PAGE)
    axes = {"x": "time limit, seconds", "y": "score after / before"}
    draw("search-balance", line_chart(lines, title="Balancing memory and CPU", **axes))


def test_growth_with_domains() -> None:
    """The page is rewritten after each size: the largest take long."""
    found: list[Measured] = []
    for size in (size for size in GROWTH if size[1] <= MOST):
        found.append(measured("balance", *size))
        assert found[-1].broken == 0
        _record_growth(found)


def _record_growth(found: Sequence[Measured]) -> None:
    rows = [
        [
            f"{each.hosts:,} / {each.domains:,}",
            f"{each.compiling:.2f} s",
            f"{each.searching:.2f} s",
            f"{1e3 * (each.compiling + each.searching) / each.domains:.2f} ms",
            f"{each.rate / 1e6:.1f} M",
            f"{each.memory / _MIB:.0f} MiB",
            f"{each.before:.1f} → {each.after:.2f}",
            f"{each.bound:.2f}",
            f"{each.moved:,}",
        ]
        for each in found
    ]
    head = [
        "hosts / domains",
        "compiling the policy",
        "search",
        "a domain",
        "moves tried a second",
        "memory",
        "score",
        "no less than",
        "moves",
    ]
    record("growth", head, rows, page=SEARCH_PAGE)
    took = {"all": [(each.domains, each.compiling + each.searching) for each in found]}
    took["search"] = [(each.domains, each.searching) for each in found]
    memory = {"memory": [(each.domains, each.memory / _MIB) for each in found]}
    draw("search-growth", line_chart(took, title="Growth with domains", x="domains", y="CPU seconds"))
    draw("search-memory", line_chart(memory, title="Memory of the process", x="domains", y="MiB"))


def test_moves_a_second() -> None:
    rows = []
    for hosts, domains in (size for size in SPEEDS if size[1] <= MOST):
        fast = measured("balance", hosts, domains, "--effort", 3)
        slow = measured("balance", hosts, domains, "--effort", 1, "--interpreted")
        rows.append([f"{hosts:,} / {domains:,}", _rate(fast), _rate(slow), f"{fast.rate / slow.rate:,.0f}"])
    head = ["hosts / domains", "compiled", "interpreted", "times as many"]
    record("speeds", head, rows, page=SEARCH_PAGE)


def test_evacuations_for_which_others_step_aside() -> None:
    rows = []
    for hosts, domains in (size for size in EVACUATIONS if size[1] <= MOST):
        found = measured("evacuate", hosts, domains)
        leave = 4 * max(round(0.05 * hosts), 1)
        left = f"{found.broken:.0f}"
        rows.append([f"{hosts:,} / {domains:,}", leave, found.moved - leave, left, f"{found.searching:.1f} s"])
    head = ["hosts / domains", "have to leave", "step aside", "do not leave", "CPU"]
    record("evacuations", head, rows, page=SEARCH_PAGE)
    assert all(row[3] == "0" for row in rows)


def test_small_problems_are_solved() -> None:
    number = min(500, MOST)
    best, proved, above, gaps = 0, 0, 0, []
    for problem in map(mixed_problem, range(number)):
        least = kernel_optimum(problem)
        found = State(problem, search(problem).host).costs()
        best += not improves(np.round(least - found, 6))
        score, bound = float(least[2:].sum()), score_bound(problem, holds=bool(least[1] <= 1e-9))
        above += bound > score
        proved += bound > score - 1e-6 * max(score, 1.0)
        gaps.append(1 - bound / score if score > 0 else 0.0)
    rows = [
        ["problems", f"{number}", "500"],
        ["the best of all placements is found", f"{best / number:.1%}", "≥ 98%"],
        ["the bound is above it", above, "0"],
        ["the bound is as high", f"{proved / number:.1%}", ""],
        ["the bound is below it by, mean", f"{sum(gaps) / number:.0%}", ""],
    ]
    record("optimum", ["", "measured", "target"], rows, page=SEARCH_PAGE)
    assert best >= 0.98 * number
    assert not above


def _rate(each: Measured) -> str:
    return f"{each.rate:,.0f}"
