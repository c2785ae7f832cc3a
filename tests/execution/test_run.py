from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rebalancer_simulator import Breakdown, Faults, Outage, OutageKind

from rebalancer.cluster import Cluster, DomainState
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.drivers import Progress
from rebalancer.execution import Outcome, Place, RunResult, Silent, StepOutcome, StopSignal
from rebalancer.plan.model import Plan, Step
from rebalancer.policy.model import MigrationSettings
from tests.execution.worlds import GB, MB, Bench, cluster, domain, plan, step, uuid


class Log(Silent):
    """Notes when steps start and finish, and can act on it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.most = 0
        self._running: set[str] = set()

    def step_started(self, step: Step, rate: BytesPerSecond | None, behind: Sequence[str] = ()) -> None:
        self.lines.append(f"+{step.id}")
        self._running.add(step.id)
        self.most = max(self.most, len(self._running))

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        self.lines.append(f"-{step.id}")
        self._running.discard(step.id)


def outcomes(result: RunResult) -> dict[str, str]:
    return {key: outcome.outcome.value for key, outcome in result.outcomes.items()}


def test_steps_without_dependencies_run_at_once_and_are_verified() -> None:
    world = cluster(["h1", "h2", "h3", "h4"], [domain("a", "h1"), domain("b", "h3")])
    bench, log = Bench(world), Log()
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2"), step(world, 2, "b", "h3", "h4")), observer=log)
    assert result.complete
    assert log.lines == ["+s1", "+s2", "-s1", "-s2"]
    assert bench.placement() == {uuid("a"): ["h2"], uuid("b"): ["h4"]}
    assert result.where == {uuid("a"): Place(host="h2", name="a"), uuid("b"): Place(host="h4", name="b")}


def test_a_step_waits_for_those_before_it() -> None:
    world = cluster(["h1", "h2", "h3"], [domain("a", "h1"), domain("b", "h2")])
    log = Log()
    steps = step(world, 1, "b", "h2", "h3", start=5.0), step(world, 2, "a", "h1", "h2", after=["s1"], start=0.0)
    assert Bench(world).run(plan(world, *steps), observer=log).complete
    assert log.lines == ["+s1", "-s1", "+s2", "-s2"]


def test_a_swap_through_a_third_host_with_a_bounce() -> None:
    world = cluster(
        ["h1", "h2", "h3"], [domain("a", "h1", memory=8 * GB), domain("b", "h2", memory=8 * GB)], memory=10 * GB
    )
    steps = (
        step(world, 1, "a", "h1", "h3"),
        step(world, 2, "b", "h2", "h1", after=["s1"]),
        step(world, 3, "a", "h3", "h2", after=["s1", "s2"]),
    )
    bench = Bench(world)
    assert bench.run(plan(world, *steps)).complete
    assert bench.placement() == {uuid("a"): ["h2"], uuid("b"): ["h1"]}


def test_slots_of_a_host_and_in_all_are_kept() -> None:
    names = [f"d{number}" for number in range(6)]
    world = cluster(["h1", "h2", "h3"], [domain(name, "h1") for name in names])
    for settings, most in [(MigrationSettings(per_host=2), 2), (MigrationSettings(per_host=9, total=3), 3)]:
        log = Log()
        steps = [step(world, n, name, "h1", "h2" if n % 2 else "h3", settings=settings) for n, name in enumerate(names)]
        assert Bench(world).run(plan(world, *steps), observer=log).complete
        assert log.most == most


def test_room_is_counted_on_both_ends_while_a_domain_moves() -> None:
    """b fits on h2 only when a has left, though the plan forgot to say so."""
    world = cluster(
        ["h1", "h2", "h3"], [domain("a", "h2", memory=6 * GB), domain("b", "h1", memory=6 * GB)], memory=10 * GB
    )
    bench, log = Bench(world), Log()
    steps = step(world, 1, "b", "h1", "h2"), step(world, 2, "a", "h2", "h3")
    assert bench.run(plan(world, *steps), observer=log).complete
    assert log.lines == ["+s2", "-s2", "+s1", "-s1"]


def test_room_is_kept_for_a_step_planned_earlier() -> None:
    """b would fit on h2 at once, but a, which waits for a slot, has to pass through there first."""
    room = {"h2": 10.0 * GB}
    domains = [
        *(domain("slow", "h1", memory=20 * GB), domain("a", "h1", memory=6 * GB)),
        domain("b", "h3", memory=6 * GB),
    ]
    world = cluster(["h1", "h2", "h3", "h4"], domains)
    hosts = (replace(host, capacity={"memory": room.get(host.name, 64.0 * GB)}) for host in world.hosts)
    world = replace(world, hosts=tuple(hosts))
    one = MigrationSettings(per_host=1)
    steps = (
        step(world, 0, "slow", "h1", "h4", settings=one),
        step(world, 1, "a", "h1", "h2", settings=one),
        step(world, 2, "a", "h2", "h3", after=["s1"]),
        step(world, 3, "b", "h3", "h2"),
    )
    assert Bench(world).run(plan(world, *steps)).complete


def test_room_kept_for_a_step_that_never_comes_is_given_away_in_the_end() -> None:
    domains = [domain("huge", "h1", memory=11 * GB), domain("b", "h3", memory=6 * GB)]
    world = cluster(["h1", "h2", "h3"], domains, memory=10.0 * GB)
    result = Bench(world).run(plan(world, step(world, 1, "huge", "h1", "h2"), step(world, 2, "b", "h3", "h2")))
    assert outcomes(result) == {"s1": "skipped", "s2": "done"}


def test_what_a_failed_step_would_have_taken_is_free_again() -> None:
    domains = [domain("a", "h1", memory=6 * GB, called="x"), domain("b", "h3", memory=6 * GB, called="x")]
    world = cluster(["h1", "h2", "h3"], domains, memory=10.0 * GB)
    bench = Bench(world, Faults(breakdowns=(Breakdown(nth=1),)))
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2"), step(world, 2, "b", "h3", "h2")))
    assert outcomes(result) == {"s1": "failed", "s2": "done"}


def test_a_failure_blocks_only_what_depends_on_it() -> None:
    world = cluster(["h1", "h2", "h3", "h4"], [domain("a", "h1"), domain("b", "h2"), domain("c", "h3")])
    bench = Bench(world, Faults(breakdowns=(Breakdown(nth=1, fraction=0.5),)))
    result = bench.run(
        plan(
            world,
            step(world, 1, "a", "h1", "h2"),
            step(world, 2, "b", "h2", "h1", after=["s1"]),
            step(world, 3, "c", "h3", "h4"),
        )
    )
    assert outcomes(result) == {"s1": "failed", "s2": "skipped", "s3": "done"}
    assert not result.complete
    assert "unexpectedly failed" in result.outcomes["s1"].reason
    assert result.outcomes["s2"].reason == "it needs s1 of 'a' (failed)"
    assert result.where[uuid("a")] == Place(host="h1", name="a")


def test_a_step_without_room_because_another_failed_is_skipped_with_what_is_missing() -> None:
    world = cluster(
        ["h1", "h2", "h3"], [domain("a", "h2", memory=6 * GB), domain("b", "h1", memory=6 * GB)], memory=10 * GB
    )
    bench = Bench(world, Faults(breakdowns=(Breakdown(nth=1),)))
    result = bench.run(plan(world, step(world, 1, "a", "h2", "h3"), step(world, 2, "b", "h1", "h2")))
    assert outcomes(result) == {"s1": "failed", "s2": "skipped"}
    assert result.outcomes["s2"].reason == "no room on h2: memory: 5.6 GiB needed, 3.7 GiB free"


def test_renamed_on_the_way_for_a_name_that_is_taken() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", called="database"), domain("b", "h2", called="database")])
    bench = Bench(world)
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2", new_name="database-h1")))
    assert result.complete
    assert result.where[uuid("a")] == Place(host="h2", name="database-h1")
    assert {d.name for d in bench.simulation.domains_on("h2")} == {"database", "database-h1"}


def test_a_name_that_was_taken_meanwhile_fails_the_step_and_nothing_is_forced() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", called="database")])
    bench = Bench(world)
    bench.simulation.put(domain("z", "h2", called="database"))
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2")))
    assert result.outcomes["s1"].outcome is Outcome.FAILED
    assert result.outcomes["s1"].reason == f"the name 'database' is taken on h2 by {uuid('z')}"
    assert not bench.simulation.transfers


def test_room_that_was_taken_meanwhile_fails_the_step() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=6 * GB)], memory=10 * GB)
    bench = Bench(world)
    bench.simulation.put(domain("z", "h2", memory=6 * GB))
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2")))
    assert result.outcomes["s1"].reason.startswith("no room on h2: memory")
    assert not bench.simulation.transfers


def test_a_domain_that_was_moved_renamed_or_stopped_by_hand_is_left_alone() -> None:
    world = cluster(["h1", "h2", "h3"], [domain("a", "h1"), domain("b", "h1"), domain("c", "h1"), domain("d", "h1")])
    bench = Bench(world)
    moved_by_hand(bench, "a", "h1", "h2", called="another")
    bench.simulation.put(replace(world.domains[1], name="other"))
    bench.simulation.put(replace(world.domains[2], state=DomainState.SHUT_OFF))
    bench.simulation.take("h1", uuid("d"))
    result = bench.run(plan(world, *(step(world, n, name, "h1", "h2") for n, name in enumerate("abcd"))))
    assert [result.outcomes[f"s{n}"].reason for n in range(4)] == [
        "'a' is not on h1 any more; it is on h2 now",
        "'b' is called 'other' on h1 now",
        "'c' was running and is shut off now",
        "'d' is not on h1 any more",
    ]
    assert result.where[uuid("a")] == Place(host="h2", name="another")
    assert result.where[uuid("b")] == Place(host="h1", name="other")
    assert result.where[uuid("d")] is None
    assert not bench.simulation.transfers


def moved_by_hand(bench: Bench, name: str, source: str, destination: str, called: str | None = None) -> None:
    moved = bench.simulation.take(source, uuid(name))
    bench.simulation.put(replace(moved, host=destination, name=called or moved.name))


def chain(world: Cluster) -> Plan:
    return plan(
        world,
        step(world, 1, "a", "h1", "h2"),
        step(world, 2, "b", "h2", "h3", after=["s1"]),
        step(world, 3, "c", "h3", "h1", after=["s2"]),
        step(world, 4, "d", "h3", "h1"),
    )


def test_what_needs_a_domain_that_somebody_has_moved_elsewhere_is_skipped_and_says_why() -> None:
    world = cluster(["h1", "h2", "h3"], [domain("a", "h1"), domain("b", "h2"), domain("c", "h3"), domain("d", "h3")])
    bench = Bench(world)
    moved_by_hand(bench, "a", "h1", "h3")
    result = bench.run(chain(world))
    assert outcomes(result) == {"s1": "failed", "s2": "skipped", "s3": "skipped", "s4": "done"}
    assert result.outcomes["s2"].reason == "it needs s1 of 'a' (failed)"
    assert result.outcomes["s3"].reason == "it needs s2 of 'b' (skipped), which needs s1 of 'a' (failed)"
    assert [key for key, outcome in result.outcomes.items() if outcome.outdated] == ["s1"]


def test_what_somebody_else_has_moved_where_the_plan_wants_it_is_done_and_others_go_on() -> None:
    world = cluster(["h1", "h2", "h3"], [domain("a", "h1"), domain("b", "h2"), domain("c", "h3"), domain("d", "h3")])
    bench = Bench(world)
    moved_by_hand(bench, "a", "h1", "h2")
    result = bench.run(chain(world))
    assert result.complete
    assert result.outcomes["s1"].reason == "somebody else has moved it there"
    assert {event.step for event in bench.journal.run(1).events if event.kind == "intent"} == {"s2", "s3", "s4"}


def test_a_stale_definition_under_another_name_is_an_obstacle() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1")])
    bench = Bench(world)
    bench.simulation.put(replace(world.domains[0], host="h2", name="old", state=DomainState.SHUT_OFF))
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2")))
    assert result.outcomes["s1"].reason == "h2 has another definition of 'a', called 'old'"


def test_an_unreachable_destination_fails_the_step_before_it_starts() -> None:
    world = cluster(["h1", "h2", "h3"], [domain("a", "h1"), domain("b", "h1")])
    bench = Bench(world, Faults(outages=(Outage(host="h2"),)))
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2"), step(world, 2, "b", "h1", "h3")))
    assert outcomes(result) == {"s1": "failed", "s2": "done"}
    assert "h2: timed out" in result.outcomes["s1"].reason


def test_a_host_that_answers_garbage_fails_the_step() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1")])
    bench = Bench(world, Faults(outages=(Outage(host="h1", kind=OutageKind.GARBAGE),)))
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2")))
    assert "cannot understand" in result.outcomes["s1"].reason


def test_a_source_out_of_sight_for_a_while_does_not_matter() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=20 * GB)])
    bench = Bench(world, Faults(outages=(Outage(host="h1", since=5, until=60),)))
    assert bench.run(plan(world, step(world, 1, "a", "h1", "h2", duration=20.0))).complete
    assert len(bench.events("out of sight")) == 1


def test_a_source_that_never_comes_back_leaves_it_unknown_for_it_may_run_there_too() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=20 * GB)])
    bench = Bench(world, Faults(outages=(Outage(host="h1", since=5),)))
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2", duration=20.0)))
    assert outcomes(result) == {"s1": "unknown"}
    assert result.where[uuid("a")] == Place(host="h2", name="a")
    assert "it is running on h2, but h1 could not be asked" in result.outcomes["s1"].reason


def test_neither_host_answering_is_unknown_and_its_dependants_are_skipped() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=20 * GB), domain("b", "h2")])
    bench = Bench(world, Faults(outages=(Outage(host="h1", since=5), Outage(host="h2", since=5))))
    steps = step(world, 1, "a", "h1", "h2", duration=20.0), step(world, 2, "b", "h2", "h1", after=["s1"])
    result = bench.run(plan(world, *steps))
    assert outcomes(result) == {"s1": "unknown", "s2": "skipped"}
    assert "h1 could not be asked" in result.outcomes["s1"].reason
    assert "h2 could not be asked" in result.outcomes["s1"].reason
    assert result.where[uuid("a")] is None


def test_a_daemon_that_dies_in_mid_copy_leaves_the_domain_at_its_source() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=20 * GB)])
    for host in ("h1", "h2"):
        bench = Bench(world, Faults(outages=(Outage(host=host, kind=OutageKind.DAEMON, since=5, until=25),)))
        result = bench.run(plan(world, step(world, 1, "a", "h1", "h2", duration=20.0)))
        assert outcomes(result) == {"s1": "failed"}
        assert result.where[uuid("a")] == Place(host="h1", name="a")
        assert bench.placement() == {uuid("a"): ["h1"]}


def test_a_destination_that_cannot_be_asked_after_a_failure_leaves_the_answer_to_the_source() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=20 * GB)])
    bench = Bench(world, Faults(outages=(Outage(host="h2", since=5, kind=OutageKind.DAEMON),)))
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2")))
    assert outcomes(result) == {"s1": "failed"}
    assert result.where[uuid("a")] == Place(host="h1", name="a")


def test_a_domain_that_is_destroyed_on_its_destination_after_arriving_is_not_called_moved() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=2 * GB)])
    bench = Bench(world)

    class Vandal(Silent):
        def step_progress(self, step: Step, progress: Progress, rate: BytesPerSecond | None) -> None:
            if progress.processed and progress.remaining == 0 and bench.simulation.find("h2", uuid("a")):
                bench.simulation.take("h2", uuid("a"))

    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2")), observer=Vandal())
    assert outcomes(result) == {"s1": "unknown"}
    assert result.outcomes["s1"].reason == "neither h1 nor h2 knows it"


def test_one_request_to_stop_finishes_what_runs_and_starts_nothing_more() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=5 * GB), domain("b", "h1"), domain("c", "h1")])
    bench, stop = Bench(world), StopSignal()

    class Stopper(Log):
        def step_started(self, step: Step, rate: BytesPerSecond | None, behind: Sequence[str] = ()) -> None:
            stop.request()

    one = MigrationSettings(per_host=1)
    steps = [step(world, n, name, "h1", "h2", settings=one) for n, name in enumerate("abc")]
    result = bench.run(plan(world, *steps), observer=Stopper(), stop=stop)
    assert outcomes(result) == {"s0": "done", "s1": "not started", "s2": "not started"}
    assert not result.complete
    assert result.problems == ()


def test_a_second_request_to_stop_cancels_what_runs() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=50 * GB)])
    bench, stop = Bench(world), StopSignal()

    class Impatient(Silent):
        def step_progress(self, step: Step, progress: Progress, rate: BytesPerSecond | None) -> None:
            if progress.elapsed > 5:
                stop.request()

    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2")), observer=Impatient(), stop=stop)
    assert outcomes(result) == {"s1": "failed"}
    assert "canceled by client" in result.outcomes["s1"].reason
    assert bench.placement() == {uuid("a"): ["h1"]}
    assert bench.hosts.clock().now() < 10


def test_an_observer_that_fails_does_not_end_the_run() -> None:
    class Broken(Silent):
        def step_started(self, step: Step, rate: BytesPerSecond | None, behind: Sequence[str] = ()) -> None:
            raise BrokenPipeError

    world = cluster(["h1", "h2"], [domain("a", "h1")])
    bench = Bench(world)
    assert bench.run(plan(world, step(world, 1, "a", "h1", "h2")), observer=Broken()).complete
    assert bench.events("observer failed") == [{"error": "BrokenPipeError()"}]


def test_an_empty_plan_is_complete() -> None:
    world = cluster(["h1"], [])
    assert Bench(world).run(plan(world)).complete


def test_predictions_and_measurements_stand_side_by_side_in_the_journal() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", dirty=50 * MB)])
    bench = Bench(world)
    assert bench.run(plan(world, step(world, 1, "a", "h1", "h2"))).complete
    record = bench.journal.run(1)
    (row,) = record.steps
    assert (row.state, row.host_now, row.name_now) == ("done", "h2", "a")
    assert row.predicted_duration == 10.0
    assert row.duration is not None
    assert 2.3 < row.duration < 2.6
    assert row.bytes is not None
    assert row.bytes > GB
    assert [event.kind for event in record.events if event.step] == ["intent", "outcome"]
