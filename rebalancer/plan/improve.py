"""The shortest timeline that can be found: several ways to tell what is urgent, then small changes of the best one.

Ends as soon as a lower bound is met; otherwise after a number of tries, so that a plan does not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from rebalancer.plan.bounds import makespan_bound
from rebalancer.plan.budget import Budget
from rebalancer.plan.timeline import Timeline, Timetable

__all__ = ["Attempt"]

_SHARES = (1.0, 0.5, 0.25)
"""Of the rate that a leg could have alone, what it must get to start; without much to wait for, less is enough."""
_MOST_IN_VAIN = 150
_MET = 1e-4


class Attempt:
    """The best timeline so far of one sequence. Shortest, then with the fewest bytes, then with the least downtime."""

    def __init__(self, table: Timetable, budget: Budget) -> None:
        self.table = table
        self.bound = makespan_bound(table.legs, table.trips, table.ledger, table.budgets)
        self._budget = budget
        orders = list(_orders(table))
        self._order, self._share = orders[0], _SHARES[0]
        self.timeline = table.run(_ranks(self._order), self._share)
        self.cost = _cost(self.timeline)
        self._budget.place(len(table.legs))
        for order in orders:
            for share in _SHARES:
                self._try(order, share)

    @property
    def is_best(self) -> bool:
        return self.timeline.makespan <= self.bound * (1 + _MET) + _MET

    def improve(self, seed: int) -> None:
        """Small changes, as long as they help now and then."""
        chance, in_vain = Random(seed), 0  # noqa: S311 - reproducible on purpose
        number = len(self._order)
        while in_vain < min(_MOST_IN_VAIN, 6 * number * number) and self._may_go_on:
            order = _changed(self._order, self.timeline, chance)
            share = self._share if chance.random() < 0.8 else chance.choice(_SHARES)
            in_vain = 0 if self._try(order, share, sideways=True) else in_vain + 1

    @property
    def _may_go_on(self) -> bool:
        return len(self._order) > 1 and not self.is_best and self._budget.starts > 0

    def _try(self, order: list[int], share: float, *, sideways: bool = False) -> bool:
        """Whether it is better than all before. ``sideways``: one that is as good is gone on from, too."""
        if not self._may_go_on or not self._budget.place(len(order)):
            return False
        found = self.table.run(_ranks(order), share)
        cost = _cost(found)
        better = cost < self.cost
        if better or (sideways and cost == self.cost):
            self.timeline, self.cost, self._order, self._share = found, cost, order, share
        return better


def _cost(timeline: Timeline) -> tuple[float, float, float]:
    return (
        round(timeline.makespan, 6),
        float(sum(entry.forecast.bytes for entry in timeline.entries)),
        round(sum(entry.forecast.downtime for entry in timeline.entries), 6),
    )


def _ranks(order: Sequence[int]) -> list[float]:
    ranks = [0.0] * len(order)
    for rank, index in enumerate(order):
        ranks[index] = float(rank)
    return ranks


def _orders(table: Timetable) -> Iterator[list[int]]:
    """Ways to tell what is urgent: what much must follow, then what goes over the busiest link; and the reverse."""
    tails, heats = _tails(table), _heats(table)
    everything = range(len(table.legs))
    last = [(-trip.duration, leg.domain, i) for i, (leg, trip) in enumerate(zip(table.legs, table.trips, strict=True))]
    yield sorted(everything, key=lambda i: (-max(tails[i], heats[i]), -tails[i], last[i]))
    yield sorted(everything, key=lambda i: (-tails[i], -heats[i], last[i]))
    yield sorted(everything, key=lambda i: (-heats[i], -tails[i], last[i]))
    yield list(everything)


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


def _changed(order: list[int], timeline: Timeline, chance: Random) -> list[int]:
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
