"""Lower bounds on the makespan of a set of legs, whatever their order and rates.

Each leg counts with the best rate it can ever have and the bytes that it sends then; at any other it sends more. Five
bounds, the largest of which holds: the load of each link; the slots of each host and of the cluster; chains of legs
that can only follow each other; the one-machine bound of each link, with what must come before and after each
transfer (the preemptive schedule of Jackson, as in Carlier, "The one-machine sequencing problem", 1982); and, as
extra legs are among those counted, what detours put on the links they use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush

from rebalancer.cluster.units import Seconds
from rebalancer.plan.ledger import Ledger, Leg
from rebalancer.plan.trips import Trip

__all__ = ["jackson", "makespan_bound"]

_ROUNDS = 3
"""How often heads and tails are derived from each other: each round may make chains one leg longer."""


def makespan_bound(legs: Sequence[Leg], trips: Sequence[Trip], ledger: Ledger, budgets: Sequence[float]) -> Seconds:
    """Seconds. ``trips``: of each leg; ``ledger``: as things stand at the start; ``budgets``: of each link."""
    if not legs:
        return Seconds(0.0)
    chains = _Chains(legs, trips, ledger)
    alone = max(h + trip.duration + t for h, t, trip in zip(chains.heads, chains.tails, trips, strict=True))
    return Seconds(max(alone, _slots(legs, trips), _links(trips, chains, budgets)))


def jackson(jobs: Sequence[tuple[float, float, float]]) -> float:
    """The least makespan on one machine that may interrupt its jobs: (head, work, tail), in seconds.

    >>> jackson([(0.0, 3.0, 1.0), (1.0, 2.0, 5.0)])
    8.0
    """
    coming = sorted(jobs)
    waiting: list[list[float]] = []
    time, longest, index = 0.0, 0.0, 0
    while index < len(coming) or waiting:
        if not waiting:
            time = max(time, coming[index][0])
        while index < len(coming) and coming[index][0] <= time:
            _, work, tail = coming[index]
            heappush(waiting, [-tail, work])
            index += 1
        tail, work = -waiting[0][0], waiting[0][1]
        until = coming[index][0] if index < len(coming) else float("inf")
        if time + work <= until:
            heappop(waiting)
            time += work
            longest = max(longest, time + tail)
        else:
            waiting[0][1] = work - (until - time)
            time = until
    return longest


def _links(trips: Sequence[Trip], chains: _Chains, budgets: Sequence[float]) -> float:
    crossing: dict[int, list[int]] = {}
    for index, trip in enumerate(trips):
        for link in trip.links:
            crossing.setdefault(link, []).append(index)
    longest = 0.0
    for link, indices in crossing.items():
        across = [trips[index] for index in indices]
        works = max(_shares(across, budgets[link]), _rates(across, budgets[link]), key=sum)
        jobs = [
            (chains.heads[index] + trip.setup, work, trip.finish + chains.tails[index])
            for index, trip, work in zip(indices, across, works, strict=True)
        ]
        longest = max(longest, jackson(jobs))
    return longest


def _shares(trips: Sequence[Trip], budget: float) -> list[float]:
    """Seconds for which each would take the whole budget of a link, bursts included."""
    return [trip.transfer * min(trip.takes(trip.best) / budget, 1.0) for trip in trips]


def _rates(trips: Sequence[Trip], budget: float) -> list[float]:
    """The same by the rates alone, which all of them together can only have in whole units."""
    load, burst = min(trip.load for trip in trips), min(trip.burst for trip in trips)
    most = max(budget - burst, 0.0) / load
    units = {trip.unit if trip.capped else 1 for trip in trips}
    if len(units) == 1:
        most = max((most + 1e-6) // (unit := units.pop()) * unit, 1.0)
    return [trip.transfer * min(trip.best / most, 1.0) for trip in trips]


def _slots(legs: Sequence[Leg], trips: Sequence[Trip]) -> float:
    time: dict[int, float] = {}
    slots: dict[int, int] = {}
    for leg, trip in zip(legs, trips, strict=True):
        for host in (leg.source, leg.destination):
            time[host] = time.get(host, 0.0) + trip.duration
            slots[host] = max(slots.get(host, 0), trip.settings.per_host)
    everywhere = sum(trip.duration for trip in trips) / max(trip.settings.total for trip in trips)
    return max(everywhere, *(time[host] / slots[host] for host in time))


class _Chains:
    """``heads``: what must pass before each leg can start; ``tails``: what must pass after it has ended."""

    def __init__(self, legs: Sequence[Leg], trips: Sequence[Trip], ledger: Ledger) -> None:
        self.heads = [0.0] * len(legs)
        self.tails = [0.0] * len(legs)
        self._legs = legs
        self._durations = [trip.duration for trip in trips]
        leaving: dict[int, list[int]] = {}
        for index, leg in enumerate(legs):
            leaving.setdefault(leg.source, []).append(index)
        needs: list[tuple[int, list[int], Callable[[int], float], float]] = []
        for index, leg in enumerate(legs):
            departures = leaving.get(leg.destination, [])
            for row in range(len(ledger.resources)) if departures else ():
                lack = self._lack(ledger, leg, row)
                if lack > 0:
                    needs.append((index, departures, self._freed(ledger, leg.destination, row), lack))
        for _ in range(_ROUNDS):
            self._follow_domains()
            for index, departures, freed, lack in needs:
                self._follow(index, departures, freed, lack)

    @staticmethod
    def _lack(ledger: Ledger, leg: Leg, row: int) -> float:
        host = leg.destination
        return ledger.load[host][row] + ledger.taken(leg.domain, host)[row] - ledger.bound[host][row]

    def _freed(self, ledger: Ledger, host: int, row: int) -> Callable[[int], float]:
        # Only who stands there at the start can free anything of what lacks then.
        return lambda index: (
            ledger.taken(self._legs[index].domain, host)[row] if ledger.start[self._legs[index].domain] == host else 0.0
        )

    def _follow_domains(self) -> None:
        """Legs of one domain follow each other."""
        last: dict[int, int] = {}
        for index, leg in enumerate(self._legs):
            if leg.domain in last:
                before = last[leg.domain]
                self.heads[index] = max(self.heads[index], self.heads[before] + self._durations[before])
            last[leg.domain] = index
        following: dict[int, int] = {}
        for index in reversed(range(len(self._legs))):
            leg = self._legs[index]
            if leg.domain in following:
                after = following[leg.domain]
                self.tails[index] = max(self.tails[index], self.tails[after] + self._durations[after])
            following[leg.domain] = index

    def _follow(self, index: int, departures: list[int], freed: Callable[[int], float], lack: float) -> None:
        """A leg that cannot start before enough has left: whichever that is, it is that many legs."""
        amounts = sorted((freed(other) for other in departures), reverse=True)
        number, total = 0, 0.0
        while number < len(amounts) and total < lack * (1 - 1e-9):
            total += amounts[number]
            number += 1
        ends = sorted(self.heads[other] + self._durations[other] for other in departures if freed(other) > 0)
        if 0 < number <= len(ends):
            self.heads[index] = max(self.heads[index], ends[number - 1])
        everything = sum(amounts)
        for other in departures:
            if everything - freed(other) < lack * (1 - 1e-9):
                self.tails[other] = max(self.tails[other], self._durations[index] + self.tails[index])
