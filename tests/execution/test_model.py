"""Model check: a plan on simulated hosts, its controller dying at any commit or call, whatever else goes wrong.

What is true is the simulated world; what the journal and the results say is held against it. ``MODEL_EXAMPLES``: how
many histories are tried.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from rebalancer_simulator import Breakdown, Cut, Outage, OutageKind, VirtualClock
from rebalancer_simulator.transfer import Transfer

from rebalancer.cluster.units import Seconds
from rebalancer.drivers import MigrationOptions
from rebalancer.execution import Outcome, RunResult, RunState, StopSignal
from rebalancer.execution.journal import Journal
from rebalancer.execution.resume import resume
from rebalancer.plan.model import Plan
from tests.execution import worlds
from tests.execution.test_invariants import HOSTS, plans
from tests.execution.test_invariants import worlds as some_worlds

COMMITS = ("start_run", "take_over", "intent", "outcome", "again", "event", "finish_run")
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "250"))
SEEDED = "MODEL_EXAMPLES" not in os.environ
"""The same few histories each time, unless more are asked for."""


class Death(BaseException):
    """SIGKILL, as far as one process can play it: nothing catches it, and nothing is cleaned up in the world."""


class Fate:
    """Dies around the ``left``-th commit to the journal or call of a driver from now, or while it waits for what runs
    when the world's clock shows ``until``; None: lives."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.until: float | None = None

    def wrap(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def around(*arguments: Any, **options: Any) -> Any:
            self._pass_by()
            result = act(*arguments, **options)
            self._pass_by()
            return result

        return around

    def wait_until(self, now: float) -> None:
        if self.until is not None and now >= self.until:
            raise Death

    def _pass_by(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Death


class MortalClock(VirtualClock):
    """Of somebody who may die while waiting."""

    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self._fate = fate

    def sleep(self, duration: Seconds) -> None:
        super().sleep(duration)
        self._fate.wait_until(self.now())


class Controllers(RuleBasedStateMachine):
    """Controllers that carry out one plan, one after another."""

    def __init__(self) -> None:
        super().__init__()
        self.fate = Fate()
        self.by_hand: Counter[str] = Counter()
        self.finished = False

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        world = data.draw(some_worlds())
        self.made: Plan = data.draw(plans(world))[0]
        self.bench = worlds.Bench(world, clock=MortalClock(self.fate))
        self.simulation = self.bench.simulation
        self.bench.journal = self._mortal(Journal(None))
        self.simulation.begin = self.fate.wrap(self.simulation.begin)  # type: ignore[method-assign]

    def _mortal(self, journal: Journal) -> Journal:
        for name in COMMITS:
            setattr(journal, name, self.fate.wrap(getattr(journal, name)))
        return journal

    # Controllers

    @rule(stop=st.sampled_from([0, 0, 0, 1, 2]))
    def carry_out(self, stop: int) -> None:
        """Begins the run, or goes on with it."""
        since = self.simulation.now
        asked = StopSignal()
        asked.raise_to(stop)
        self._said(self._go_on(asked), since)

    @rule(boundary=st.integers(0, 60))
    def die_at_a_boundary(self, boundary: int) -> None:
        self.fate.left = boundary
        self._die()

    @rule(seconds=st.floats(0.1, 40))
    def die_at_some_moment(self, seconds: float) -> None:
        self.fate.until = self.simulation.now + seconds
        self._die()

    def _die(self) -> None:
        """Does as :meth:`carry_out`, unless the run is over by then."""
        try:
            self.carry_out(stop=0)
        except Death:
            pass
        finally:
            self.fate.left = self.fate.until = None

    def _go_on(self, stop: StopSignal) -> RunResult:
        bench = self.bench
        if not bench.journal.list_runs():
            return bench.run(self.made, cluster=self.simulation.seen(), stop=stop)
        return resume(
            1, self.made, self.simulation.seen, bench.hosts, bench.journal, clock=bench.hosts.clock(), stop=stop
        )

    def _said(self, result: RunResult, since: float) -> None:
        """What a controller says at its end is so; ``since``: when it began."""
        assert set(result.outcomes) == set(self.made.step_by_id)
        assert result.complete == all(o.outcome is Outcome.DONE for o in result.outcomes.values())
        state = self.bench.journal.run(1).summary.state
        assert state is (RunState.COMPLETE if result.complete else RunState.INCOMPLETE)
        self.finished |= result.complete
        unknown = {self.made.step_by_id[k].uuid for k, o in result.outcomes.items() if o.outcome is Outcome.UNKNOWN}
        for transfer in self._started_late():
            outcomes = [o.outcome for k, o in result.outcomes.items() if self.made.step_by_id[k].uuid == transfer.uuid]
            ends = {transfer.source, transfer.destination}
            both = ends <= {host for host, _ in self._places(transfer.uuid)}
            if not self._was_silent(transfer, since) or (transfer.started >= since and self._answers(transfer)):
                assert not both
            elif both:
                assert set(outcomes) != {Outcome.DONE}
        for uuid, place in result.where.items():
            if place is not None and uuid not in unknown and not self.by_hand[uuid]:
                assert (place.host, place.name) in self._places(uuid)

    # The world

    @rule(ahead=st.integers(1, 3), fraction=st.floats(0.5, 1), late=st.sampled_from([0.0, 3.0, 20.0, 45.0]))
    def a_destination_starts_late(self, ahead: int, fraction: float, late: float) -> None:
        nth = len(self.simulation.transfers) + ahead
        self._faults(breakdowns=(Breakdown(nth=nth, fraction=fraction, doubles=True, late=late),))

    @rule(ahead=st.integers(1, 3))
    def a_source_keeps_its_definition(self, ahead: int) -> None:
        known = self.simulation.faults
        kept = known.keeps_definition | {len(self.simulation.transfers) + ahead}
        self.simulation.faults = replace(known, keeps_definition=kept)

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 30.0, 300.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.bench.hosts.clock().sleep(seconds)
        self.simulation.advance(self.bench.hosts.clock().now())

    @rule(
        host=st.sampled_from(HOSTS),
        kind=st.sampled_from(OutageKind),
        after=st.floats(0, 20),
        length=st.floats(0.5, 60),
    )
    def a_host_fails(self, host: str, kind: OutageKind, after: float, length: float) -> None:
        since = self.simulation.now + after
        self._faults(outages=(Outage(host=host, kind=kind, since=since, until=since + length),))

    @rule(link=st.sampled_from(["uplink", "h2-nic"]), after=st.floats(0, 20), length=st.floats(0.5, 60))
    def a_link_is_cut(self, link: str, after: float, length: float) -> None:
        since = self.simulation.now + after
        self._faults(cuts=(Cut(link=link, since=since, until=since + length),))

    @rule(ahead=st.integers(1, 3), fraction=st.floats(0, 1))
    def a_migration_breaks(self, ahead: int, fraction: float) -> None:
        nth = len(self.simulation.transfers) + ahead
        self._faults(breakdowns=(Breakdown(nth=nth, fraction=fraction),))

    @precondition(lambda self: self.made.snapshot.domains)
    @rule(data=st.data())
    def somebody_moves_a_domain(self, data: st.DataObject) -> None:
        twice = {transfer.uuid for transfer in self._started_late()}
        once = [domain.uuid for domain in self.made.snapshot.domains if domain.uuid not in twice]
        assume(once)
        moved = data.draw(st.sampled_from(once))
        (place,) = self._places(moved)
        there = data.draw(st.sampled_from([host for host in HOSTS if host != place[0]]))
        self.by_hand[moved] += 1
        self._spare(len(self.simulation.transfers) + 1)
        self.simulation.begin(moved, place[0], there, MigrationOptions())

    def _faults(self, **more: tuple[Any, ...]) -> None:
        known = self.simulation.faults
        self.simulation.faults = replace(known, **{key: getattr(known, key) + added for key, added in more.items()})

    def _spare(self, nth: int) -> None:
        """A migration of which a run could not clear up what it leaves, as nobody tells it."""
        known = self.simulation.faults
        self.simulation.faults = replace(
            known,
            breakdowns=tuple(b for b in known.breakdowns if b.nth != nth or not b.doubles),
            keeps_definition=known.keeps_definition - {nth},
        )

    def _started_late(self) -> list[Transfer]:
        """Migrations that failed, and whose destination starts, or has started, the domain nevertheless."""
        return [t for t in self.simulation.transfers if t.doubles and t.error == t.break_message]

    def _was_silent(self, transfer: Transfer, since: float) -> bool:
        """Whether one of its hosts did not answer at some time since then."""
        ends = (transfer.source, transfer.destination)
        return any(outage.host in ends and outage.until > since for outage in self.simulation.faults.outages)

    def _answers(self, transfer: Transfer) -> bool:
        """Whether both of its hosts answer now, so that whoever began it has had a last look."""
        ends, now = (transfer.source, transfer.destination), self.bench.hosts.clock().now()
        return not any(outage.host in ends and outage.active(now) for outage in self.simulation.faults.outages)

    # What must hold

    @invariant()
    def every_domain_is_somewhere_and_nowhere_else(self) -> None:
        if hasattr(self, "bench"):
            for domain in self.made.snapshot.domains:
                places = self._places(domain.uuid)
                if len(places) != 1:
                    # Until a controller has had a look (see _said), nobody prevents a late start.
                    late = [{t.source, t.destination} for t in self._started_late() if t.uuid == domain.uuid]
                    assert {host for host, _ in places} in late, (domain.name, places)

    @invariant()
    def no_step_is_carried_out_twice(self) -> None:
        if not hasattr(self, "bench"):
            return
        legs = Counter((step.uuid, step.source, step.destination) for step in self.made.steps)
        moved = Counter((t.uuid, t.source, t.destination) for t in self.simulation.transfers if t.done and not t.error)
        for leg, count in moved.items():
            assert count <= legs[leg] + self.by_hand[leg[0]]

    def teardown(self) -> None:
        """Once all is well again, going on ends it, and nothing is left behind."""
        if not hasattr(self, "bench"):
            return
        self.simulation.faults = type(self.simulation.faults)()
        self.time_goes_by(1_000.0)
        for _ in range(3):
            result = self._go_on(StopSignal())
            self._said(result, self.simulation.now)
        self.time_goes_by(1_000.0)
        for domain in self.made.snapshot.domains:
            assert len(self._places(domain.uuid)) == 1, domain.name
        self.no_step_is_carried_out_twice()
        assert self.bench.journal.leases() == ()
        assert all(d.state == "running" for d in self.simulation.settled().domains if d.state.active)
        self._only_what_was_told_is_left(result)
        while worlds.OPEN:
            worlds.OPEN.pop().close()
        self.bench.journal.close()

    def _only_what_was_told_is_left(self, result: RunResult) -> None:
        """Definitions on sources that did not answer, or not often enough, when the domain had moved."""
        for left in self.simulation.settled().domains:
            if not left.state.active:
                told = [
                    result.outcomes[step.id].reason
                    for step in self.made.steps
                    if (step.uuid, step.source) == (left.uuid, left.host)
                ]
                words = (f"{left.host} could not be asked", f"its definition is left on {left.host}")
                assert any(word in reason for reason in told for word in words), (left.name, left.host, told)

    def _places(self, uuid: str) -> list[tuple[str, str]]:
        return [(d.host, d.name) for d in self.simulation.settled().domains if d.uuid == uuid and d.state.active]


TestControllers = Controllers.TestCase
TestControllers.settings = settings(
    max_examples=EXAMPLES,
    derandomize=SEEDED,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
