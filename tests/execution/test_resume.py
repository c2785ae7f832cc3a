"""A run whose controller died: what it left on the hosts is settled, and the rest is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import pytest
from rebalancer_simulator import Breakdown, Faults, Outage
from rebalancer_simulator.driver import SimulatedConnection

from rebalancer.cluster import DomainState
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.drivers import MigrationOptions, Sighting
from rebalancer.errors import HostUnreachable
from rebalancer.execution import Outcome, RunResult, RunState, Silent, StepOutcome
from rebalancer.execution.hosts import Finding
from rebalancer.execution.recovery import Course, Past, course
from rebalancer.execution.resume import resume
from rebalancer.plan.model import Plan
from tests.execution.traffic import excess
from tests.execution.worlds import GB, Bench, cluster, domain, plan, step, uuid

WORLD = cluster(["h1", "h2", "h3"], [domain("a", "h1", memory=4 * GB), domain("b", "h2")])
A = step(WORLD, 1, "a", "h1", "h2")
B = step(WORLD, 2, "b", "h2", "h3", after=["s1"])
MADE = plan(WORLD, A, B)


class Interrupted(Bench):
    """A run that was left after it had written that it was about to start ``s1``, and perhaps had started it."""

    def __init__(self, faults: Faults | None = None, *, started: bool, detail: Mapping[str, object] | None = None):
        super().__init__(WORLD, faults)
        self.number = self.journal.start_run("{}", "test", MADE.steps)
        self.journal.intent(self.number, A, {"live": True} | dict(detail or {}))
        if started:
            self.simulation.begin(A.uuid, "h1", "h2", MigrationOptions())

    def resume(self) -> RunResult:
        return resume(self.number, MADE, self.simulation.seen, self.hosts, self.journal, clock=self.hosts.clock())

    def after(self, seconds: float) -> None:
        self.simulation.advance(self.simulation.now + seconds)
        self.hosts.clock().sleep(seconds)

    def found(self) -> list[object]:
        return [event.detail["course"] for event in self.journal.run(self.number).events if event.kind == "found"]


def outcomes(result: RunResult) -> dict[str, str]:
    return {key: outcome.outcome.value for key, outcome in result.outcomes.items()}


def left_alone(bench: Interrupted) -> str:
    """Resumed, its first step is: why."""
    result = bench.resume()
    assert outcomes(result) == {"s1": "unknown", "s2": "skipped"}
    return result.outcomes["s1"].reason


def check_done(bench: Interrupted, result: RunResult) -> None:
    assert result.complete
    assert bench.placement() == {uuid("a"): ["h2"], uuid("b"): ["h3"]}
    record = bench.journal.run(bench.number)
    assert record.summary.state is RunState.COMPLETE
    assert bench.journal.leases() == ()


def test_what_was_never_started_is_started() -> None:
    bench = Interrupted(started=False)
    check_done(bench, bench.resume())
    assert bench.found() == ["not moved"]
    assert bench.journal.run(bench.number).steps[0].attempts == 2


def test_what_still_goes_on_is_adopted_and_not_started_again() -> None:
    bench = Interrupted(started=True)
    bench.after(2.0)
    check_done(bench, bench.resume())
    assert bench.found() == ["goes on"]
    assert [transfer.uuid for transfer in bench.simulation.transfers] == [A.uuid, B.uuid]
    measured = bench.journal.run(bench.number).steps[0]
    assert measured.bytes is not None
    assert measured.bytes >= 4 * GB


def test_what_ended_meanwhile_is_done() -> None:
    bench = Interrupted(started=True)
    bench.after(60.0)
    check_done(bench, bench.resume())
    assert bench.found() == ["moved"]
    assert len(bench.simulation.transfers) == 2


def test_resuming_twice_is_harmless() -> None:
    bench = Interrupted(started=True)
    first, second = bench.resume(), bench.resume()
    check_done(bench, second)
    assert outcomes(first) == outcomes(second)
    assert first.where == second.where
    assert len(bench.simulation.transfers) == 2


def test_an_adopted_migration_can_be_cancelled() -> None:
    from rebalancer.execution import StopSignal

    bench, stop = Interrupted(started=True), StopSignal()
    bench.after(2.0)
    stop.raise_to(2)
    result = resume(
        bench.number,
        MADE,
        bench.simulation.seen,
        bench.hosts,
        bench.journal,
        clock=bench.hosts.clock(),
        stop=stop,
    )
    assert outcomes(result) == {"s1": "failed", "s2": "skipped"}
    assert bench.placement()[uuid("a")] == ["h1"]
    check_done(bench, bench.resume())


def test_a_half_received_copy_is_removed_where_the_domain_runs_elsewhere() -> None:
    bench = Interrupted(started=False)
    bench.simulation.put(domain_as("a", "h2", DomainState.PAUSED))
    check_done(bench, bench.resume())
    assert bench.found() == ["copy left"]


@pytest.mark.parametrize("left", [DomainState.PAUSED, DomainState.SHUT_OFF])
def test_remains_at_the_source_are_removed_where_the_domain_runs_at_its_destination(left: DomainState) -> None:
    bench = Interrupted(started=False)
    bench.simulation.put(domain_as("a", "h2", DomainState.RUNNING))
    bench.simulation.put(domain_as("a", "h1", left))
    check_done(bench, bench.resume())
    assert bench.found() == ["original left"]
    assert bench.journal.run(bench.number).steps[0].attempts == 1


LATE = Breakdown(nth=1, doubles=True, late=40.0)
"""Later than a run waits for a host to answer."""


def check_stopped(bench: Interrupted) -> None:
    remains = [event.detail["taken"] for event in bench.journal.run(bench.number).events if event.kind == "remains"]
    assert remains == ["suspended"]
    assert len(bench.simulation.transfers) == 3


@pytest.mark.parametrize("late", [0.0, 40.0])
def test_what_was_started_late_when_nobody_looked_is_stopped_and_removed(late: float) -> None:
    bench = Interrupted(Faults(breakdowns=(replace(LATE, late=late),)), started=True)
    bench.after(60.0)
    assert sorted(bench.placement()[uuid("a")]) == ["h1", "h2"]
    result = bench.resume()
    check_done(bench, result)
    check_told(result)
    assert bench.found() == ["copy left"]
    check_stopped(bench)


def check_told(result: RunResult) -> None:
    (told,) = result.problems
    assert "'a' ran on both h1 and h2 for a moment: check it" in told


def test_what_was_started_late_after_its_step_had_failed_is_stopped_and_removed() -> None:
    bench = Bench(WORLD, Faults(breakdowns=(LATE,)))
    first = bench.run(MADE)
    assert outcomes(first) == {"s1": "failed", "s2": "skipped"}
    assert "sees to it that it does not run there, too" in first.outcomes["s1"].reason
    bench.hosts.clock().sleep(40.0)
    bench.simulation.advance(bench.hosts.clock().now())
    assert sorted(bench.placement()[uuid("a")]) == ["h1", "h2"]
    again = resume(1, MADE, bench.simulation.seen, bench.hosts, bench.journal, clock=bench.hosts.clock())
    assert again.complete
    check_told(again)
    assert bench.placement() == {uuid("a"): ["h2"], uuid("b"): ["h3"]}


def test_it_is_looked_for_though_somebody_who_resumed_the_run_has_died_since() -> None:
    bench = Bench(WORLD, Faults(breakdowns=(LATE,)))
    bench.run(MADE)
    bench.journal.again(1, "s1", "it was failed")
    bench.hosts.clock().sleep(40.0)
    bench.simulation.advance(bench.hosts.clock().now())
    again = resume(1, MADE, bench.simulation.seen, bench.hosts, bench.journal, clock=bench.hosts.clock())
    assert again.complete
    check_told(again)


def test_what_had_been_stopped_when_its_controller_died_is_removed() -> None:
    bench = Interrupted(Faults(breakdowns=(replace(LATE, late=0.0),)), started=True)
    bench.after(20.0)
    bench.journal.event(bench.number, "remains", "s1", {"taken": "suspended"})
    bench.simulation.make_stand_still("h2", uuid("a"))
    result = bench.resume()
    check_done(bench, result)
    check_told(result)
    assert bench.found() == ["copy left"]


@pytest.mark.parametrize("by_run", [True, False])
def test_what_was_stopped_goes_on_only_where_the_run_had_stopped_it_and_it_is_all_there_is(by_run: bool) -> None:
    bench = Interrupted(started=False)
    if by_run:
        bench.journal.event(bench.number, "remains", "s1", {"taken": "suspended"})
    bench.simulation.take("h1", uuid("a"))
    bench.simulation.put(domain_as("a", "h2", DomainState.PAUSED))
    result = bench.resume()
    assert bench.found() == ["only copy" if by_run else "unclear"]
    assert result.complete is by_run
    found = bench.simulation.find("h2", uuid("a"))
    assert found is not None
    assert found.state is (DomainState.RUNNING if by_run else DomainState.PAUSED)


def test_remains_that_somebody_let_go_on_are_no_late_start() -> None:
    """The source does not say that it took the domain back: the one that was started late may be the source's."""
    bench = Interrupted(Faults(keeps_definition=frozenset({1})), started=True)
    bench.after(60.0)
    bench.simulation.put(domain_as("a", "h1", DomainState.RUNNING))
    reason = left_alone(bench)
    assert "Suspend one at once, find out which is right" in reason
    assert sorted(bench.placement()[uuid("a")]) == ["h1", "h2"]


def test_what_cannot_be_stopped_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Interrupted(Faults(breakdowns=(replace(LATE, late=0.0),)), started=True)
    bench.after(20.0)

    def refuse(*_: object) -> None:
        raise HostUnreachable("h2", "timed out")

    monkeypatch.setattr(bench.simulation, "make_stand_still", refuse)
    reason = bench.resume().outcomes["s1"].reason
    assert "h2 started it all the same, late; it could not be stopped there: h2: timed out. Do so at once" in reason


@pytest.mark.parametrize("state", [DomainState.RUNNING, DomainState.PAUSED])
def test_nothing_is_removed_where_it_is_not_clear_which_is_right(state: DomainState) -> None:
    """Running on both, or standing still on both."""
    bench = Interrupted(started=False)
    for host in ("h1", "h2"):
        bench.simulation.put(domain_as("a", host, state))
    reason = left_alone(bench)
    assert sorted(bench.placement()[uuid("a")]) == ["h1", "h2"]
    assert "find out which is right" in reason


def test_what_a_host_starts_late_that_was_silent_when_the_run_was_resumed_is_stopped_there() -> None:
    """It answers again while the step waits for it, and has started the domain by then."""
    late = Breakdown(nth=1, fraction=1.0, doubles=True, late=20.0)
    bench = Interrupted(Faults(breakdowns=(late,)), started=True)
    bench.after(10.0)
    bench.journal.outcome(bench.number, StepOutcome(step="s1", outcome=Outcome.FAILED, reason="h2 could not be asked"))
    assert bench.simulation.find("h2", uuid("a")).state is DomainState.PAUSED
    result = bench.resume()
    assert outcomes(result) == {"s1": "failed", "s2": "skipped"}
    assert "h2 has started it late, and was told to stop it" in result.outcomes["s1"].reason
    assert bench.simulation.find("h1", uuid("a")).state is DomainState.RUNNING
    assert bench.simulation.find("h2", uuid("a")).state is DomainState.PAUSED
    assert any("ran on both h1 and h2" in remark for remark in result.problems)
    check_done(bench, bench.resume())


def test_the_only_copy_is_never_removed() -> None:
    bench = Interrupted(started=False)
    bench.simulation.take("h1", uuid("a"))
    bench.simulation.put(domain_as("a", "h2", DomainState.PAUSED))
    assert outcomes(bench.resume()) == {"s1": "unknown", "s2": "skipped"}
    assert bench.placement()[uuid("a")] == ["h2"]


def test_a_domain_that_the_run_had_suspended_goes_on() -> None:
    bench = Interrupted(started=False)
    bench.journal.event(bench.number, "not converging", "s1", {"taken": "pause"})
    bench.simulation.put(domain_as("a", "h1", DomainState.PAUSED))
    check_done(bench, bench.resume())
    assert bench.found() == ["paused"]


def test_a_domain_that_the_run_had_suspended_goes_on_though_its_step_is_known_to_have_failed() -> None:
    bench = Interrupted(started=False)
    bench.journal.event(bench.number, "not converging", "s1", {"taken": "pause"})
    bench.journal.outcome(bench.number, StepOutcome(step="s1", outcome=Outcome.FAILED, reason="it is paused on h1"))
    bench.simulation.put(domain_as("a", "h1", DomainState.PAUSED))
    check_done(bench, bench.resume())
    assert bench.found() == ["paused"]


def test_a_domain_that_its_hypervisor_holds_goes_on() -> None:
    bench = Interrupted(started=False)
    bench.simulation.make_stand_still("h1", uuid("a"), held=True)
    check_done(bench, bench.resume())
    assert bench.found() == ["paused"]


def test_a_domain_that_its_hypervisor_holds_stays_so_where_its_destination_knows_it() -> None:
    """It may have run there, and written to its disks, before it went off."""
    bench = Interrupted(started=False)
    bench.simulation.make_stand_still("h1", uuid("a"), held=True)
    bench.simulation.put(domain_as("a", "h2", DomainState.SHUT_OFF))
    reason = left_alone(bench)
    assert "it was running and is paused on h1" in reason


@pytest.mark.parametrize(("persistent", "found"), [(True, Course.PAUSED), (False, Course.UNCLEAR)])
def test_a_transient_domain_that_its_hypervisor_holds_stays_so(persistent: bool, found: Course) -> None:
    """A destination where it ran, and went off, does not know it any more."""
    here = Finding(host="h1", sighting=Sighting(name="a", state=DomainState.PAUSED, held=True))
    assert course(A, Past(persistent=persistent), here, Finding(host="h2")).course is found


def test_a_domain_that_its_hypervisor_holds_stays_so_where_somebody_has_moved_it_on() -> None:
    """What stands still on its source is what its migration has left there."""
    bench = Interrupted(started=False)
    bench.simulation.make_stand_still("h1", uuid("a"), held=True)
    bench.simulation.put(domain_as("a", "h3", DomainState.RUNNING))
    reason = left_alone(bench)
    assert reason.endswith("is not let go on: it is running on h3")
    assert bench.simulation.find("h1", uuid("a")).state is DomainState.PAUSED


def test_a_domain_that_its_hypervisor_holds_stays_so_while_another_host_is_silent() -> None:
    bench = Interrupted(started=False, faults=Faults(outages=(Outage(host="h3"),)))
    bench.simulation.make_stand_still("h1", uuid("a"), held=True)
    reason = left_alone(bench)
    assert "may have been moved on, and h3 could not be asked" in reason


def test_a_domain_that_somebody_else_suspended_stays_so() -> None:
    bench = Interrupted(started=False)
    bench.simulation.put(domain_as("a", "h1", DomainState.PAUSED))
    reason = left_alone(bench)
    assert "it was running and is paused on h1" in reason


def test_a_domain_that_somebody_moved_elsewhere_is_left_alone() -> None:
    bench = Interrupted(started=False)
    bench.simulation.take("h1", uuid("a"))
    bench.simulation.put(domain_as("a", "h3", DomainState.RUNNING))
    assert outcomes(bench.resume()) == {"s1": "unknown", "s2": "skipped"}
    assert bench.placement()[uuid("a")] == ["h3"]


def test_a_migration_to_elsewhere_is_somebody_elses_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source need not tell where to, so that a driver would adopt it, throttle it and cancel it."""
    bench = Interrupted(started=False)
    theirs = bench.simulation.begin(A.uuid, "h1", "h3", MigrationOptions())
    theirs.memory *= 20
    adopted: list[object] = []
    monkeypatch.setattr(SimulatedConnection, "adopt", lambda *_: adopted.append(1))
    reason = left_alone(bench)
    assert reason.startswith("it is being migrated from h1, and not to h2: by somebody else")
    assert adopted == []
    assert not theirs.done


def test_a_host_that_does_not_answer_makes_it_unknown_until_it_does() -> None:
    bench = Interrupted(Faults(outages=(Outage(host="h1", until=50.0),)), started=True)
    bench.after(2.0)
    first = bench.resume()
    assert outcomes(first) == {"s1": "unknown", "s2": "skipped"}
    assert "h1 could not be asked" in first.outcomes["s1"].reason
    bench.after(60.0)
    check_done(bench, bench.resume())


def test_a_definition_on_a_source_that_was_cut_off_as_the_copy_ended_is_removed_once_it_answers() -> None:
    """Found by the fault campaign: the step was called done, so that nobody looked again."""
    cut_off = Outage(host="h1", since=3.0, until=200.0)
    bench = Bench(WORLD, Faults(outages=(cut_off,), keeps_definition=frozenset({1})))
    assert outcomes(bench.run(MADE)) == {"s1": "unknown", "s2": "skipped"}
    bench.hosts.clock().sleep(200.0)
    again = resume(1, MADE, bench.simulation.seen, bench.hosts, bench.journal, clock=bench.hosts.clock())
    assert again.complete
    assert bench.simulation.find("h1", uuid("a")) is None


def test_what_is_done_already_is_counted() -> None:
    class Counts(Silent):
        done = -1

        def run_started(self, plan: Plan, run_id: int, done: int = 0) -> None:
            self.done = done

    bench = Bench(WORLD, Faults(outages=(Outage(host="h3", until=200.0),)))
    assert outcomes(bench.run(MADE)) == {"s1": "done", "s2": "failed"}
    bench.hosts.clock().sleep(200.0)
    counts = Counts()
    resume(1, MADE, bench.simulation.seen, bench.hosts, bench.journal, clock=bench.hosts.clock(), observer=counts)
    assert counts.done == 1


def test_steps_that_failed_or_were_not_started_are_tried_again() -> None:
    bench = Bench(WORLD, Faults(outages=(Outage(host="h2", until=100.0),)))
    first = bench.run(MADE)
    assert outcomes(first) == {"s1": "failed", "s2": "skipped"}
    bench.hosts.clock().sleep(100.0)
    again = resume(1, MADE, bench.simulation.seen, bench.hosts, bench.journal, clock=bench.hosts.clock())
    assert {key: o.outcome for key, o in again.outcomes.items()} == {"s1": Outcome.DONE, "s2": Outcome.DONE}


def test_a_host_out_of_reach_for_a_moment_is_tried_again_and_the_step_is_begun_once() -> None:
    bench = Bench(WORLD, Faults(outages=(Outage(host="h1", until=5.0),)))
    assert bench.run(MADE).complete
    assert len(bench.events("again")) == 3
    assert bench.journal.run(1).steps[0].attempts == 1


def domain_as(name: str, host: str, state: DomainState):  # type: ignore[no-untyped-def]
    return replace(domain(name, host, memory=4 * GB), state=state)


def test_what_may_still_be_sent_unseen_keeps_its_share_of_the_links() -> None:
    """Its source is silent, so that nobody watches it; it goes over a link that others cross as well."""
    world = cluster(["h1", "h2", "h3", "h4"], [domain("a", "h1", memory=20 * GB), domain("b", "h3")], uplink=1.25e9)
    caps = {"uplink": 200e6}
    steps = step(world, 1, "a", "h1", "h2"), step(world, 2, "b", "h3", "h4")
    made = plan(world, *(replace(each, bandwidth=BytesPerSecond(100e6)) for each in steps), caps=caps)
    bench = Bench(world, Faults(outages=(Outage(host="h1", since=5.0, until=500.0),)))
    run = bench.journal.start_run("{}", "test", made.steps)
    options = MigrationOptions(bandwidth=BytesPerSecond(180e6))
    bench.journal.intent(run, made.steps[0], asdict(options))
    bench.simulation.begin(made.steps[0].uuid, "h1", "h2", options)
    bench.hosts.clock().sleep(10.0)
    result = resume(run, made, bench.simulation.seen, bench.hosts, bench.journal, clock=bench.hosts.clock())
    assert outcomes(result)["s1"] == "unknown"
    assert excess(bench.simulation, caps) == []
