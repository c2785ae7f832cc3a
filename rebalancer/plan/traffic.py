"""Who sends over which link at which rate, as a schedule goes on.

While one migration can fill a link, sharing it never gains: more is sent again, and whoever is first has nothing of
it (see Kherbache et al., UCC'15). So whoever sends keeps its rate, and another may start once what is left of the
links on its way gives it enough of its own. What becomes free goes first to those that had to start with less, of them
to those of more weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rebalancer.plan.migration_model import Forecast
from rebalancer.plan.trips import Trip

__all__ = ["Sending", "Traffic"]

_TOLERANCE = 1e-9


@dataclass(slots=True, kw_only=True)
class Sending:
    """``since``, ``end``: seconds; at ``since``, the share ``left`` of the transfer is still to be done."""

    trip: Trip
    rate: float
    since: float
    forecast: Forecast
    left: float = 1.0

    @property
    def end(self) -> float:
        return self.since + self.left * self.forecast.transfer

    def change(self, time: float, rate: float) -> None:
        """Goes on at another rate from a time on that is not after its end."""
        whole = self.forecast.transfer
        if whole > 0:
            self.left = max(self.left - max(time - self.since, 0.0) / whole, 0.0)
        self.since = max(time, self.since)
        self.rate, self.forecast = rate, self.trip.at(rate)


class Traffic:
    """Budgets and slots are those of :class:`~rebalancer.plan.trips.Trips`."""

    def __init__(self, budgets: list[float], slots: Sequence[int | None]) -> None:
        self._budgets = budgets
        self._free = {link: number for link, number in enumerate(slots) if number is not None}
        """Of the links that only so many may cross at once, how many more may."""
        self._taken: list[float] = [0.0] * len(budgets)
        self._squeezed: dict[int, Sending] = {}

    def lacking(self, trip: Trip, rate: float, links: Sequence[int]) -> int | None:
        """The first of the links that has not enough left for a rate, or no slot; None: all have."""
        needed = trip.takes(rate)
        for link in links:
            if self._free and self._free.get(link, 1) < 1:
                return link
            if self._budgets[link] * (1 + _TOLERANCE) - self._taken[link] < needed:
                return link
        return None

    def offer(self, trip: Trip) -> float:
        """The rate that a migration could have now."""
        rate, full = trip.best, trip.takes(trip.best)
        for link in trip.links:
            free = self._budgets[link] * (1 + _TOLERANCE) - self._taken[link]
            if free < full:
                rate = min(rate, (free - trip.burst) / trip.weight)
        return rate if rate == trip.best else trip.rounded(max(rate, 0.0))

    def enter(self, key: int, sending: Sending) -> None:
        taken = sending.trip.takes(sending.rate)
        for link in sending.trip.links:
            self._taken[link] += taken
        self._give_slots(sending.trip, -1)
        if sending.rate < sending.trip.best:
            self._squeezed[key] = sending

    def leave(self, key: int, sending: Sending, time: float) -> list[int]:
        """What it had is free from ``time`` on; the keys of those that send faster from then on."""
        taken = sending.trip.takes(sending.rate)
        for link in sending.trip.links:
            self._taken[link] -= taken
        self._give_slots(sending.trip, 1)
        self._squeezed.pop(key, None)
        others = sorted(self._squeezed, key=lambda other: -self._squeezed[other].trip.settings.weight)
        return [other for other in others if self._relieve(other, time)]

    def _give_slots(self, trip: Trip, number: int) -> None:
        for link in trip.links if self._free else ():
            if link in self._free:
                self._free[link] += number

    def _relieve(self, key: int, time: float) -> bool:
        sending = self._squeezed[key]
        trip, rate = sending.trip, sending.trip.best
        if sending.end <= time:
            return False
        for link in trip.links:
            free = (self._budgets[link] * (1 + _TOLERANCE) - self._taken[link]) / trip.weight
            rate = min(rate, sending.rate + free)
        rate = trip.rounded(rate)
        if rate <= sending.rate:
            return False
        more = (rate - sending.rate) * trip.weight
        for link in trip.links:
            self._taken[link] += more
        sending.change(time, rate)
        if rate >= trip.best:
            del self._squeezed[key]
        return True
