"""From moves to timed steps: event-driven list scheduling over a ledger of what every host holds.

At each event (a start or a finish) every waiting move that fits is started, longest first, unless it would take room
without which the others could not all be made (the banker's test, ``drain``). When nothing runs and nothing can start,
a name is changed or a domain is parked on another host (``bounce``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rebalancer.cluster import Cluster, Domain, HostState, Network
from rebalancer.cluster.network import DirectedLink
from rebalancer.cluster.units import BytesPerSecond, Seconds, format_bytes, format_number
from rebalancer.errors import PlanImpossible
from rebalancer.placement.primitives import IntArray
from rebalancer.placement.problem import Problem
from rebalancer.plan.bounce import Bounce, Parking, find_bounces
from rebalancer.plan.dependencies import Dependencies
from rebalancer.plan.drain import Budget, drain
from rebalancer.plan.ledger import Ledger, Leg
from rebalancer.plan.migration_model import (
    ASSUMED_STREAM_RATE,
    FINISH_TIME,
    SETUP_TIME,
    Forecast,
    forecast,
    switchover_burst,
)
from rebalancer.plan.model import Prediction, Step
from rebalancer.plan.names import new_name
from rebalancer.plan.rates import Flow, share_links
from rebalancer.policy.model import MigrationSettings, Names, OnClash

__all__ = ["TOO_NARROW", "Moves", "StuckMovesError", "flow_of", "schedule"]

TOO_NARROW = "a link on its route may carry less than the least rate of a migration"


@dataclass(frozen=True, kw_only=True, eq=False)
class Moves:
    """What is to be scheduled. Indices of domains and hosts are the problem's.

    ``settings``: for each domain; ``caps``: link → bytes per second in each direction.
    """

    cluster: Cluster
    problem: Problem
    domains: tuple[Domain, ...]
    placement: IntArray
    settings: Sequence[MigrationSettings]
    names: Names
    caps: Mapping[str, BytesPerSecond]


class StuckMovesError(PlanImpossible):
    """The moves that no order, not even with bounces, could make: domain (index) → what is missing, in words."""

    def __init__(self, stuck: Mapping[int, str], message: str) -> None:
        self.stuck = stuck
        super().__init__(message)


def flow_of(moves: Moves, domain: int, route: tuple[DirectedLink, ...], unit: int) -> Flow:
    """A migration of the domain as the links on its route see it."""
    settings = moves.settings[domain]
    return Flow(
        route=route,
        ceiling=BytesPerSecond(float("inf")) if settings.bandwidth is None else settings.bandwidth,
        max_downtime=settings.max_downtime,
        burst=switchover_burst(moves.domains[domain].migration),
        unit=unit,
        weight=settings.weight,
    )


@dataclass(slots=True, kw_only=True)
class _Running:
    step: Step
    leg: Leg
    flow: Flow
    rate: BytesPerSecond
    setup: float = SETUP_TIME
    """Seconds left before the first byte."""
    transfer: float = 1.0
    """The share of the transfer that is left."""
    finish: float = FINISH_TIME
    forecast: Forecast


@dataclass(slots=True, kw_only=True)
class _Clock:
    time: float = 0.0
    number: int = 0


class _Schedule:
    def __init__(self, moves: Moves, budget: Budget) -> None:
        self.moves = moves
        self.budget = budget
        self.names = [domain.name for domain in moves.domains]
        self.durations: dict[tuple[int, int, int], float] = {}
        self.unsafe: set[int] = set()
        self.network = Network(moves.cluster.links)
        self.ledger = Ledger(moves.cluster, moves.problem, moves.placement)
        self.dependencies = Dependencies(self.ledger, (int(host) for host in moves.problem.start))
        self.clock = _Clock()
        self.running: list[_Running] = []
        self.steps: list[Step] = []
        self.renamed: set[int] = set()
        self.parked: list[Leg] = []
        hosts = moves.cluster.hosts
        self.units = [host.migration.bandwidth_unit for host in hosts]
        self.renames = [host.migration.rename for host in hosts]
        self.parking = [index for index, host in enumerate(hosts) if host.state is HostState.UP]
        self.pending = sorted(
            (
                self._leg(int(d), int(moves.problem.start[d]), int(moves.placement[d]))
                for d in np.flatnonzero(moves.placement != moves.problem.start)
            ),
            key=lambda leg: (-self._alone(leg).duration, moves.domains[leg.domain].name, leg.domain),
        )

    def _leg(self, domain: int, source: int, destination: int) -> Leg:
        may_rename = self.moves.names.on_clash is OnClash.RENAME and self.renames[source]
        return Leg(domain, source, destination, self.names[domain], fixed_name=not may_rename)

    def _alone(self, leg: Leg) -> Forecast:
        """What the leg takes with all links to itself."""
        flow = self._flow(leg)
        rate = share_links({0: flow}, self.moves.caps)[0]
        return self._forecast(leg, rate)

    def _flow(self, leg: Leg) -> Flow:
        hosts = self.moves.problem.hosts
        return flow_of(
            self.moves,
            leg.domain,
            self.network.route(hosts[leg.source], hosts[leg.destination]),
            self.units[leg.source],
        )

    def _forecast(self, leg: Leg, rate: BytesPerSecond | None) -> Forecast:
        settings = self.moves.settings[leg.domain]
        return forecast(
            self.moves.domains[leg.domain].migration,
            max(BytesPerSecond(1.0), min(rate or ASSUMED_STREAM_RATE, ASSUMED_STREAM_RATE)),
            settings.max_downtime,
            live=settings.live,
        )

    def run(self) -> tuple[Step, ...]:
        self.safe_order, left = drain(self.ledger, self.pending, self.budget)
        self.undrained = len(left)
        while self.pending or self.running:
            while self._start_one():
                pass
            if self.running:
                self._advance()
            elif self.pending:
                self._break_deadlock()
        return tuple(sorted(self.steps, key=lambda step: (step.predicted.start, len(step.id), step.id)))

    def _start_one(self) -> bool:
        for leg in self.pending:
            if self._is_ready(leg) and (rates := self._rates_with(leg)) is not None and self._is_safe(leg):
                self._start(leg, rates)
                return True
        return False

    def _is_ready(self, leg: Leg) -> bool:
        settings = self.moves.settings[leg.domain]
        if len(self.running) >= settings.total:
            return False
        busy = [
            sum(host in (r.leg.source, r.leg.destination) for r in self.running)
            for host in (leg.source, leg.destination)
        ]
        if max(busy) >= settings.per_host:
            return False
        return self.ledger.fits(leg.domain, leg.destination) and self._name_may_be_had(leg)

    def _name_may_be_had(self, leg: Leg) -> bool:
        wanted = leg.name if leg.fixed_name else self.moves.domains[leg.domain].name
        if self.ledger.name_is_free(wanted, leg.destination):
            return True
        if leg.fixed_name:
            return False
        # Waiting for the other to leave costs no name, so a name is changed only when nobody is about to leave.
        leaving = (*self.pending, *(running.leg for running in self.running))
        return leg.domain in self.renamed or not any(
            other.source == leg.destination and other.name == wanted for other in leaving
        )

    def _rates_with(self, leg: Leg) -> dict[int, BytesPerSecond | None] | None:
        """The rates of all running migrations and this one (under -1), or None if links have no room for it now."""
        flows = {index: running.flow for index, running in enumerate(self.running)}
        flows[-1] = self._flow(leg)
        rates = share_links(flows, self.moves.caps)
        for index, flow in flows.items():
            domain = leg.domain if index < 0 else self.running[index].leg.domain
            rate = rates[index]
            if rate is not None and rate < max(flow.unit, self._floor(domain, flow)):
                return None
        return rates

    def _floor(self, domain: int, flow: Flow) -> float:
        """The rate below which the migration would not converge, if alone it would."""
        dirty = float(self.moves.domains[domain].migration.dirty_rate or 0.0) * 1.1
        alone = share_links({0: flow}, self.moves.caps)[0]
        return dirty if alone is None or alone >= dirty else 0.0

    def _is_safe(self, leg: Leg) -> bool:
        """Whether everything that could be made before can still be made once this leg is."""
        if self.safe_order and self.safe_order[0] == leg:
            self.safe_order = self.safe_order[1:]
            return True
        if leg.domain in self.unsafe:
            return False
        others = [other for other in (*self.pending, *self.parked) if other is not leg]
        self.ledger.arrive(leg.domain, leg.destination, leg.name)
        safe = not self.ledger.contended(others)[leg.destination]
        if safe:
            self.safe_order = [other for other in self.safe_order if other != leg]
        elif not self.budget.spent:
            departing = [*(running.leg for running in self.running), leg]
            for other in departing:
                self.ledger.depart(other.domain, other.source, other.name)
            order, left = drain(self.ledger, others, self.budget)
            safe = len(left) <= self.undrained
            if safe:
                self.safe_order = order
            else:
                self.unsafe.add(leg.domain)
            for other in departing:
                self.ledger.arrive(other.domain, other.source, other.name)
        self.ledger.depart(leg.domain, leg.destination, leg.name)
        return safe

    def _start(self, leg: Leg, rates: Mapping[int, BytesPerSecond | None]) -> None:
        domain, hosts = self.moves.domains[leg.domain], self.moves.problem.hosts
        name = self._name_on_arrival(leg)
        self.clock.number += 1
        rate = rates[-1]
        step = Step(
            id=f"s{self.clock.number}",
            domain=leg.name,
            uuid=domain.uuid,
            source=hosts[leg.source],
            destination=hosts[leg.destination],
            new_name=None if name == leg.name else name,
            links=tuple(link.link for link in self._flow(leg).route),
            bandwidth=rate,
            after=self.dependencies.start(leg.domain, leg.source, leg.destination, name),
            uses=domain.uses,
            settings=self.moves.settings[leg.domain],
            predicted=Prediction(
                start=Seconds(self.clock.time),
                duration=Seconds(0.0),
                downtime=Seconds(0.0),
                bytes=domain.migration.memory,
            ),
        )
        self.ledger.arrive(leg.domain, leg.destination, name)
        self.names[leg.domain] = name
        self.pending.remove(leg)
        # A parked domain goes on under the name it has then.
        self.parked = [replace(other, name=name) if other.domain == leg.domain else other for other in self.parked]
        estimate = self._forecast(leg, rate)
        self.running.append(
            _Running(step=step, leg=leg, flow=self._flow(leg), rate=rate or ASSUMED_STREAM_RATE, forecast=estimate)
        )
        self._set_rates({**{i: r for i, r in rates.items() if i >= 0}, len(self.running) - 1: rate})

    def _name_on_arrival(self, leg: Leg) -> str:
        domain, hosts = self.moves.domains[leg.domain], self.moves.problem.hosts
        if leg.fixed_name:
            return leg.name
        if self.ledger.name_is_free(domain.name, leg.destination):
            return domain.name
        if self.ledger.name_is_free(leg.name, leg.destination):
            return leg.name
        return new_name(
            self.moves.names.template,
            name=domain.name,
            source=hosts[leg.source],
            destination=hosts[leg.destination],
            uuid=domain.uuid,
            is_free=lambda name: self.ledger.name_is_free(name, leg.destination),
        )

    def _set_rates(self, rates: Mapping[int, BytesPerSecond | None]) -> None:
        for index, rate in rates.items():
            running = self.running[index]
            running.rate = rate or ASSUMED_STREAM_RATE
            running.forecast = self._forecast(running.leg, rate)
            if running.step.predicted.start == self.clock.time:
                running.step = replace(running.step, bandwidth=rate)

    def _advance(self) -> None:
        """To the next finish."""
        remaining = [r.setup + r.transfer * r.forecast.transfer + r.finish for r in self.running]
        passed = min(remaining)
        self.clock.time += passed
        finished = [r for r, left in zip(self.running, remaining, strict=True) if left <= passed + 1e-9]
        for running in self.running:
            self._progress(running, passed)
        for running in finished:
            self._finish(running)
        self.running = [running for running in self.running if running not in finished]
        flows = {index: running.flow for index, running in enumerate(self.running)}
        self._set_rates(share_links(flows, self.moves.caps))

    @staticmethod
    def _progress(running: _Running, passed: float) -> None:
        setup = min(running.setup, passed)
        running.setup -= setup
        passed -= setup
        whole = running.forecast.transfer
        sending = min(running.transfer * whole, passed)
        running.transfer -= sending / whole if whole > 0 else running.transfer
        running.finish = max(running.finish - (passed - sending), 0.0)

    def _finish(self, running: _Running) -> None:
        step, leg = running.step, running.leg
        self.ledger.depart(leg.domain, leg.source, leg.name)
        self.unsafe.clear()
        self.dependencies.finish(step.id, leg.domain, leg.source, leg.destination, leg.name)
        self.steps.append(
            replace(
                step,
                predicted=Prediction(
                    start=step.predicted.start,
                    duration=Seconds(self.clock.time - step.predicted.start),
                    downtime=running.forecast.downtime,
                    bytes=running.forecast.bytes,
                    converges=running.forecast.converges,
                ),
            )
        )
        self.pending += [other for other in self.parked if other.domain == leg.domain]
        self.parked = [other for other in self.parked if other.domain != leg.domain]

    def _break_deadlock(self) -> None:
        for leg in self.pending:
            taken = not self.ledger.name_is_free(self.moves.domains[leg.domain].name, leg.destination)
            fits = self.ledger.fits(leg.domain, leg.destination)
            if fits and taken and not leg.fixed_name and leg.domain not in self.renamed:
                self.renamed.add(leg.domain)
                return
        squeezed = [leg for leg in self.pending if self._is_ready(leg) and self._rates_with(leg) is None]
        if squeezed:
            self._give_up(dict.fromkeys((leg.domain for leg in squeezed), TOO_NARROW))
        parking = Parking(hosts=self.parking, cost=self._duration, renames=self._may_rename())
        bounces = find_bounces(self.ledger, self.pending, self._bystanders(), parking, self.budget)
        if not bounces or len(self.steps) > 4 * len(self.moves.domains):
            _, left = drain(self.ledger, self.pending, self.budget)
            self._give_up({leg.domain: self._lack(leg) for leg in left or self.pending})
        else:
            self._park(bounces[0])

    def _may_rename(self) -> list[bool]:
        return [renames and self.moves.names.on_clash is OnClash.RENAME for renames in self.renames]

    def _duration(self, leg: Leg) -> float:
        """Seconds that the leg takes with all links to itself; infinite where it would never end."""
        key = (leg.domain, leg.source, leg.destination)
        if key not in self.durations:
            flow = self._flow(leg)
            rate = share_links({0: flow}, self.moves.caps)[0]
            found = self._forecast(leg, rate)
            settings = self.moves.settings[leg.domain]
            ends = found.converges or settings.comes_to_an_end
            possible = (rate is None or rate >= max(flow.unit, 1)) and ends
            self.durations[key] = found.duration if possible else float("inf")
        return self.durations[key]

    def _park(self, bounce: Bounce) -> None:
        """Puts a domain's way over another host in place of its direct one."""
        self.pending = [bounce.first, *(leg for leg in self.pending if leg.domain != bounce.first.domain)]
        self.parked.append(bounce.second)
        self.renamed.add(bounce.first.domain)
        self.ledger.move(bounce.first)
        self.safe_order, left = drain(self.ledger, [*self.pending[1:], bounce.second], self.budget)
        self.undrained = len(left)
        self.ledger.move(bounce.first.reversed())

    def _bystanders(self) -> list[Leg]:
        """Domains that do not move but may step aside."""
        moving = {leg.domain for leg in self.pending}
        return [
            self._leg(index, int(host), int(host))
            for index, host in enumerate(self.moves.placement)
            if index not in moving and self.moves.domains[index].migration.allowed
        ]

    def _lack(self, leg: Leg) -> str:
        host = self.moves.problem.hosts[leg.destination]
        missing = [
            f"{format_bytes(amount) if resource in ('memory', 'disk') else format_number(amount)} of {resource}"
            for resource, amount in self.ledger.missing(leg.domain, leg.destination)
        ]
        if missing:
            return f"{host} lacks {' and '.join(missing)} until others have left it, and no other host can help"
        if not self.ledger.name_is_free(leg.name, leg.destination):
            return f"the name '{leg.name}' is taken on {host}"
        return f"a rule keeps it from {host} until others have left it"

    def _give_up(self, stuck: Mapping[int, str]) -> None:
        names = "; ".join(f"'{self.moves.domains[domain].name}': {text}" for domain, text in stuck.items())
        raise StuckMovesError(stuck, f"no order of moves, even with detours, leads there: {names}")


def schedule(moves: Moves, budget: Budget | None = None) -> tuple[Step, ...]:
    """Steps in the order of their predicted starts, with rates, names and dependencies.

    Raises :class:`StuckMovesError` where some moves cannot be made in any order that was found.
    """
    return _Schedule(moves, Budget() if budget is None else budget).run()
