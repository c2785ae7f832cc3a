"""The shortest timeline that can be found: several ways to tell what is urgent, then small changes of the best one.

Ends as soon as a lower bound is met; otherwise after a number of tries, so that a plan does not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from random import Random

from rebalancer.cluster.units import Seconds
from rebalancer.plan.bounds import makespan_bound
from rebalancer.plan.budget import Budget
from rebalancer.plan.hourly import last_start
from rebalancer.plan.model import LATE
from rebalancer.plan.moves import StuckMovesError
from rebalancer.plan.timeline import Timeline, Timetable
from rebalancer.plan.trips import Trip
from rebalancer.values import dataclass

__all__ = ["Attempt", "breaches"]

_SHARES = (1.0, 0.5, 0.25)
"""Of the rate that a leg could have alone, what it must get to start; without much to wait for, less is enough."""
_MOST_LIMITS = 3
_MOST_IN_VAIN = 150
_WORK_IN_VAIN = 2_000
"""The same in migrations put into time, but for that many tries at least:"""
_LEAST_IN_VAIN = 30
_MET = 1e-4


@dataclass(frozen=True, slots=True)
class _Try:
    """``share`` and ``limit``: see :meth:`~rebalancer.plan.timeline.Timetable.run`."""

    order: tuple[int, ...]
    share: float
    limit: float


class Attempt:
    """The best timeline so far of one sequence. With as few as can be who leave after a deadline, then shortest, then
    with the fewest bytes, then with the least downtime."""

    def __init__(self, table: Timetable, budget: Budget) -> None:
        self.table = table
        self.bound = Seconds(max(makespan_bound(table.legs, table.trips, table.ledger, table.budgets), _paced(table)))
        self._budget = budget
        self._limits = _limits(table)
        tries = iter(self._first_tries())
        self._best, self.timeline = self._first_that_works(tries)
        self.cost = _cost(table, self.timeline)
        self._budget.place(len(table.legs))
        for tried in tries:
            self._try(tried)

    def _first_that_works(self, tries: Iterator[_Try]) -> tuple[_Try, Timeline]:
        stuck: StuckMovesError | None = None
        for tried in tries:
            try:
                return tried, self._run(tried)
            except StuckMovesError as error:
                stuck = stuck or error
        raise stuck or StuckMovesError({}, "there is nothing to be made")

    @property
    def is_best(self) -> bool:
        _, late, *_ = self.cost
        return self.cost[0] == 0 and not any(late) and self.timeline.makespan <= self.bound * (1 + _MET) + _MET

    def improve(self, seed: int) -> None:
        """Small changes, as long as they help now and then."""
        chance, in_vain = Random(seed), 0  # noqa: S311 - reproducible on purpose
        number = len(self.table.legs)
        most = min(_MOST_IN_VAIN, 6 * number * number, max(_WORK_IN_VAIN // number, _LEAST_IN_VAIN)) if number else 0
        while in_vain < most and self._may_go_on:
            in_vain = 0 if self._try(self._changed(chance), sideways=True) else in_vain + 1

    def _first_tries(self) -> list[_Try]:
        """The most promising first, as long plans can afford only a few."""
        orders = [tuple(order) for order in _orders(self.table)]
        if self.table.stipulations:
            orders = [tuple(sorted(order, key=self._in_time)) for order in orders]
        if self.table.departures:
            orders = [*map(tuple, _for_deadline(self.table)), *orders]
        tries = [_Try(order, share, 1.0) for share in _SHARES[:2] for order in orders[:3]]
        tries += [_Try(order, _SHARES[0], limit) for limit in self._limits for order in orders[:2]]
        tries += [_Try(order, _SHARES[2], 1.0) for order in orders[:3]]
        if self.table.stipulations.largest > 1:
            # Who starts together has to do with less than a fair share, if what starts with it needs more than that.
            tries.append(_Try(orders[0], 0.5 / self.table.stipulations.largest, 1.0))
        return [*tries, *(_Try(order, share, 1.0) for order in orders[3:] for share in _SHARES)]

    def _in_time(self, index: int) -> tuple[bool, float]:
        """First those that have to start at once, then those that have to have ended soon."""
        domain, stipulations = self.table.legs[index].domain, self.table.stipulations
        return domain not in stipulations.at_once, stipulations.within.get(domain, float("inf"))

    def _changed(self, chance: Random) -> _Try:
        share = self._best.share if chance.random() < 0.8 else chance.choice(_SHARES)
        limit = self._best.limit if chance.random() < 0.8 else chance.choice([1.0, *self._limits])
        return _Try(tuple(_changed(self._best.order, self.timeline, chance)), share, limit)

    @property
    def _may_go_on(self) -> bool:
        return len(self.table.legs) > 1 and not self.is_best and self._budget.starts > 0

    def _try(self, tried: _Try, *, sideways: bool = False) -> bool:
        """Whether it is better than all before. ``sideways``: one that is as good is gone on from, too."""
        if not self._may_go_on or not self._budget.place(len(tried.order)):
            return False
        try:
            found = self._run(tried)
        except StuckMovesError:
            # Who must start together may never get the room for it if others go first.
            return False
        cost = _cost(self.table, found)
        better = cost < self.cost
        if better or (sideways and cost == self.cost):
            self.timeline, self.cost, self._best = found, cost, tried
        return better

    def _run(self, tried: _Try) -> Timeline:
        return self.table.run(_ranks(tried.order), tried.share, tried.limit)


def _paced(table: Timetable) -> float:
    """When the last one ends at the earliest, if only so many may start in an hour."""
    if table.moves.per_hour is None or not table.legs:
        return 0.0
    last = last_start(len(table.legs), table.moves.per_hour, table.moves.moved_lately)
    return last + min(trip.duration for trip in table.trips)


def _limits(table: Timetable) -> list[float]:
    """Shares of their best rates at which the legs over the busiest link come out even.

    Where k of n can go at once and k does not divide n, the last ones leave the link half empty; one or a few more at
    once, each a little slower, may fill it to the end.
    """
    work: dict[int, float] = {}
    crossing: dict[int, list[Trip]] = {}
    for trip in table.trips:
        for link in trip.links:
            work[link] = work.get(link, 0.0) + trip.transfer * trip.takes(trip.best) / table.budgets[link]
            crossing.setdefault(link, []).append(trip)
    if not work:
        return []
    busiest = max(work, key=lambda link: (work[link], -link))
    trips = crossing[busiest]
    at_once = int(table.budgets[busiest] / (sum(trip.takes(trip.best) for trip in trips) / len(trips)) + 1e-6)
    if at_once < 2 or len(trips) <= at_once:
        return []
    found = [(ceil(len(trips) / number) * number / at_once, number) for number in range(at_once + 1, 2 * at_once + 1)]
    even = ceil(len(trips) / at_once)
    return [at_once / number for rounds, number in sorted(found)[:_MOST_LIMITS] if rounds < even]


_Cost = tuple[float, tuple[int, ...], float, float, float]


def _cost(table: Timetable, timeline: Timeline) -> _Cost:
    return (
        sum(late for _, late in breaches(table, timeline)),
        _late(table, timeline),
        round(timeline.makespan, 6),
        float(sum(entry.forecast.bytes for entry in timeline.entries)),
        round(sum(entry.forecast.downtime for entry in timeline.entries), 6),
    )


def _late(table: Timetable, timeline: Timeline) -> tuple[int, ...]:
    """How many leave after the deadline, by priority, the highest first."""
    if table.moves.deadline is None:
        return ()
    within = table.moves.deadline.within + LATE
    counts = dict.fromkeys(sorted({table.priority(leg) for leg in table.departures}, reverse=True), 0)
    for leg in table.departures:
        counts[table.priority(leg)] += timeline.entries[leg].end > within
    return tuple(counts.values())


def _for_deadline(table: Timetable) -> Iterator[list[int]]:
    """Who leaves a host of the deadline first, by priority; the shortest first, so that most are through in time
    (Moore, "An n job, one machine sequencing algorithm for minimizing the number of late jobs", 1968), or the longest
    first, which packs better where several go at once."""
    for sign in (1, -1):
        yield sorted(
            range(len(table.legs)),
            key=lambda leg: (leg not in table.departures, -table.priority(leg), sign * table.trips[leg].duration, leg),
        )


def breaches(table: Timetable, timeline: Timeline) -> list[tuple[int, float]]:
    """Domains that start or end later than they must, and by how many seconds."""
    if not table.stipulations:
        return []
    entries = timeline.entries
    return list(table.stipulations.breaches([e.start for e in entries], [e.end for e in entries]))


def _ranks(order: Sequence[int]) -> list[float]:
    ranks = [0.0] * len(order)
    for rank, index in enumerate(order):
        ranks[index] = float(rank)
    return ranks


def _orders(table: Timetable) -> Iterator[list[int]]:
    """Ways to tell what is urgent: what much must follow or what goes over a busy link; what much must follow; whose
    hosts have most to do still; and what comes first in the sequence."""
    tails, heats = _tails(table), _heats(table)
    everything = range(len(table.legs))
    last = [(-trip.duration, leg.domain, i) for i, (leg, trip) in enumerate(zip(table.legs, table.trips, strict=True))]
    urgent = [max(tail, heat) for tail, heat in zip(tails, heats, strict=True)]
    left = _left_to_do(table, sorted(everything, key=lambda i: (-urgent[i], last[i])))
    yield sorted(everything, key=lambda i: (-urgent[i], -left[i], -tails[i], last[i]))
    yield sorted(everything, key=lambda i: (-left[i], -urgent[i], last[i]))
    yield sorted(everything, key=lambda i: (-tails[i], -left[i], -heats[i], last[i]))
    yield list(everything)


def _left_to_do(table: Timetable, order: Sequence[int]) -> list[float]:
    """Of each leg, the seconds that the busier of its hosts has to do still when it is this leg's turn, if each host's
    legs are made in this order. So hosts take turns, and none is left with much to do at the end."""
    busy: dict[int, float] = {}
    for leg, trip in zip(table.legs, table.trips, strict=True):
        for host in (leg.source, leg.destination):
            busy[host] = busy.get(host, 0.0) + trip.duration
    left = [0.0] * len(order)
    for index in order:
        leg = table.legs[index]
        left[index] = max(busy[leg.source], busy[leg.destination])
        for host in (leg.source, leg.destination):
            busy[host] -= table.trips[index].duration
    return left


def _tails(table: Timetable) -> list[float]:
    """Seconds from the start of each leg to the end of the longest chain of legs that it opens the way for."""
    ledger = table.ledger
    coming: dict[int, list[float]] = {}
    for leg in table.legs:
        total = coming.setdefault(leg.destination, list(ledger.load[leg.destination]))
        for row, taken in enumerate(ledger.taken(leg.domain, leg.destination)):
            total[row] += taken
    contended = {
        host
        for host, total in coming.items()
        if any(load > bound for load, bound in zip(total, ledger.bound[host], strict=True))
    }
    tails = [0.0] * len(table.legs)
    longest: dict[int, float] = {}
    for index in reversed(range(len(table.legs))):
        leg, following = table.legs[index], table.next_leg.get(index)
        after = longest.get(leg.source, 0.0) if leg.source in contended else 0.0
        after = max(after, tails[following] if following is not None else 0.0)
        tails[index] = table.trips[index].duration + after
        longest[leg.destination] = max(longest.get(leg.destination, 0.0), tails[index])
    return tails


def _heats(table: Timetable) -> list[float]:
    """Of each leg, the seconds for which the busiest link or host on its way is busy at least."""
    busy: dict[tuple[str, int], float] = {}
    for leg, trip in zip(table.legs, table.trips, strict=True):
        for link in trip.links:
            busy["link", link] = busy.get(("link", link), 0.0) + (
                trip.transfer * trip.takes(trip.best) / table.budgets[link]
            )
        for host in (leg.source, leg.destination):
            busy["host", host] = busy.get(("host", host), 0.0) + trip.duration / trip.settings.per_host
    return [
        max(
            busy["host", leg.source],
            busy["host", leg.destination],
            *(busy["link", link] for link in trip.links),
        )
        for leg, trip in zip(table.legs, table.trips, strict=True)
    ]


def _changed(order: Sequence[int], timeline: Timeline, chance: Random) -> list[int]:
    """One or two legs brought forward, mostly of those that end last."""
    changed = list(order)
    for _ in range(1 + (chance.random() < 0.3)):
        if chance.random() < 0.6:
            late = chance.random() * timeline.makespan
            candidates = [index for index, entry in enumerate(timeline.entries) if entry.end >= late]
            index = chance.choice(candidates)
        else:
            index = chance.choice(changed)
        at = changed.index(index)
        changed.pop(at)
        changed.insert(chance.randrange(at + 1) if chance.random() < 0.8 else chance.randrange(len(order)), index)
    return changed
