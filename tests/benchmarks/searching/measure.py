"""One search in a process of its own, so that its memory can be told: prints a line of JSON.

python -m tests.benchmarks.searching.measure balance HOSTS DOMAINS [--time-limit 60] [--effort 5]
python -m tests.benchmarks.searching.measure roadef MODEL ASSIGNMENT …
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rebalancer.placement.bounds import score_bound
from rebalancer.placement.engine import best_speed, interpreted_only
from rebalancer.placement.problem import Problem
from rebalancer.placement.search import search
from rebalancer.placement.state import State
from rebalancer.policy import compile_problem
from tests.benchmarks import roadef
from tests.benchmarks.searching.clusters import BALANCE, EVACUATE, crowded, policy, skewed

__all__ = ["Measured", "measure", "measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """``compiling``, ``searching``: CPU seconds of compiling the policy and of the search, all threads. ``wall``: what
    both took. ``memory``: the most that the process had, bytes. ``before``, ``after``, ``bound``: scores."""

    hosts: int
    domains: int
    compiling: float
    searching: float
    wall: float
    evaluations: int
    before: float
    after: float
    bound: float
    broken: float
    moved: int
    memory: int

    @property
    def rate(self) -> float:
        """Moves that are tried in a second of CPU."""
        return self.evaluations / max(self.searching, 1e-9)


def measured(*arguments: object) -> Measured:
    """:func:`measure` in a process of its own."""
    command = [sys.executable, "-m", __name__, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Measured(**json.loads(done.stdout))


def measure(arguments: Sequence[str]) -> Measured:
    parser = argparse.ArgumentParser(prog="measure", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=["balance", "evacuate", "roadef"])
    parser.add_argument("of", nargs=2, help="hosts and domains, or the two files of an instance")
    parser.add_argument("--time-limit", type=float, metavar="S", help="seconds, compiling the policy included")
    parser.add_argument("--effort", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--interpreted", action="store_true", help="without Numba")
    given = parser.parse_args(arguments)

    begun = time.monotonic()
    cpu = time.process_time()
    problem = _problem(given.kind, *given.of)
    compiling = time.process_time() - cpu
    limit = given.time_limit or float("inf")
    found = search(
        problem,
        seed=given.seed,
        effort=given.effort,
        elapsed=lambda: (time.monotonic() - begun) / limit,
        speed=interpreted_only if given.interpreted else best_speed,
    )
    searching = time.process_time() - cpu - compiling
    wall = time.monotonic() - begun
    before, after = State(problem).costs(), State(problem, found.host).costs()
    return Measured(
        hosts=len(problem.hosts),
        domains=len(problem.domains),
        compiling=compiling,
        searching=searching,
        wall=wall,
        evaluations=found.evaluations,
        before=float(before[2:].sum()),
        after=float(after[2:].sum()),
        bound=score_bound(problem, holds=bool(after[1] <= 1e-9)),
        broken=float(after[:2].sum()),
        moved=int(np.count_nonzero(found.host != problem.start)),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def _problem(kind: str, first: str, second: str) -> Problem:
    if kind == "roadef":
        instance = roadef.read_model(Path(first).read_text())
        assignment = roadef.read_assignment(Path(second).read_text())
        return roadef.compiled(instance, assignment).problem
    if kind == "evacuate":
        return compile_problem(policy(EVACUATE), crowded(int(first), int(second))).problem
    return compile_problem(policy(BALANCE), skewed(int(first), int(second))).problem


if __name__ == "__main__":
    print(json.dumps(asdict(measure(sys.argv[1:]))))
