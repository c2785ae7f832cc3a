"""The search: annealing from the start, tier by tier; then descent, for small problems what can be gone through
(:mod:`rebalancer.placement.together`), and taking back. Of placements that cost the same, the one for which least is
sent is kept (:mod:`rebalancer.placement.kernels.best`).

How hot annealing should begin, and how hard domains should be pulled home, depends on what the goals are like: two ways
are tried, one near home and one far from it, and the better one goes on.

Deterministic for a seed and an effort; interpreted kernels look at less where that would take long, and it is said.

What is broken is repaired first and no rule is ever made worse, because costs are compared level by level (see
:mod:`rebalancer.placement.kernels.anneal`). Effort counts tries, so that the result does not depend on the machine nor
on the number of threads; where a time limit would cut the search short, it cools down faster instead.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from rebalancer.placement.engine import Engine, Speed, best_speed, is_less
from rebalancer.placement.kernels import entry
from rebalancer.placement.kernels import layout as at
from rebalancer.placement.kernels.moves import TOLERANCE
from rebalancer.placement.primitives import IntArray
from rebalancer.placement.problem import Problem
from rebalancer.placement.state import State
from rebalancer.placement.together import better_together, try_every

__all__ = ["Placement", "search"]

_FEW_PLACEMENTS = 5_000
"""Up to as many, all are tried."""
_SMALL = 2_500
"""Domains times hosts below which a search should end at once even where kernels are interpreted."""
_SLICES = 60
"""Temperatures of one cooling, at least."""
_SLICE = 100_000
"""Tries between two looks at the clock, at most."""
_LOOKS = 1_000_000
"""The same for a descent."""
_SAMPLES = 50_000
"""Moves looked at to see what one typically changes, at most."""
_TRIAL = 0.2
"""Of the tries of the default effort: the share of each of the two coolings of which the better one goes on."""
_LEAST_TRIALS = 4
"""With fewer tries than that many trials there are none."""
_LONGEST_TRIAL = 0.25
"""Nor are there where one of them would take a larger share of the time."""
_LONG_TRIAL = 0.06
"""The share of the tries, or of the time, for each trial of a long search: which way is better may show late."""
_FIRST_MEETING = 0.4
"""From how much of a cooling on the searches go on from the best of them, every tenth of it."""
_COMPILED_IS_FASTER = 50
"""How much less is tried where kernels are interpreted that should be compiled."""
_LARGE = 20_000
"""Domains times hosts from which on there are several searches side by side."""
_SEARCHES = 2
"""How many, each in a thread; it does not depend on the machine, because the result must not."""
_DEFAULT_EFFORT = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """``host``: int[D]. ``complete``: False where the search was cut short by its time limit. ``optimal``: whether all
    other placements were tried. ``reduced``: whether it looked at less than its effort says, because kernels are
    interpreted where they should be compiled."""

    host: IntArray
    evaluations: int
    complete: bool
    optimal: bool = False
    reduced: bool = False


_Course: TypeAlias = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class _Cooling:
    """``course``: how much of the cooling is done, and the temperature then, in terms of what a move typically changes;
    evenly in its logarithm between two such points. ``homesickness``: what being away costs at first and in the end, in
    terms of the temperature."""

    course: _Course
    homesickness: tuple[float, float]
    swaps: float = 0.3
    chains: float = 0.3
    squeezes: float = 0.002
    clearances: float = 0.0
    bias: float = 0.5
    """The share of tries that pick a domain by its size: large ones rarely fit, and small ones are many."""
    alike: float = 0.5
    """The share of swaps that are between domains of about the same size."""

    def temperature(self, done: float) -> float:
        """In terms of what a move typically changes."""
        shares, temperatures = zip(*self.course, strict=True)
        return float(np.exp(np.interp(done, shares, np.log(temperatures))))


_TO_REPAIR = _Cooling(course=((0.0, 0.3), (1.0, 0.02)), homesickness=(0.0, 0.0), swaps=0.2)
_TO_BETTER = _Cooling(course=((0.0, 0.1), (1.0, 1e-3)), homesickness=(20.0, 2.0))
_TO_EVEN_OUT = _Cooling(course=((0.0, 0.03), (1.0, 5e-5)), homesickness=(50.0, 8.0), swaps=0.5, bias=0.8, alike=0.8)
"""Where any change of place helps a little, few domains that are chosen well do as much as many."""
_TO_FREE_HOSTS = _Cooling(course=((0.0, 0.1), (1.0, 1e-3)), homesickness=(1.0, 0.3), clearances=0.01)
_FAR = ((0.0, 3.0), (0.05, 1.5), (0.6, 0.35), (0.88, 0.05), (1.0, 3e-3))
"""Where large domains go is decided at temperatures of about what a move typically changes, and what is wrong then is
not put right later: slow there, fast before and after. Seen of large problems; small ones keep an even course."""
_FAR_AND_SMALL = ((0.0, 3.0), (1.0, 3e-3))
_WITH_BOTH_ENDS = _Cooling(course=((0.0, 1.5), (1.0, 3e-3)), homesickness=(8.0, 3.0))


class _Search:
    def __init__(self, problem: Problem, seed: int, effort: int, elapsed: Callable[[], float], speed: Speed) -> None:
        first = Engine(problem, seed, speed)
        size = len(problem.domains) * len(problem.hosts)
        number = 1 if size < _LARGE else _SEARCHES
        self.searches = [first, *(first.another(seed + 1_000_003 * index) for index in range(1, number))]
        self.reduced = first.compiled is None and size > _SMALL
        self.tries = _tries(len(problem.domains), effort, size <= _SMALL)
        self.trial = int(_TRIAL * _tries(len(problem.domains), _DEFAULT_EFFORT, size <= _SMALL))
        if self.reduced:
            self.tries //= _COMPILED_IS_FASTER
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
            each.tell(at.ITERATIONS, min(max(self.tries // 100, 200), _SAMPLES))
            each.run(entry.SAMPLE)
        typical = max(each.get(at.TYPICAL) for each in self.searches)
        if focus == 1 and typical <= 0:
            typical = 1.0  # what repairs is too rare to be met by chance alone
        near = _cooling(self.searches[0], focus)
        far = _far(near, _FAR if len(self.searches) > 1 else _FAR_AND_SMALL)
        if typical <= 0 or far is None or self.tries < _LEAST_TRIALS * self.trial:
            self._cool(near, self.tries, typical, begin, end, focus)
            return
        if self.problem.max_moves is not None:  # far from home nothing is to be had
            self._cool(near, self.tries - 2 * self.trial, typical, begin, end, focus)
            return
        self._each(partial(_anneal, cooling=near, typical=typical, done=0.0, tries=self.trial // _SLICES))
        passed = self.elapsed()
        trial = self._trial_tries((passed - begin) * _SLICES, end - begin)
        if trial == 0:
            self._cool(near, self.tries, typical, passed, end, focus)
            return
        self._cool(near, trial, typical, passed, end, focus)
        found = self.best().best_rank
        self._cool(far, trial, typical, self.elapsed(), end, focus)
        better = far if is_less(self.best().best_rank, found) else near
        self._cool(better, self.tries - 2 * trial, typical, self.elapsed(), end, focus)

    def _trial_tries(self, takes: float, span: float) -> int:
        """Of each of the two trials; 0: there is no time for them. ``takes``: how long the shortest one takes, of
        ``span``, which is all the time that there is."""
        if takes > _LONGEST_TRIAL * span:
            return 0
        longest = min(self.tries, self.trial * span / takes if takes > 0 else self.tries)
        return max(self.trial, int(_LONG_TRIAL * longest))

    def _cool(self, cooling: _Cooling, tries: int, typical: float, begin: float, end: float, focus: int) -> None:
        slices = max(_SLICES, -(-tries // _SLICE))
        done, meeting = 0.0 if typical > 0 and not self.stopped else 1.0, _FIRST_MEETING
        index = 0
        while done < 1.0:
            self._each(partial(_anneal, cooling=cooling, typical=typical, done=done, tries=tries // slices))
            if focus == 1 and any(self.broken + each.best_cost[1] <= TOLERANCE for each in self.searches):
                break
            index += 1
            passed = self.elapsed()
            if passed >= 1.0:
                self.stopped = True
                break
            done = max(index / slices, (passed - begin) / (0.97 * (end - begin)))
            if done >= meeting:
                self._meet()
                meeting += 0.1
        self._each(self._finish)
        self._meet()

    def _finish(self, engine: Engine) -> None:
        engine.run(entry.RESTORE_BEST)
        if engine.told(at.FOCUS) > 1 or self.broken + engine.best_cost[1] > TOLERANCE:
            self._descend(engine)
            engine.run(entry.RESTORE_BEST)

    def _descend(self, engine: Engine) -> None:
        """To where no single move gains, as far as the effort and the time limit go."""
        engine.tell(at.IDLE, 0)
        left = max(self.tries // 5, 4_000)
        while left > 0 and self.elapsed() < 1.0:
            looks = min(left, _LOOKS)
            engine.tell(at.ITERATIONS, looks)
            if engine.run(entry.DESCEND):
                return
            left -= looks

    def _each(self, work: Callable[[Engine], object]) -> None:
        if len(self.searches) == 1:
            work(self.searches[0])
            return
        list(self.threads.map(work, self.searches))

    def best(self) -> Engine:
        best = self.searches[0]
        for each in self.searches[1:]:
            if is_less(each.best_rank, best.best_rank):
                best = each
        return best

    def _meet(self) -> None:
        """All go on from the best of them."""
        now = self.searches[0]
        for each in self.searches[1:]:
            if is_less(each.rank, now.rank):
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

    ``effort``: how much work to spend, 1 to 10: from 5 on each three times as much as the one before, below twice.
    ``elapsed``: how much of the time limit has passed, from 0 to 1; at 1 the best so far is returned. ``speed``: which
    kernels to use.
    """
    if not problem.domains or not problem.hosts:
        return Placement(host=problem.start.copy(), evaluations=0, complete=True, optimal=True)
    if len(problem.hosts) ** min(len(problem.domains), 60) <= _FEW_PLACEMENTS:
        return _exhaustive(problem, speed)
    run = _Search(problem, seed, effort, elapsed, speed)
    run.run()
    best = run.best()
    every = try_every(best, len(problem.hosts), elapsed)
    whole = every or better_together(best, len(problem.hosts), seed, elapsed)
    _take_back(best, elapsed)
    return Placement(
        host=best.best,
        evaluations=sum(each.spent for each in run.searches),
        complete=every or not run.stopped,
        optimal=every,
        reduced=run.reduced or not whole,
    )


def _exhaustive(problem: Problem, speed: Speed) -> Placement:
    engine = Engine(problem, 0, speed)
    engine.run(entry.TRY_ALL)
    _take_back(engine, lambda: 0.0)
    number = len(problem.hosts) ** len(problem.domains)
    return Placement(host=engine.best, evaluations=number, complete=True, optimal=True)


def _take_back(engine: Engine, elapsed: Callable[[], float]) -> None:
    """Leaves out of the best placement what gains nothing: moves, and those in whose stead others do that send less."""
    engine.run(entry.RESTORE_BEST)
    engine.run(entry.TAKE_BACK)
    engine.tell(at.IDLE, 0)
    engine.tell(at.ITERATIONS, _LOOKS)
    while elapsed() < 1.0 and not engine.run(entry.TRADE_PLACES):
        pass


def _tries(domains: int, effort: int, small: bool) -> int:
    """How many moves one search tries on a level."""
    each = 120.0 if small else 1_500.0
    factor = 3.0 if effort > _DEFAULT_EFFORT else 2.0
    return int(each * max(domains, 20) * factor ** (effort - _DEFAULT_EFFORT)) + 500


def _cooling(engine: Engine, focus: int) -> _Cooling:
    if focus == 1:
        return _TO_REPAIR
    if engine.frees_hosts:
        return _TO_FREE_HOSTS
    if engine.counts_both_ends:
        return _WITH_BOTH_ENDS
    return _TO_EVEN_OUT if engine.evens_out else _TO_BETTER


def _far(near: _Cooling, course: _Course) -> _Cooling | None:
    """What may be better: to begin where most of what moves gain is lost again, with less of a pull home."""
    if near in (_TO_REPAIR, _TO_FREE_HOSTS):
        return None
    home, swaps = ((4.0, 2.0), 0.2) if near is _WITH_BOTH_ENDS else ((0.0, 0.0), 0.4)
    return replace(near, course=course, homesickness=home, swaps=swaps, bias=0.8, alike=0.8)


def _anneal(engine: Engine, cooling: _Cooling, typical: float, done: float, tries: int) -> None:
    temperature = typical * cooling.temperature(done)
    first, last = cooling.homesickness
    engine.set(at.TEMPERATURE, temperature)
    engine.set(at.HOMESICKNESS, temperature * first * (last / first) ** done if first > 0 else 0.0)
    engine.set(at.SWAPS, cooling.swaps)
    engine.set(at.CHAINS, cooling.swaps + cooling.chains)
    engine.set(at.SQUEEZES, cooling.swaps + cooling.chains + cooling.squeezes)
    engine.set(at.CLEARANCES, cooling.swaps + cooling.chains + cooling.squeezes + cooling.clearances)
    engine.set(at.BIAS, cooling.bias)
    engine.set(at.ALIKE, cooling.alike)
    engine.tell(at.ITERATIONS, tries)
    engine.run(entry.ANNEAL)
