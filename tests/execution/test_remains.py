"""A destination that starts a domain though its migration has failed, as a daemon may that stood still for too long;
a source that keeps the definition of a domain that has moved, as one whose daemon died may."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rebalancer_simulator import Breakdown, Faults, Outage

from rebalancer.drivers import HostConnection
from rebalancer.execution import Outcome, RunResult
from rebalancer.policy.model import MigrationSettings
from tests.execution.worlds import GB, Bench, cluster, domain, plan, step, uuid

DOUBLES = Breakdown(nth=1, doubles=True, message="internal error: client socket is closed")
WORLD = cluster(["h1", "h2"], [domain("a", "h1")])


def test_what_was_started_late_is_stopped_and_removed() -> None:
    bench = Bench(WORLD, Faults(breakdowns=(DOUBLES,)))
    result = bench.run(plan(WORLD, step(WORLD, 1, "a", "h1", "h2")))
    assert bench.placement() == {uuid("a"): ["h1"]}
    assert bench.simulation.find("h2", uuid("a")) is None
    outcome = result.outcomes["s1"]
    assert outcome.outcome is Outcome.FAILED
    assert "h2 had started it all the same" in outcome.reason
    assert [event["taken"] for event in bench.events("remains")] == ["suspended", "removed"]


def test_it_may_start_some_time_after_its_source_has_taken_it_back() -> None:
    bench = Bench(WORLD, Faults(breakdowns=(replace(DOUBLES, late=12.0),)))
    result = bench.run(plan(WORLD, step(WORLD, 1, "a", "h1", "h2")))
    assert "h2 had started it all the same" in result.outcomes["s1"].reason
    assert [event["taken"] for event in bench.events("remains")] == ["suspended", "removed"]
    assert bench.simulation.find("h2", uuid("a")) is None


def test_it_is_tried_again_where_the_policy_says_so() -> None:
    bench = Bench(WORLD, Faults(breakdowns=(DOUBLES,)))
    result = bench.run(plan(WORLD, step(WORLD, 1, "a", "h1", "h2", settings=MigrationSettings(retries=1))))
    assert result.complete
    assert "'a' ran on both h1 and h2 for a moment: check it" in result.problems[0]
    assert bench.placement() == {uuid("a"): ["h2"]}


def test_one_that_answers_only_after_a_while_is_waited_for() -> None:
    breaks = replace(DOUBLES, fraction=0.9)
    alone = Bench(WORLD, Faults(breakdowns=(breaks,)))
    alone.run(plan(WORLD, step(WORLD, 1, "a", "h1", "h2")))
    broke = alone.simulation.transfers[0].ended
    assert broke is not None
    silent = Outage(host="h2", since=broke - 0.1, until=broke + 12.0)
    bench = Bench(WORLD, Faults(outages=(silent,), breakdowns=(breaks,)))
    bench.run(plan(WORLD, step(WORLD, 1, "a", "h1", "h2")))
    assert bench.placement() == {uuid("a"): ["h1"]}
    assert bench.simulation.find("h2", uuid("a")) is None


def test_a_source_that_is_silent_then_is_not_taken_for_having_moved_it() -> None:
    """It has said that the migration failed: what runs on the destination then is not all that runs."""
    bench = Bench(WORLD, Faults(breakdowns=(replace(DOUBLES, late=20.0),)))
    broke = 1.5
    bench.simulation.faults = replace(bench.simulation.faults, outages=(Outage(host="h1", since=broke + 1.0),))
    result = bench.run(plan(WORLD, step(WORLD, 1, "a", "h1", "h2")))
    assert bench.placement() == {uuid("a"): ["h1", "h2"]}
    assert result.outcomes["s1"].outcome is Outcome.UNKNOWN
    assert "h1 could not be asked" in result.outcomes["s1"].reason


def test_a_definition_that_is_left_on_the_source_is_removed() -> None:
    bench = Bench(WORLD, Faults(keeps_definition=frozenset({1})))
    assert bench.run(plan(WORLD, step(WORLD, 1, "a", "h1", "h2"))).complete
    assert bench.placement() == {uuid("a"): ["h2"]}
    assert bench.simulation.find("h1", uuid("a")) is None
    assert [event["taken"] for event in bench.events("remains")] == ["definition removed"]


LONG = cluster(
    ["h1", "h2", "h3", "h4"],
    [domain("a", "h1"), domain("b", "h3", memory=100 * GB), domain("c", "h1")],
    memory=200 * GB,
)


def long_run(faults: Faults, *, after: Sequence[str] = ()) -> tuple[Bench, RunResult]:
    """While its destination is silent, the step of 'a' fails; that of 'b' takes longer than the silence."""
    bench = Bench(LONG, faults)
    steps = step(LONG, 1, "a", "h1", "h2"), step(LONG, 2, "b", "h3", "h4"), step(LONG, 3, "c", "h1", "h4", after=after)
    return bench, bench.run(plan(LONG, *steps))


def test_a_run_that_goes_on_looks_again_at_what_could_not_be_asked() -> None:
    bench, result = long_run(Faults(breakdowns=(replace(DOUBLES, late=50.0),)))
    assert bench.placement()[uuid("a")] == ["h1"]
    assert bench.simulation.find("h2", uuid("a")) is None
    outcome = result.outcomes["s1"]
    assert outcome.outcome is Outcome.FAILED
    assert "h2 had started it all the same" in outcome.reason
    assert "could not be asked" not in outcome.reason
    assert "'a' ran on both h1 and h2 for a moment" in result.problems[0]
    (row,) = [row for row in bench.journal.run(1).steps if row.step == "s1"]
    assert (row.state, row.reason) == ("failed", outcome.reason)


def test_a_run_looks_again_before_it_ends_whatever_else_ended_last() -> None:
    """What waited for the step that failed is skipped long before; the other ends right when its host answers."""
    world = cluster(["h1", "h2", "h4"], [domain("a", "h4"), domain("b", "h1", memory=5 * GB)], memory=12 * GB)
    faults = Faults(
        breakdowns=(replace(DOUBLES, fraction=1.0, late=45.0),), outages=(Outage(host="h1", since=5.0, until=16.0),)
    )
    bench = Bench(world, faults)
    moves = (1, "a", "h4", "h2"), (2, "b", "h1", "h2")
    steps = [*(step(world, *move) for move in moves), step(world, 3, "a", "h2", "h1", after=["s1"])]
    result = bench.run(plan(world, *steps))
    assert bench.placement() == {uuid("a"): ["h4"], uuid("b"): ["h2"]}
    assert "h2 had started it all the same" in result.outcomes["s1"].reason


def test_a_definition_is_removed_though_its_domain_has_moved_on() -> None:
    """Its source is silent until after the next leg: what it left is looked for there, and the domain where it is."""
    legs = step(LONG, 1, "a", "h1", "h2"), step(LONG, 3, "a", "h2", "h3", after=["s1"], new_name="a-2")
    made = plan(LONG, *legs, step(LONG, 2, "b", "h3", "h4"))
    kept = Faults(keeps_definition=frozenset({1}))
    alone = Bench(LONG, kept)
    alone.run(made)
    arrived = alone.simulation.transfers[0].ended
    assert arrived is not None
    bench = Bench(LONG, replace(kept, outages=(Outage(host="h1", since=arrived + 0.5, until=arrived + 45.0),)))
    result = bench.run(made)
    assert result.complete
    assert bench.placement()[uuid("a")] == ["h3"]
    assert bench.simulation.find("h1", uuid("a")) is None
    assert [event["taken"] for event in bench.events("remains")] == ["definition removed"]
    assert result.outcomes["s1"].reason == ""


def test_what_could_not_be_asked_and_is_well_is_told_so() -> None:
    silent = Outage(host="h2", since=0.5, until=50.0)
    _, result = long_run(Faults(breakdowns=(Breakdown(nth=1),), outages=(silent,)), after=["s1"])
    outcome = result.outcomes["s1"]
    assert outcome.outcome is Outcome.FAILED
    assert "could not be asked" not in outcome.reason
    assert result.outcomes["s3"].outcome is Outcome.SKIPPED


def test_a_host_that_stays_silent_is_asked_once_for_all_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question may take as long as a timeout, in which nothing else is looked after."""
    world = cluster(
        ["h1", "h2", "h3", "h4"],
        [*(domain(name, "h1") for name in "acd"), domain("b", "h3", memory=100 * GB)],
        memory=200 * GB,
    )
    faults = Faults(
        breakdowns=tuple(Breakdown(nth=nth) for nth in (1, 2, 3)), outages=(Outage(host="h2", since=0.5, until=500.0),)
    )
    bench = Bench(world, faults)
    settings = MigrationSettings(per_host=9, total=9)
    steps = [step(world, n, name, "h1", "h2", settings=settings) for n, name in enumerate("acd")]
    asked: list[float] = []
    connection = bench.hosts.connection

    def counting(host: str) -> HostConnection:
        if host == "h2":
            asked.append(float(bench.hosts.clock().now()))
        return connection(host)

    monkeypatch.setattr(bench.hosts, "connection", counting)
    bench.run(plan(world, *steps, step(world, 9, "b", "h3", "h4")))
    later = Counter(round(time) for time in asked if time > 40)
    assert later
    assert set(later.values()) == {1}
