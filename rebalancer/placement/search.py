"""The search: annealing from the start, tier by tier, then descent, then taking back; deterministic for a seed and an effort.

What is broken is repaired first and no rule is ever made worse, because costs are compared level by level (see
:mod:`rebalancer.placement.kernels.anneal`). Effort counts tries, so that the result does not depend on the machine nor
on the number of threads; where a time limit would cut the search short, it cools down faster instead.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from rebalancer.placement.engine import Engine, Speed, best_speed
from rebalancer.placement.kernels import entry
from rebalancer.placement.kernels import layout as at
from rebalancer.placement.primitives import FloatArray, IntArray
from rebalancer.placement.problem import Problem
from rebalancer.placement.state import State

__all__ = ["Placement", "search"]

_FEW_PLACEMENTS = 5_000
"""Up to as many, all are tried."""
_SMALL = 2_500
"""Domains times hosts below which a search should end at once even where kernels are interpreted."""
_SLICES = 60
"""Temperatures of one cooling, at least."""
_SLICE = 100_000
"""Tries between two looks at the clock, at most."""
_LARGE = 20_000
"""Domains times hosts from which on there are several searches side by side."""
_SEARCHES = 2
"""How many, each in a thread; it does not depend on the machine, because the result must not."""
_DEFAULT_EFFORT = 5
_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """``host``: int[D]. ``complete``: False where the search was cut short by its time limit. ``optimal``: whether all
    other placements were tried."""

    host: IntArray
    evaluations: int
    complete: bool
    optimal: bool = False


@dataclass(frozen=True, kw_only=True)
class _Cooling:
    """From ``hot`` to ``cold``, both in terms of what a move typically changes. ``homesickness``: what being away costs
    at first and in the end, in terms of the temperature."""

    hot: float
    cold: float
    homesickness: tuple[float, float]
    swaps: float = 0.3
    chains: float = 0.3
    squeezes: float = 0.0


_TO_REPAIR = _Cooling(hot=0.3, cold=0.02, homesickness=(0.0, 0.0), swaps=0.2)
_TO_BETTER = _Cooling(hot=0.1, cold=1e-3, homesickness=(20.0, 2.0))
_WITH_BOTH_ENDS = _Cooling(hot=1.5, cold=3e-3, homesickness=(8.0, 3.0))


class _Search:
    def __init__(self, problem: Problem, seed: int, effort: int, elapsed: Callable[[], float], speed: Speed) -> None:
        first = Engine(problem, seed, speed)
        size = len(problem.domains) * len(problem.hosts)
        number = 1 if size < _LARGE else _SEARCHES
        self.searches = [first, *(first.another(seed + 1_000_003 * index) for index in range(1, number))]
        self.tries = _tries(len(problem.domains), effort, size <= _SMALL)
        self.elapsed = elapsed
        self.threads = ThreadPoolExecutor(number)
        self.problem = problem
        self.broken = float(State(problem).costs()[1]) if first.is_broken else 0.0
        """How far hard rules are broken at the start."""
        self.stopped = False

    def run(self) -> None:
        with self.threads:
            self._phases()

    def _phases(self) -> None:
        if self.searches[0].is_broken:
            self._better(1, 0.0, 0.5)
        tiers = range(2, self.problem.tiers + 1)
        begun = self.elapsed()
        for index, focus in enumerate(tiers):
            span = (1.0 - begun) / len(tiers)
            self._better(focus, begun + index * span, begun + (index + 1) * span)

    def _better(self, focus: int, begin: float, end: float) -> None:
        """Anneals and descends on one level; ``begin``, ``end``: the share of the time that it may take."""
        for each in self.searches:
            each.tell(at.FOCUS, focus)
            each.tell(at.ITERATIONS, max(self.tries // 100, 200))
            each.run(entry.SAMPLE)
        typical = max(each.get(at.TYPICAL) for each in self.searches)
        if typical > 0:
            self._cool(_cooling(self.searches[0], focus), typical, begin, end, focus)
        self._each(self._finish)
        self._meet()

    def _cool(self, cooling: _Cooling, typical: float, begin: float, end: float, focus: int) -> None:
        slices = max(_SLICES, -(-self.tries // _SLICE))
        done = 0.0
        index = 0
        while done < 1.0:
            self._each(lambda each: _anneal(each, cooling, typical, done, self.tries // slices))
            if focus == 1 and any(self.broken + each.best_cost[1] <= _TOLERANCE for each in self.searches):
                return
            index += 1
            passed = self.elapsed()
            if passed >= 1.0:
                self.stopped = True
                return
            done = max(index / slices, (passed - begin) / (0.97 * end - begin))
            if index % (slices // 10) == 0 and done > 0.4:
                self._meet()

    def _finish(self, engine: Engine) -> None:
        engine.run(entry.RESTORE_BEST)
        if engine.told(at.FOCUS) > 1:
            engine.tell(at.ITERATIONS, max(self.tries // 5, 4_000))
            engine.run(entry.DESCEND)
            engine.run(entry.RESTORE_BEST)

    def _each(self, work: Callable[[Engine], object]) -> None:
        if len(self.searches) == 1:
            work(self.searches[0])
            return
        list(self.threads.map(work, self.searches))

    def best(self) -> Engine:
        best = self.searches[0]
        for each in self.searches[1:]:
            if _is_less(each.best_cost, best.best_cost):
                best = each
        return best

    def _meet(self) -> None:
        """All go on from the best of them."""
        now = self.searches[0]
        for each in self.searches[1:]:
            if _is_less(each.cost, now.cost):
                now = each
        for each in self.searches:
            if each is not now:
                each.follow(now)


def search(
    problem: Problem,
    *,
    seed: int = 0,
    effort: int = _DEFAULT_EFFORT,
    elapsed: Callable[[], float] = lambda: 0.0,
    speed: Speed = best_speed,
) -> Placement:
    """The best placement found from ``problem.start``.

    ``effort``: how much work to spend, 1 to 10, each three times as much as the one before. ``elapsed``: how much of
    the time limit has passed, from 0 to 1; at 1 the best so far is returned. ``speed``: which kernels to use.
    """
    if not problem.domains or not problem.hosts:
        return Placement(host=problem.start.copy(), evaluations=0, complete=True, optimal=True)
    if len(problem.hosts) ** min(len(problem.domains), 60) <= _FEW_PLACEMENTS:
        return _exhaustive(problem, speed)
    run = _Search(problem, seed, effort, elapsed, speed)
    run.run()
    best = run.best()
    best.run(entry.RESTORE_BEST)
    best.run(entry.TAKE_BACK)
    return Placement(
        host=best.best, evaluations=sum(each.spent for each in run.searches), complete=not run.stopped
    )


def _exhaustive(problem: Problem, speed: Speed) -> Placement:
    engine = Engine(problem, 0, speed)
    engine.run(entry.TRY_ALL)
    engine.run(entry.RESTORE_BEST)
    engine.run(entry.TAKE_BACK)
    number = len(problem.hosts) ** len(problem.domains)
    return Placement(host=engine.best, evaluations=number, complete=True, optimal=True)


def _tries(domains: int, effort: int, small: bool) -> int:
    """How many moves one search tries on a level."""
    each = 120.0 if small else 1_500.0
    return int(each * max(domains, 20) * 3.0 ** (effort - _DEFAULT_EFFORT)) + 500


def _cooling(engine: Engine, focus: int) -> _Cooling:
    if focus == 1:
        return _TO_REPAIR
    return _WITH_BOTH_ENDS if engine.counts_both_ends else _TO_BETTER


def _anneal(engine: Engine, cooling: _Cooling, typical: float, done: float, tries: int) -> None:
    temperature = typical * cooling.hot * (cooling.cold / cooling.hot) ** done
    first, last = cooling.homesickness
    engine.set(at.TEMPERATURE, temperature)
    engine.set(at.HOMESICKNESS, temperature * first * (last / first) ** done if first > 0 else 0.0)
    engine.set(at.SWAPS, cooling.swaps)
    engine.set(at.CHAINS, cooling.swaps + cooling.chains)
    engine.set(at.SQUEEZES, cooling.swaps + cooling.chains + cooling.squeezes)
    engine.tell(at.ITERATIONS, tries)
    engine.run(entry.ANNEAL)


def _is_less(one: FloatArray, other: FloatArray) -> bool:
    for change in one - other:
        if abs(change) > _TOLERANCE:
            return bool(change < 0)
    return False


