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

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from rebalancer_simulator import Breakdown, Cut, Outage, OutageKind

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


class Death(BaseException):
    """SIGKILL, as far as one process can play it: nothing catches it, and nothing is cleaned up in the world."""


class Fate:
    """Dies around the ``left``-th commit to the journal or call of a driver from now; None: lives."""

    def __init__(self) -> None:
        self.left: int | None = None

    def wrap(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def around(*arguments: Any, **options: Any) -> Any:
            self._pass_by()
            result = act(*arguments, **options)
            self._pass_by()
            return result

        return around

    def _pass_by(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Death


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
        self.bench = worlds.Bench(world)
        self.simulation = self.bench.simulation
        self.bench.journal = self._mortal(Journal(None))
        self.simulation.begin = self.fate.wrap(self.simulation.begin)  # type: ignore[method-assign]

    def _mortal(self, journal: Journal) -> Journal:
        for name in COMMITS:
            setattr(journal, name, self.fate.wrap(getattr(journal, name)))
        return journal

    # Controllers

    @rule(dies_at=st.none() | st.integers(0, 60), stop=st.sampled_from([0, 0, 0, 1, 2]))
    def carry_out(self, dies_at: int | None, stop: int) -> None:
        """Begins the run, or goes on with it."""
        self.fate.left = dies_at
        asked = StopSignal()
        asked.raise_to(stop)
        try:
            self._said(self._go_on(asked))
        except Death:
            pass
        finally:
            self.fate.left = None

    def _go_on(self, stop: StopSignal) -> RunResult:
        bench = self.bench
        if not bench.journal.list_runs():
            return bench.run(self.made, cluster=self.simulation.seen(), stop=stop)
        return resume(
            1, self.made, self.simulation.seen, bench.hosts, bench.journal, clock=bench.hosts.clock(), stop=stop
        )

    def _said(self, result: RunResult) -> None:
        """What a controller says at its end is so."""
        assert set(result.outcomes) == set(self.made.step_by_id)
        assert result.complete == all(o.outcome is Outcome.DONE for o in result.outcomes.values())
        state = self.bench.journal.run(1).summary.state
        assert state is (RunState.COMPLETE if result.complete else RunState.INCOMPLETE)
        self.finished |= result.complete
        unknown = {self.made.step_by_id[k].uuid for k, o in result.outcomes.items() if o.outcome is Outcome.UNKNOWN}
        for uuid, place in result.where.items():
            if place is not None and uuid not in unknown and not self.by_hand[uuid]:
                assert (place.host, place.name) in self._places(uuid)

    # The world

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
        moved = data.draw(st.sampled_from([domain.uuid for domain in self.made.snapshot.domains]))
        (place,) = self._places(moved)
        there = data.draw(st.sampled_from([host for host in HOSTS if host != place[0]]))
        self.by_hand[moved] += 1
        self.simulation.begin(moved, place[0], there, MigrationOptions())

    def _faults(self, **more: tuple[Any, ...]) -> None:
        known = self.simulation.faults
        self.simulation.faults = replace(known, **{key: getattr(known, key) + added for key, added in more.items()})

    # What must hold

    @invariant()
    def every_domain_is_somewhere_and_nowhere_else(self) -> None:
        if hasattr(self, "bench"):
            for domain in self.made.snapshot.domains:
                assert len(self._places(domain.uuid)) == 1, (domain.name, self._places(domain.uuid))

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
        self.time_goes_by(10_000.0)
        for _ in range(3):
            self._said(self._go_on(StopSignal()))
        self.time_goes_by(10_000.0)
        self.every_domain_is_somewhere_and_nowhere_else()
        self.no_step_is_carried_out_twice()
        assert self.bench.journal.leases() == ()
        assert all(domain.state == "running" for domain in self.simulation.settled().domains)
        assert len(self.simulation.settled().domains) == len(self.made.snapshot.domains)
        while worlds.OPEN:
            worlds.OPEN.pop().close()
        self.bench.journal.close()

    def _places(self, uuid: str) -> list[tuple[str, str]]:
        return [(d.host, d.name) for d in self.simulation.settled().domains if d.uuid == uuid and d.state.active]


TestControllers = Controllers.TestCase
TestControllers.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
