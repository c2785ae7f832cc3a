"""Who sends over which link at which rate, as a schedule goes on.

While one migration can fill a link, sharing it never gains: more is sent again, and whoever is first has nothing of
it (see Kherbache et al., UCC'15). So whoever sends keeps its rate, and another may start once what is left of the
links on its way gives it enough of its own. Somebody of more weight may start earlier, and whoever has to start at the
same moment as others: those of less weight, and the others, are slowed down for it, none below what it needs to
converge and had to get to start. What becomes free goes to those that have less than they could, by weighted max-min
fairness (``rates.fill``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from rebalancer.cluster.units import Bytes
from rebalancer.plan.migration_model import Forecast
from rebalancer.plan.rates import Claim, fill
from rebalancer.plan.trips import Trip
from rebalancer.values import dataclass

__all__ = ["Sending", "Traffic"]

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """``since``, ``end``: seconds; at ``since``, the share ``left`` of the transfer is still to be done, and ``sent``
    bytes have been sent. ``first``: the rate that it begins with; ``least``: that below which it is not slowed down."""

    trip: Trip
    rate: float
    first: float
    least: float
    since: float
    left: float = 1.0
    sent: float = 0.0

    @property
    def end(self) -> float:
        return self.since + self.left * self.trip.at(self.rate).transfer

    @property
    def weight(self) -> float:
        return self.trip.settings.weight

    @property
    def forecast(self) -> Forecast:
        """At its present rate; its bytes with those that have been sent at others."""
        forecast = self.trip.at(self.rate)
        if self.left == 1.0:
            return forecast
        return replace(forecast, bytes=Bytes(round(self.sent + self.left * forecast.bytes)))

    def changed(self, time: float, rate: float) -> Sending:
        """The same that goes on at another rate from a time on that is not after its end."""
        forecast = self.trip.at(self.rate)
        done = min(max(time - self.since, 0.0) / forecast.transfer, self.left) if forecast.transfer > 0 else 0.0
        return replace(
            self,
            rate=rate,
            first=self.first if self.left - done < 1.0 else min(self.first, rate),
            since=max(time, self.since),
            left=self.left - done,
            sent=self.sent + done * forecast.bytes,
        )


class Traffic:
    """Budgets and slots are those of :class:`~rebalancer.plan.trips.Trips`; ``yielding``: whether anybody is ever
    slowed down for others, as weights differ or some have to start together.

    Where somebody's rate changes, its state before is told, by its key.
    """

    def __init__(self, budgets: list[float], slots: Sequence[int | None], *, yielding: bool) -> None:
        self._budgets = budgets
        self._free = {link: number for link, number in enumerate(slots) if number is not None}
        """Of the links that only so many may cross at once, how many more may."""
        self._taken: list[float] = [0.0] * len(budgets)
        self._sending: dict[int, Sending] = {}
        self._squeezed: dict[int, None] = {}
        """Those that send slower than they could."""
        self._yielding = yielding
        self._on_link: dict[int, dict[int, None]] = {}
        """Only where somebody yields."""

    def __getitem__(self, key: int) -> Sending:
        return self._sending[key]

    def lacking(self, trip: Trip, rate: float, links: Sequence[int], partners: Collection[int] = ()) -> int | None:
        """The first of the links that has not enough left for a rate, or no slot; None: all have. ``partners``: those
        that have started at this moment and share with it."""
        needed = trip.takes(rate)
        for link in links:
            if self._free and self._free.get(link, 1) < 1:
                return link
            if self._left(link) < needed and self._left(link) + self._yielded(link, trip, partners) < needed:
                return link
        return None

    def enter(
        self, key: int, trip: Trip, least: float, time: float, partners: Collection[int] = ()
    ) -> dict[int, Sending]:
        """A migration starts, with the highest rate that it can have now, and others make way for it at once."""
        rate, slowed = self._offer(trip), {}
        if self._yielding and rate < trip.best:
            rates = self._pushed_aside(key, trip, least, partners)
            rate = trip.rounded(rates.pop(key))
            for other, lower in rates.items():
                if self._sending[other].rate > lower:
                    slowed[other] = self._change(other, time, self._sending[other].trip.rounded(lower))
        self._count(trip, rate, 1)
        self._sending[key] = Sending(trip=trip, rate=rate, first=rate, least=min(least, rate), since=time + trip.setup)
        for link in trip.links if self._yielding else ():
            self._on_link.setdefault(link, {})[key] = None
        if rate < trip.best:
            self._squeezed[key] = None
        freed = {link for other in slowed for link in self._sending[other].trip.links}
        raised = self._relieve(freed.difference(trip.links), time) if slowed else {}
        return {**raised, **slowed}

    def leave(self, key: int) -> dict[int, Sending]:
        """What it had is free from its end on; those that send faster from then on."""
        sending = self._remove(key)
        return self._relieve(sending.trip.links, sending.end)

    def take_back(self, key: int, changed: Mapping[int, Sending]) -> None:
        """Undoes an :meth:`enter` and what it has changed."""
        self._remove(key)
        for other, before in changed.items():
            self._put(other, before)

    def _remove(self, key: int) -> Sending:
        sending = self._sending.pop(key)
        self._count(sending.trip, sending.rate, -1)
        self._squeezed.pop(key, None)
        for link in sending.trip.links if self._yielding else ():
            del self._on_link[link][key]
        return sending

    def _count(self, trip: Trip, rate: float, sign: int) -> None:
        taken = sign * trip.takes(rate)
        for link in trip.links:
            self._taken[link] += taken
            if link in self._free:
                self._free[link] -= sign

    def _left(self, link: int) -> float:
        return self._budgets[link] * (1 + _TOLERANCE) - self._taken[link]

    def _offer(self, trip: Trip) -> float:
        """The rate that a migration could have now."""
        rate, full = trip.best, trip.takes(trip.best)
        for link in trip.links:
            free = self._left(link)
            if free < full:
                rate = min(rate, (free - trip.burst) / trip.load)
        return rate if rate == trip.best else trip.rounded(max(rate, 0.0))

    # Sharing

    def _on(self, link: int, trip: Trip, partners: Collection[int]) -> Iterator[int]:
        """Those on a link that make way: of less weight, or partners."""
        for key in self._on_link.get(link, ()):
            if key in partners or self._sending[key].weight < trip.settings.weight:
                yield key

    def _yielded(self, link: int, trip: Trip, partners: Collection[int]) -> float:
        """What others can give up of a link."""
        if not self._yielding:
            return 0.0
        others = (self._sending[key] for key in self._on(link, trip, partners))
        return sum((other.rate - other.least) * other.trip.load for other in others)

    def _pushed_aside(self, key: int, trip: Trip, least: float, partners: Collection[int]) -> dict[int, float]:
        """Its rate, and those that are left to others on its links."""
        sendings = {other: self._sending[other] for link in trip.links for other in self._on(link, trip, partners)}
        claims = {
            other: _claim(sending, floor=sending.least, ceiling=sending.rate) for other, sending in sendings.items()
        }
        claims[key] = Claim(
            places=trip.links, floor=least, ceiling=trip.best, weight=trip.settings.weight, load=trip.load
        )
        room = {link: self._left(link) - trip.burst for link in trip.links}
        for sending in sendings.values():
            for link in room.keys() & set(sending.trip.links):
                room[link] += sending.rate * sending.trip.load
        return fill(claims, room)

    def _relieve(self, links: Collection[int], time: float) -> dict[int, Sending]:
        """What is free on some links from a time on is given to those on them that could send faster."""
        freed = set(links)
        claims = {
            key: _claim(sending, floor=sending.rate, ceiling=sending.trip.best)
            for key in self._squeezed
            if not freed.isdisjoint((sending := self._sending[key]).trip.links) and sending.end > time
        }
        room: dict[int, float] = {}
        for claim in claims.values():
            for link in claim.places:
                room[link] = room.get(link, self._left(link)) + claim.floor * claim.load
        changed: dict[int, Sending] = {}
        for key, rate in (fill(claims, room) if claims else {}).items():
            rate = self._sending[key].trip.rounded(rate)
            if rate > self._sending[key].rate:
                changed[key] = self._change(key, time, rate)
        return changed

    def _change(self, key: int, time: float, rate: float) -> Sending:
        before = self._sending[key]
        self._put(key, before.changed(time, rate))
        return before

    def _put(self, key: int, sending: Sending) -> None:
        more = (sending.rate - self._sending[key].rate) * sending.trip.load
        for link in sending.trip.links:
            self._taken[link] += more
        self._sending[key] = sending
        if sending.rate < sending.trip.best:
            self._squeezed[key] = None
        else:
            self._squeezed.pop(key, None)


def _claim(sending: Sending, *, floor: float, ceiling: float) -> Claim[int]:
    trip = sending.trip
    return Claim(places=trip.links, floor=floor, ceiling=ceiling, weight=sending.weight, load=trip.load)
