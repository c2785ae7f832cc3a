"""Plans and runs agree on how the setup of a migration goes on while the one before it is still being sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from rebalancer_simulator import Simulation
from rebalancer_simulator.transfer import FINISH

from rebalancer.cluster import Cluster
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.execution import Silent
from rebalancer.placement.problem import Problem
from rebalancer.plan.model import Plan, Step
from rebalancer.plan.schedule import Moves, schedule
from rebalancer.policy.model import MigrationSettings, Names
from tests.execution.traffic import excess
from tests.execution.worlds import EVERYTHING, MB, MIB, Bench, cluster, domain, plan

CAPS = {"uplink": 210e6}
FOUR = MigrationSettings(per_host=4)


def planned(world: Cluster, settings: Sequence[MigrationSettings] | None = None) -> Plan:
    """All from h1 to h2, over one link."""
    moves = Moves(
        cluster=world,
        problem=Problem(
            hosts=("h1", "h2"),
            domains=tuple(each.uuid for each in world.domains),
            start=np.zeros(len(world.domains), dtype=np.int64),
            terms=(),
        ),
        domains=world.domains,
        placement=np.ones(len(world.domains), dtype=np.int64),
        settings=[FOUR] * len(world.domains) if settings is None else settings,
        names=Names(),
        caps={name: BytesPerSecond(rate) for name, rate in CAPS.items()},
    )
    return plan(world, *schedule(moves), caps=CAPS)


def started(simulation: Simulation) -> list[float]:
    return [transfer.started for transfer in simulation.transfers]


def took(simulation: Simulation) -> float:
    return max(each.ended or 0.0 for each in simulation.transfers) - min(started(simulation))


@pytest.mark.parametrize("dirty", [0.0, 5.0 * MB])
def test_a_run_takes_as_long_as_its_plan_says(dirty: float) -> None:
    world = cluster(["h1", "h2"], [domain(name, "h1", dirty=dirty) for name in "abcdef"], uplink=1.25e9)
    bench, made = Bench(world), planned(world)
    assert bench.run(made).complete
    assert took(bench.simulation) == pytest.approx(made.makespan, rel=0.03)
    starts = [step.predicted.start for step in made.steps]
    assert started(bench.simulation) == pytest.approx(starts, abs=2.0), "one after another"
    assert excess(bench.simulation, CAPS) == []


def test_who_runs_keeps_the_rate_that_it_was_planned_with() -> None:
    """A migration that could do with little waits for one that fills the link, as it is planned to."""
    world = cluster(["h1", "h2"], [domain(name, "h1") for name in "ab"], uplink=1.25e9)
    few = replace(FOUR, bandwidth=BytesPerSecond(60.0 * MIB))
    bench, made = Bench(world), planned(world, settings=[FOUR, few])
    assert bench.run(made).complete
    assert took(bench.simulation) == pytest.approx(made.makespan, rel=0.05)
    assert excess(bench.simulation, CAPS) == []


def test_a_setup_goes_on_while_the_migration_before_is_sent() -> None:
    world = cluster(["h1", "h2"], [domain(name, "h1") for name in "ab"], uplink=1.25e9)
    bench = Bench(world)
    assert bench.run(planned(world)).complete
    first, second = bench.simulation.transfers
    assert second.started < (first.ended or 0.0) - 1.0
    assert excess(bench.simulation, CAPS) == []


def test_a_source_that_cannot_change_a_rate_waits_for_its_links() -> None:
    fixed = replace(EVERYTHING, set_bandwidth=False)
    world = cluster(["h1", "h2"], [domain(name, "h1") for name in "ab"], uplink=1.25e9, offers={"h1": fixed})
    bench = Bench(world)
    assert bench.run(planned(world)).complete
    first, second = bench.simulation.transfers
    assert second.started >= (first.ended or 0.0) - FINISH
    assert second.cap > 100 * MIB
    assert excess(bench.simulation, CAPS) == []


def test_who_writes_much_is_not_taken_to_be_over_with_the_first_pass_over_its_memory() -> None:
    world = cluster(["h1", "h2"], [domain(name, "h1", dirty=90.0 * MB) for name in "ab"], uplink=1.25e9)
    bench, made = Bench(world), planned(world)
    assert bench.run(made).complete
    assert took(bench.simulation) == pytest.approx(made.makespan, rel=0.1)
    assert excess(bench.simulation, CAPS) == []


def test_what_is_set_up_behind_another_says_so() -> None:
    behind: dict[str, tuple[str, ...]] = {}

    class Listener(Silent):
        def step_started(self, step: Step, rate: BytesPerSecond | None, behind_these: Sequence[str] = ()) -> None:
            behind[step.id] = tuple(behind_these)

    world = cluster(["h1", "h2"], [domain(name, "h1") for name in "ab"], uplink=1.25e9)
    assert Bench(world).run(planned(world), observer=Listener()).complete
    assert behind == {"s1": (), "s2": ("s1",)}
