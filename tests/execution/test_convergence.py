from __future__ import annotations

from dataclasses import replace

import pytest
from rebalancer_simulator import Breakdown, Cut, Faults, Simulation
from rebalancer_simulator.simulation import WIRE
from rebalancer_simulator.transfer import Transfer

from rebalancer.cluster import DomainState
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import Progress
from rebalancer.execution import Outcome, Silent
from rebalancer.execution.convergence import ROUNDS
from rebalancer.plan.migration_model import SETUP_TIME, forecast
from rebalancer.plan.model import Plan, Step
from rebalancer.policy.model import MigrationSettings, Rung
from tests.execution.traffic import excess
from tests.execution.worlds import EVERYTHING, GB, MB, Bench, cluster, domain, plan, step, uuid

RESTLESS = domain("a", "h1", memory=4 * GB, dirty=2.0 * GB)


def bench_with(*rungs: Rung, timeout: float = 20.0, able: object = None) -> tuple[Bench, MigrationSettings]:
    world = cluster(["h1", "h2"], [RESTLESS])
    return Bench(world), MigrationSettings(timeout=Seconds(timeout), when_not_converging=rungs)


def taken(bench: Bench) -> list[object]:
    return [event["taken"] for event in bench.events("not converging")]


def test_a_guest_that_never_converges_is_given_up_as_soon_as_that_shows() -> None:
    bench, settings = bench_with(Rung.CANCEL)
    result = bench.run(plan(bench.world, step(bench.world, 1, "a", "h1", "h2", settings=settings, converges=False)))
    assert result.outcomes["s1"].outcome is Outcome.FAILED
    assert "given up: the guest writes" in result.outcomes["s1"].reason
    assert bench.placement() == {uuid("a"): ["h1"]}
    assert taken(bench) == ["cancel"]
    assert bench.simulation.transfers[0].sent < 3.5 * 4 * GB


def test_it_is_given_up_within_the_predicted_time() -> None:
    """The plan's model knows what a pass over its memory takes; it is found out by as many as show it."""
    bench, settings = bench_with(Rung.CANCEL, timeout=600.0)
    predicted = forecast(RESTLESS.migration, BytesPerSecond(1.25e9 / WIRE), settings.max_downtime)
    assert not predicted.converges
    once = predicted.transfer + SETUP_TIME
    bench.run(plan(bench.world, step(bench.world, 1, "a", "h1", "h2", settings=settings, duration=once)))
    (event,) = bench.events("not converging")
    assert event["after"] <= ROUNDS * once  # type: ignore[operator]
    assert event["after"] < event["within"]  # type: ignore[operator]


@pytest.mark.parametrize("rung", [Rung.POST_COPY, Rung.PAUSE])
def test_the_ladder_moves_it_where_the_policy_allows(rung: Rung) -> None:
    bench, settings = bench_with(rung, Rung.CANCEL)
    result = bench.run(plan(bench.world, step(bench.world, 1, "a", "h1", "h2", settings=settings, converges=False)))
    assert result.complete
    assert taken(bench) == [rung.value]
    assert bench.placement() == {uuid("a"): ["h2"]}


class LeavesItPaused(Simulation):
    """A source that does not let a domain run on that was suspended while it was migrated, as libvirt does."""

    def _fail(self, transfer: Transfer, message: str, *, doubles: bool = False) -> None:
        suspended = transfer.suspended
        super()._fail(transfer, message, doubles=doubles)
        if suspended:
            self._set_state(transfer.source, transfer.uuid, DomainState.PAUSED)


def left_paused() -> tuple[Bench, Plan]:
    """A guest that is suspended, in vain, as the link is cut then."""
    bench, settings = bench_with(Rung.PAUSE, Rung.CANCEL)
    bench.simulation.__class__ = LeavesItPaused
    made = plan(bench.world, step(bench.world, 1, "a", "h1", "h2", settings=settings, converges=False))

    class Cutter(Silent):
        def step_progress(self, step: Step, progress: Progress, rate: BytesPerSecond | None) -> None:
            if bench.simulation.transfers[0].suspended:
                bench.simulation.faults = Faults(cuts=(Cut(link="h1-nic", until=bench.simulation.now + 100.0),))

    assert bench.run(made, observer=Cutter()).outcomes["s1"].outcome is Outcome.FAILED
    return bench, made


def test_a_guest_that_was_suspended_in_vain_runs_on() -> None:
    bench, _ = left_paused()
    found = bench.simulation.find("h1", uuid("a"))
    assert found is not None
    assert found.state is DomainState.RUNNING
    assert [event["taken"] for event in bench.events("remains")] == ["let go on at its source"]


def test_that_a_guest_is_suspended_is_durable_before_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, settings = bench_with(Rung.PAUSE, Rung.CANCEL)
    known: list[object] = []
    suspend = bench.simulation.suspend

    def noting(transfer: Transfer) -> None:
        known.extend(taken(bench))
        suspend(transfer)

    monkeypatch.setattr(bench.simulation, "suspend", noting)
    bench.run(plan(bench.world, step(bench.world, 1, "a", "h1", "h2", settings=settings, converges=False)))
    assert known == taken(bench) == ["pause"]


def test_auto_converge_is_asked_for_from_the_start_and_given_its_time() -> None:
    bench, settings = bench_with(Rung.AUTO_CONVERGE, Rung.CANCEL, timeout=600.0)
    result = bench.run(plan(bench.world, step(bench.world, 1, "a", "h1", "h2", settings=settings, converges=False)))
    assert result.complete
    assert taken(bench) == ["auto_converge"]
    assert bench.simulation.transfers[0].throttle > 0


def test_a_rung_that_the_source_does_not_offer_is_passed_over() -> None:
    world = cluster(["h1", "h2"], [RESTLESS], offers={"h1": replace(EVERYTHING, post_copy=False, auto_converge=False)})
    bench = Bench(world)
    ladder = (Rung.AUTO_CONVERGE, Rung.POST_COPY, Rung.PAUSE)
    settings = MigrationSettings(timeout=Seconds(20.0), when_not_converging=ladder)
    assert bench.run(plan(world, step(world, 1, "a", "h1", "h2", settings=settings))).complete
    assert [event.get("error") or event["taken"] for event in bench.events("not converging")] == [
        "h1: auto_converge is not supported",
        "h1: post_copy is not supported",
        "pause",
    ]


def test_more_bandwidth_is_taken_from_those_that_can_do_without() -> None:
    domains = [domain("a", "h1", memory=4 * GB, dirty=300.0 * MB), domain("b", "h1", memory=20 * GB)]
    world = cluster(["h1", "h2"], domains, uplink=1.25e9)
    bench, caps = Bench(world), {"uplink": 600e6}
    ladder = MigrationSettings(per_host=4, when_not_converging=(Rung.MORE_BANDWIDTH, Rung.CANCEL))
    steps = [
        step(world, 1, "b", "h1", "h2", settings=MigrationSettings(per_host=4), duration=60.0),
        # The plan knew nothing of what the guest writes, so the step starts with half of the link.
        replace(step(world, 2, "a", "h1", "h2", settings=ladder, duration=30.0), bandwidth=None),
    ]
    quiet = replace(world, domains=tuple(replace(d, migration=replace(d.migration, dirty_rate=None)) for d in domains))
    result = bench.run(plan(quiet, *steps, caps=caps), cluster=quiet)
    assert result.complete, result
    assert taken(bench) == ["more_bandwidth"]
    assert excess(bench.simulation, caps) == []


def test_where_there_is_no_more_bandwidth_the_next_rung_is_taken() -> None:
    bench, settings = bench_with(Rung.MORE_BANDWIDTH, Rung.POST_COPY)
    assert bench.run(plan(bench.world, step(bench.world, 1, "a", "h1", "h2", settings=settings))).complete
    assert [event.get("error") or event["taken"] for event in bench.events("not converging")] == [
        "h1: more_bandwidth is not supported: its links have none to spare",
        "post_copy",
    ]


def test_where_no_progress_is_told_the_prediction_decides() -> None:
    world = cluster(["h1", "h2"], [RESTLESS], offers={"h1": replace(EVERYTHING, progress=False)})
    bench = Bench(world)
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2", duration=10.0)))
    assert result.outcomes["s1"].outcome is Outcome.FAILED
    assert "given up: it takes longer than it may" in result.outcomes["s1"].reason
    assert 90 < bench.hosts.clock().now() < 92


def test_a_migration_that_is_slower_than_predicted_but_gets_on_is_not_given_up() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=40 * GB)], uplink=1.25e9)
    bench = Bench(world)
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2", duration=10.0), caps={"uplink": 100e6}))
    assert result.complete
    assert bench.hosts.clock().now() > 4 * 90


def test_a_dead_link_is_not_crossed_by_any_other_rung() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=4 * GB)], uplink=1.25e9)
    bench = Bench(world, Faults(breakdowns=(Breakdown(nth=1, hangs=True),)))
    settings = MigrationSettings(when_not_converging=(Rung.POST_COPY, Rung.PAUSE))
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2", settings=settings)))
    assert "given up: nothing has been sent for 60 s" in result.outcomes["s1"].reason
    assert taken(bench) == ["cancel"]


def test_a_migration_that_hangs_is_unknown_and_not_waited_for_for_ever() -> None:
    world = cluster(["h1", "h2", "h3"], [domain("a", "h1"), domain("b", "h1")])
    bench = Bench(world, Faults(breakdowns=(Breakdown(nth=1, hangs=True),)))
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2"), step(world, 2, "b", "h1", "h3")))
    assert result.outcomes["s1"].outcome is Outcome.UNKNOWN
    assert "still goes on" in result.outcomes["s1"].reason
    assert result.outcomes["s2"].outcome is Outcome.DONE
    assert bench.hosts.clock().now() < 90 + 60 + 40


def test_a_source_that_cannot_cancel_is_left_to_itself_and_said() -> None:
    world = cluster(["h1", "h2"], [RESTLESS], offers={"h1": replace(EVERYTHING, cancel=False)})
    bench = Bench(world)
    settings = MigrationSettings(timeout=Seconds(20.0))
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2", settings=settings)))
    assert result.outcomes["s1"].outcome is Outcome.UNKNOWN
    assert bench.hosts.clock().now() < 20 + 60 + 40


def test_a_move_that_is_not_live_pauses_the_guest_and_lets_it_run_on() -> None:
    bench, _ = bench_with()
    settings = MigrationSettings(live=False)
    result = bench.run(plan(bench.world, step(bench.world, 1, "a", "h1", "h2", settings=settings)))
    assert result.complete
    measured = result.outcomes["s1"].measured
    assert measured is not None
    assert measured.downtime is not None
    assert measured.downtime > 3
