from __future__ import annotations

from dataclasses import replace

import pytest
from rebalancer_simulator import Breakdown, Faults

from rebalancer.cluster.units import Seconds
from rebalancer.execution import Outcome
from rebalancer.policy.model import MigrationSettings, Rung
from tests.execution.worlds import EVERYTHING, GB, Bench, cluster, domain, plan, step, uuid

RESTLESS = domain("a", "h1", memory=4 * GB, dirty=2.0 * GB)


def bench_with(*rungs: Rung, timeout: float = 20.0, able: object = None) -> tuple[Bench, MigrationSettings]:
    world = cluster(["h1", "h2"], [RESTLESS])
    return Bench(world), MigrationSettings(timeout=Seconds(timeout), when_not_converging=rungs)


def test_a_guest_that_never_converges_is_given_up() -> None:
    bench, settings = bench_with(Rung.CANCEL)
    result = bench.run(plan(bench.world, step(bench.world, 1, "a", "h1", "h2", settings=settings, converges=False)))
    assert result.outcomes["s1"].outcome is Outcome.FAILED
    assert bench.placement() == {uuid("a"): ["h1"]}
    assert bench.events("not converging") == [{"taken": "cancel"}]
    assert 20 < bench.hosts.clock().now() < 22


@pytest.mark.parametrize("rung", [Rung.POST_COPY, Rung.PAUSE])
def test_the_ladder_moves_it_where_the_policy_allows(rung: Rung) -> None:
    bench, settings = bench_with(rung, Rung.CANCEL)
    result = bench.run(plan(bench.world, step(bench.world, 1, "a", "h1", "h2", settings=settings, converges=False)))
    assert result.complete
    assert bench.events("not converging") == [{"taken": rung.value}]
    assert bench.placement() == {uuid("a"): ["h2"]}


def test_auto_converge_is_asked_for_from_the_start() -> None:
    bench, settings = bench_with(Rung.AUTO_CONVERGE, Rung.CANCEL, timeout=600.0)
    result = bench.run(plan(bench.world, step(bench.world, 1, "a", "h1", "h2", settings=settings, converges=False)))
    assert result.complete
    assert bench.events("not converging") == []
    assert bench.simulation.transfers[0].throttle > 0


def test_a_rung_that_the_source_does_not_offer_is_passed_over() -> None:
    world = cluster(["h1", "h2"], [RESTLESS], offers={"h1": replace(EVERYTHING, post_copy=False)})
    bench = Bench(world)
    settings = MigrationSettings(timeout=Seconds(20.0), when_not_converging=(Rung.POST_COPY, Rung.PAUSE))
    assert bench.run(plan(world, step(world, 1, "a", "h1", "h2", settings=settings))).complete
    assert bench.events("not converging") == [
        {"error": "h1: post_copy is not supported"},
        {"taken": "pause"},
    ]


def test_without_a_timeout_the_prediction_decides() -> None:
    bench, _ = bench_with()
    result = bench.run(plan(bench.world, step(bench.world, 1, "a", "h1", "h2", duration=10.0)))
    assert result.outcomes["s1"].outcome is Outcome.FAILED
    assert 90 < bench.hosts.clock().now() < 92


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
