"""What one migration takes: its way over the links, the rates that make sense for it, and how long it lasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace

from rebalancer.cluster import MigrationTraits, Network
from rebalancer.cluster.network import DirectedLink, cap_of
from rebalancer.cluster.units import Bytes, BytesPerSecond, format_rate
from rebalancer.plan.experience import Overheads
from rebalancer.plan.ledger import Leg
from rebalancer.plan.migration_model import Forecast, forecast
from rebalancer.plan.moves import TOO_NARROW, Moves, flow_of
from rebalancer.plan.rates import BURST_WINDOW, WIRE_OVERHEAD, Flow
from rebalancer.policy.model import MigrationSettings
from rebalancer.values import dataclass

__all__ = ["Trip", "Trips"]


@dataclass(slots=True, kw_only=True)
class Trip:
    """A domain's migration from one host to another. Rates in bytes per second of its own data, headers apart."""

    route: tuple[DirectedLink, ...]
    links: tuple[int, ...]
    """Those of the route that have a cap, by their index in :attr:`Trips.budgets`."""
    load: float
    """What a rate of 1 takes of a link's budget, its switchover spread over the window in which caps are judged."""
    burst: float
    """What it takes of a link's budget besides, whatever its rate."""
    unit: int
    best: float
    """The rate that it gets with all links to itself; 0: none that can be expressed."""
    floor: float
    """The rate below which it would not converge; 0 where it does not with all links to itself either."""
    capped: bool
    """Whether anything but what one stream can carry limits its rate."""
    traits: MigrationTraits
    settings: MigrationSettings
    overheads: Overheads = field(default_factory=Overheads)
    _forecasts: dict[float, Forecast] = field(default_factory=dict)

    def at(self, rate: float) -> Forecast:
        found = self._forecasts.get(rate)
        if found is None:
            found = forecast(
                self.traits,
                BytesPerSecond(max(rate * self.overheads.efficiency, 1.0)),
                self.settings.max_downtime,
                live=self.settings.live,
                ladder=self.settings.when_not_converging,
            )
            self._forecasts[rate] = found
        return found

    def rounded(self, rate: float) -> float:
        """What can be expressed of a rate; where nothing caps it, nothing has to be expressed."""
        return float(int(rate + 1e-6) // self.unit * self.unit) if self.capped else rate

    def takes(self, rate: float) -> float:
        """Of the budget of each link, while it sends at this rate."""
        return rate * self.load + self.burst

    def enough(self, share: float) -> float:
        """The least rate at which it may start, if it must have this share of its best."""
        least = max(self.best * share, self.floor)
        rate = self.rounded(least)
        return rate if rate >= least else min(rate + self.unit, self.best)

    def slower(self, share: float) -> Trip:
        """The same at no more than this share of its best rate, where it converges at that."""
        rate = self.rounded(self.best * share)
        return replace(self, best=rate) if self.links and rate >= max(self.floor, 1.0) else self

    @property
    def switchover(self) -> Bytes:
        """What :attr:`burst` keeps free for its switchover."""
        return Bytes(round(self.burst * BURST_WINDOW * (1 + WIRE_OVERHEAD)))

    @property
    def setup(self) -> float:
        """Seconds before the first byte."""
        return self.overheads.setup

    @property
    def finish(self) -> float:
        """Seconds after the last."""
        return self.overheads.finish

    @property
    def transfer(self) -> float:
        """Seconds of sending with all links to itself."""
        return self.at(self.best).transfer

    @property
    def duration(self) -> float:
        """Seconds from start to end with all links to itself."""
        return self.setup + self.transfer + self.finish

    @property
    def possible(self) -> bool:
        """Whether the links are wide enough for it, and it ends or the policy says what to do if it does not."""
        return self.best > 0 and self.at(self.best).converges


class Trips:
    """All that the migrations of one plan can be; each is worked out once. ``budgets``: bytes per second that
    migrations together may send over each direction of each link that has a cap, headers taken off; ``slots``: how many
    migrations may, None: any number."""

    def __init__(self, moves: Moves, network: Network | None = None) -> None:
        self.moves = moves
        self.network = Network(moves.cluster.links) if network is None else network
        self.budgets: list[float] = []
        self.slots: list[int | None] = []
        self._index: dict[DirectedLink, int] = {}
        self._units = [host.migration.bandwidth_unit for host in moves.cluster.hosts]
        self._trips: dict[tuple[int, int, int], Trip] = {}

    def trip(self, domain: int, source: int, destination: int) -> Trip:
        key = (domain, source, destination)
        found = self._trips.get(key)
        if found is None:
            found = self._trips[key] = self._work_out(domain, source, destination)
        return found

    def too_narrow(self, domain: int, source: int, destination: int) -> str:
        """For a trip without any rate that can be expressed: what leaves it none."""
        trip, host = self.trip(domain, source, destination), self.moves.problem.hosts[source]
        least = f"and the least that {host} can be told is {format_rate(trip.unit)}"
        asked = trip.settings.bandwidth
        if asked is not None and asked < trip.unit:
            return f"{TOO_NARROW}: the policy's bandwidth is {format_rate(asked)}, {least}"
        names = {index: link.link for link, index in self._index.items()}
        narrowest = min(trip.links, key=self.budgets.__getitem__)
        left = max(self.budgets[narrowest] - trip.burst, 0.0) / trip.load
        return f"{TOO_NARROW}: '{names[narrowest]}' has {format_rate(left)} for it, {least}"

    def spread(self, legs: Sequence[Leg]) -> list[Trip]:
        """A trip for each leg: where links are parallel, over the least loaded, those that send most placed first."""
        trips = [self.trip(leg.domain, leg.source, leg.destination) for leg in legs]
        busy: dict[DirectedLink, float] = {}
        for index in sorted(range(len(legs)), key=lambda index: (-trips[index].transfer, index)):
            leg, trip = legs[index], trips[index]
            choices = self.network.parallel(trip.route, self.moves.problem.hosts[leg.destination])
            if not choices:
                continue
            sent = trip.transfer * trip.best
            for each in choices:
                seconds = {link: busy.get(link, 0.0) + sent / max(self._width(link), 1.0) for link in each}
                chosen = min(each, key=seconds.__getitem__)
                busy[chosen] = seconds[chosen]
                if chosen not in trip.route:
                    old = next(link for link in trip.route if link in each)
                    route = tuple(chosen if link == old else link for link in trip.route)
                    trip = self._over(leg.domain, leg.source, leg.destination, route)
            trips[index] = trip if trip.possible else trips[index]
        return trips

    def _width(self, link: DirectedLink) -> float:
        cap = cap_of(self.moves.caps, link)
        return self.network.capacity[link.link] if cap is None else cap

    def _work_out(self, domain: int, source: int, destination: int) -> Trip:
        hosts = self.moves.problem.hosts
        return self._over(domain, source, destination, self.network.route(hosts[source], hosts[destination]))

    def _over(self, domain: int, source: int, destination: int, route: tuple[DirectedLink, ...]) -> Trip:
        moves, hosts = self.moves, self.moves.problem.hosts
        unit = max(self._units[source], 1)
        flow = flow_of(moves, domain, route, unit)
        links = tuple(index for link in route if (index := self._link(link)) is not None)
        traits, settings = moves.domains[domain].migration, moves.settings[domain]
        trip = Trip(
            route=route,
            links=links,
            load=flow.load,
            burst=0.0,
            unit=unit,
            best=0.0,
            floor=0.0,
            capped=bool(links) or flow.ceiling < float("inf"),
            traits=traits,
            settings=settings,
            overheads=moves.experience.overheads(hosts[source], hosts[destination]),
        )
        trip.best = self._best(trip, flow)
        needed = flow.floor / trip.overheads.efficiency
        if trip.best >= needed:
            # One that does not converge is slowed down, switched over or stopped before its last bytes are sent.
            trip.burst = flow.burst / BURST_WINDOW / (1 + WIRE_OVERHEAD)
            trip.best = self._best(trip, flow)
        trip.floor = needed if trip.best >= needed else 0.0
        return trip

    def _best(self, trip: Trip, flow: Flow) -> float:
        offers = [max(self.budgets[link] - trip.burst, 0.0) / trip.load for link in trip.links]
        return trip.rounded(min([flow.ceiling, trip.overheads.stream, *offers]))

    def _link(self, link: DirectedLink) -> int | None:
        """None: it has no cap."""
        index = self._index.get(link)
        if index is None and (cap := cap_of(self.moves.caps, link)) is not None:
            index = self._index[link] = len(self.budgets)
            self.budgets.append(cap / (1 + WIRE_OVERHEAD))
            self.slots.append(self.moves.slots.get(link.link))
        return index
