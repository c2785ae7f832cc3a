"""The search: annealing from the start, tier by tier; then descent, for small problems what can be gone through
(:mod:`rebalancer.placement.together`), and taking back. Of placements that cost the same, the one for which least is
sent is kept (:mod:`rebalancer.placement.kernels.best`).

How hot annealing should begin, and how hard domains should be pulled home, depends on what the goals are like and on
what there is to gain: ways between near home and far from it are tried, and the best one goes on.

Deterministic for a seed and an effort; interpreted kernels look at less where that would take long, and it is said.

What is broken is repaired first and no rule is ever made worse, because costs are compared level by level (see
:mod:`rebalancer.placement.kernels.anneal`). Effort counts tries, so that the result does not depend on the machine nor
on the number of threads; where a time limit would cut the search short, it cools down faster instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from rebalancer.placement.engine import Engine, Speed, best_speed, is_less
from rebalancer.placement.kernels import layout as at
from rebalancer.placement.kernels import tasks
from rebalancer.placement.kernels.types import TOLERANCE
from rebalancer.placement.primitives import IntArray
from rebalancer.placement.problem import Problem
from rebalancer.placement.state import State
from rebalancer.placement.together import better_together, try_every
from rebalancer.values import dataclass

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
_TRIAL = 0.15
"""Of the tries of the default effort: the share of each of the coolings of which the best one goes on."""
_LEAST_TRIALS = 2
"""With fewer tries than that many trials of each there are none."""
_LONGEST_TRIAL = 0.06
"""The largest share of the time for each; where it is too little for a tenth of a trial, there are none."""
_LONG_TRIAL = 0.06
"""The share of the tries, or of the time, for each trial of a long search: which way is better may show late."""
_PATIENT = 4_000
"""From how many tries for each domain on the hottest way is best where moves take up room on both hosts; a trial does
not show it, as the others are ahead for most of the time."""
_LIMITED = 0.5
"""The share of all tries where the number of moves is limited: there is less to be found."""
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
    again: float = 0.0
    """The share of tries that are about a domain that has moved already: where few do, it matters most which."""

    def temperature(self, done: float) -> float:
        """In terms of what a move typically changes."""
        shares, temperatures = zip(*self.course, strict=True)
        return float(np.exp(np.interp(done, shares, np.log(temperatures))))


_TO_REPAIR = _Cooling(course=((0.0, 0.3), (1.0, 0.02)), homesickness=(0.0, 0.0), swaps=0.2)
_TO_BETTER = _Cooling(course=((0.0, 0.1), (1.0, 1e-3)), homesickness=(20.0, 2.0))
_TO_EVEN_OUT = _Cooling(
    course=((0.0, 0.3), (1.0, 1e-4)), homesickness=(10.0, 2.0), swaps=0.5, bias=0.8, alike=0.8, again=0.3
)
"""Where any change of place helps a little, few domains that are chosen well do as much as many."""
_TO_EVEN_OUT_FURTHER = replace(_TO_EVEN_OUT, course=((0.0, 1.0), (1.0, 1e-3)), homesickness=(2.0, 1.0), again=0.5)
"""Where hosts can be made much more alike by a few more."""
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
        self.tried = 0

    def run(self) -> None:
        with self.threads:
            self._phases()

    def _phases(self) -> None:
        if self.searches[0].is_broken:
            self._better(1, 0.0, 0.5)
            if not self.searches[0].frees_hosts:  # measured: from home it ends up to 0.2% worse
                self._begin_at_home()
        tiers = range(2, self.problem.tiers + 1)
        begun = self.elapsed()
        for index, focus in enumerate(tiers):
            span = (1.0 - begun) / len(tiers)
            self._better(focus, begun + index * span, begun + (index + 1) * span)

    def _begin_at_home(self) -> None:
        """Takes back what repairs nothing: where nothing is left to repair, whatever is nicer has been moved."""
        best = self.best()
        best.run(tasks.RESTORE_BEST)
        best.run(tasks.TAKE_BACK)
        self._follow(best)

    def _better(self, focus: int, begin: float, end: float) -> None:
        """Anneals and descends on one level; ``begin``, ``end``: the share of the time that it may take."""
        for each in self.searches:
            each.tell(at.FOCUS, focus)
            each.tell(at.ITERATIONS, min(max(self.tries // 100, 200), _SAMPLES))
            each.run(tasks.SAMPLE)
        typical = max(each.get(at.TYPICAL) for each in self.searches)
        if focus == 1 and typical <= 0:
            typical = 1.0  # what repairs is too rare to be met by chance alone
        limited = self.problem.max_moves is not None
        ways = _ways(self.searches[0], focus, _FAR if len(self.searches) > 1 else _FAR_AND_SMALL, limited)
        tries, trial = (int((_LIMITED if limited else 1.0) * number) for number in (self.tries, self.trial))
        way = ways[0]
        if typical > 0 and len(ways) > 1 and tries >= _LEAST_TRIALS * len(ways) * trial:
            way, spent = self._choose_way(ways, trial, typical, (begin, end), focus)
            tries -= spent
        self._cool(way, tries, typical, self.elapsed(), end, focus)

    def _choose_way(
        self, ways: Sequence[_Cooling], trial: int, typical: float, time: tuple[float, float], focus: int
    ) -> tuple[_Cooling, int]:
        """The best of some ways, and how many tries it took to find that out. ``trial``: the least tries of each;
        ``time``: from when to when the level may take time."""
        now, span = self.elapsed(), time[1] - time[0]
        self._each(partial(_anneal, cooling=ways[0], typical=typical, done=0.0, tries=trial // _SLICES))
        takes = (self.elapsed() - now) * _SLICES
        whole = min(self.tries, trial * span / takes if takes > 0 else self.tries)
        if self.searches[0].counts_both_ends and whole > _PATIENT * len(self.problem.domains):
            return ways[-1], 0
        if 0.1 * takes > _LONGEST_TRIAL * span:
            return ways[0], 0
        trial = max(trial, int(_LONG_TRIAL * whole))
        return self._best_way(ways, trial, typical, time[1], focus), len(ways) * trial

    def _best_way(self, ways: Sequence[_Cooling], trial: int, typical: float, end: float, focus: int) -> _Cooling:
        """That of which ``trial`` tries find the best placement, from where the searches are; they go on from there."""
        start, longest = self.searches, _LONGEST_TRIAL * (end - self.elapsed())
        best, found = ways[0], start
        self.count()
        for way in ways:
            begin = self.elapsed()
            self.searches = [each.fork() for each in start]
            self._cool(way, trial, typical, begin, begin + longest, focus)
            self.count()
            if is_less(self.best().best_rank, _best(found).best_rank):
                best, found = way, self.searches
        self.searches = found
        return best

    def count(self) -> None:
        """Adds up the tries of searches that may be dropped."""
        for each in self.searches:
            self.tried += each.told(at.SPENT)
            each.tell(at.SPENT, 0)

    def _cool(self, cooling: _Cooling, tries: int, typical: float, begin: float, end: float, focus: int) -> None:
        slices = max(_SLICES, -(-tries // _SLICE))
        done, meeting = 0.0 if typical > 0 and not self.stopped else 1.0, _FIRST_MEETING
        index = 0
        while done < 1.0:
            self._each(partial(_anneal, cooling=cooling, typical=typical, done=done, tries=tries // slices))
            if focus == 1 and any(self.broken + each.best_cost[1] <= TOLERANCE for each in self.searches):
                self._follow(self.best())
                break
            index += 1
            passed = self.elapsed()
            if passed >= 1.0:
                self.stopped = True
                break
            done = 1.0 if passed >= end else max(index / slices, (passed - begin) / (0.97 * (end - begin)))
            if done >= meeting:
                self._meet()
                meeting += 0.1
        self._each(partial(self._finish, looks=max(tries // 5, 4_000), end=end))
        self._meet()

    def _finish(self, engine: Engine, looks: int, end: float) -> None:
        engine.run(tasks.RESTORE_BEST)
        if engine.told(at.FOCUS) > 1 or self.broken + engine.best_cost[1] > TOLERANCE:
            self._descend(engine, looks, end)
            engine.run(tasks.RESTORE_BEST)

    def _descend(self, engine: Engine, looks: int, end: float) -> None:
        """To where no single move gains, as far as the looks and the time go."""
        engine.tell(at.IDLE, 0)
        while looks > 0 and self.elapsed() < end:
            engine.tell(at.ITERATIONS, min(looks, _LOOKS))
            if engine.run(tasks.DESCEND):
                return
            looks -= _LOOKS

    def _each(self, work: Callable[[Engine], object]) -> None:
        if len(self.searches) == 1:
            work(self.searches[0])
            return
        list(self.threads.map(work, self.searches))

    def best(self) -> Engine:
        return _best(self.searches)

    def _meet(self) -> None:
        """All go on from the best of them."""
        now = self.searches[0]
        for each in self.searches[1:]:
            if is_less(each.rank, now.rank):
                now = each
        self._follow(now)

    def _follow(self, leader: Engine) -> None:
        for each in self.searches:
            if each is not leader:
                each.follow(leader)


def _best(searches: Sequence[Engine]) -> Engine:
    best = searches[0]
    for each in searches[1:]:
        if is_less(each.best_rank, best.best_rank):
            best = each
    return best


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
    run.count()
    return Placement(
        host=best.best,
        evaluations=run.tried,
        complete=every or not run.stopped,
        optimal=every,
        reduced=run.reduced or not whole,
    )


def _exhaustive(problem: Problem, speed: Speed) -> Placement:
    engine = Engine(problem, 0, speed)
    engine.run(tasks.TRY_ALL)
    _take_back(engine, lambda: 0.0)
    number = len(problem.hosts) ** len(problem.domains)
    return Placement(host=engine.best, evaluations=number, complete=True, optimal=True)


def _take_back(engine: Engine, elapsed: Callable[[], float]) -> None:
    """Leaves out of the best placement what gains nothing: moves, and those in whose stead others do that send less."""
    engine.tell(at.FOCUS, engine.levels - 1)
    engine.run(tasks.RESTORE_BEST)
    engine.run(tasks.TAKE_BACK)
    engine.tell(at.IDLE, 0)
    engine.tell(at.ITERATIONS, _LOOKS)
    while elapsed() < 1.0 and not engine.run(tasks.TRADE_PLACES):
        pass


def _tries(domains: int, effort: int, small: bool) -> int:
    """How many moves one search tries on a level."""
    each = 120.0 if small else 1_500.0
    factor = 3.0 if effort > _DEFAULT_EFFORT else 2.0
    return int(each * max(domains, 20) * factor ** (effort - _DEFAULT_EFFORT)) + 500


def _ways(engine: Engine, focus: int, far: _Course, limited: bool) -> list[_Cooling]:
    """Those that may be the best. ``far``: a course that begins where most of what moves gain is lost again;
    ``limited``: whether moves are too few for it."""
    if focus == 1:
        return [_TO_REPAIR]
    if engine.frees_hosts:
        return [_TO_FREE_HOSTS]
    if engine.counts_both_ends:
        near, home, swaps = [_WITH_BOTH_ENDS], (4.0, 2.0), 0.2
    else:
        near = [_TO_EVEN_OUT, _TO_EVEN_OUT_FURTHER] if engine.evens_out else [_TO_BETTER]
        home, swaps = (0.0, 0.0), 0.4
    if limited:
        return near
    return [*near, replace(near[0], course=far, homesickness=home, swaps=swaps, bias=0.8, alike=0.8, again=0.0)]


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
    engine.set(at.AGAIN, cooling.again)
    engine.tell(at.ITERATIONS, tries)
    engine.run(tasks.ANNEAL)
