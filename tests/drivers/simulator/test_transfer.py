"""One migration by itself against the arithmetic of pre-copy (planning.md §3.2, its worked example)."""

from __future__ import annotations

import pytest
from rebalancer_simulator import Simulation
from rebalancer_simulator.simulation import WIRE
from rebalancer_simulator.transfer import FINISH, SETUP, Transfer

from rebalancer.cluster import DomainState
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import MigrationOptions
from tests.drivers.simulator.worlds import GIB, MIB, cluster, domain

OVERHEAD = SETUP + FINISH


def run(memory: float, dirty: float, rate: float, *, link: float = 1e12, **options: object) -> Transfer:
    """To its end, capped at ``rate``; the link is far wider if nothing is said."""
    world = cluster([domain("a", "h1", memory=int(memory), dirty=dirty)], capacity=link)
    simulation = Simulation(world)
    chosen = MigrationOptions(bandwidth=BytesPerSecond(rate), **options)  # type: ignore[arg-type]
    transfer = simulation.begin(world.domains[0].uuid, "h1", "h2", chosen)
    simulation.advance(3000)
    return transfer


def took(transfer: Transfer) -> float:
    assert transfer.ended is not None
    return transfer.ended - transfer.started - OVERHEAD


def test_the_worked_example_alone_on_a_gigabit() -> None:
    transfer = run(8 * GIB, 30 * MIB, 112 * MIB)
    assert took(transfer) == pytest.approx(99.9, abs=0.15)
    assert transfer.sent / MIB == pytest.approx(11_185, abs=5)
    assert transfer.downtime < 0.15
    assert transfer.round == 5


def test_two_at_half_the_rate_take_longer_than_one_after_the_other() -> None:
    transfer = run(8 * GIB, 30 * MIB, 56 * MIB)
    assert took(transfer) == pytest.approx(314.7, abs=0.5)
    assert transfer.sent / MIB == pytest.approx(17_626, abs=10)


def test_a_guest_that_writes_as_fast_as_it_is_sent_never_ends() -> None:
    transfer = run(8 * GIB, 30 * MIB, 28 * MIB)
    assert not transfer.done
    assert transfer.round > 3


def test_an_idle_guest_is_sent_once() -> None:
    transfer = run(GIB, 0, 100 * MIB)
    assert transfer.sent == GIB
    assert took(transfer) == pytest.approx(10.24)


def test_a_guest_that_fits_into_the_downtime_is_sent_in_one_go() -> None:
    transfer = run(10 * MIB, 30 * MIB, 100 * MIB)
    assert transfer.round == 0
    assert transfer.sent == 10 * MIB


def test_a_longer_downtime_ends_it_sooner() -> None:
    patient = run(8 * GIB, 30 * MIB, 56 * MIB, link=60 * MIB * WIRE, max_downtime=Seconds(3.0))
    assert took(patient) < took(run(8 * GIB, 30 * MIB, 56 * MIB))
    assert 0.3 < patient.downtime <= 3.02


def test_not_live_means_down_for_the_whole_copy() -> None:
    transfer = run(GIB, 500 * MIB, 100 * MIB, live=False)
    assert transfer.sent == GIB
    assert transfer.downtime == pytest.approx(10.24, abs=0.05)


def test_auto_converge_slows_the_guest_until_it_ends() -> None:
    transfer = run(GIB, 110 * MIB, 100 * MIB, auto_converge=True)
    assert transfer.done
    assert 0.2 <= transfer.throttle <= 0.99


def test_the_switchover_is_not_throttled() -> None:
    world = cluster([domain("a", "h1", memory=GIB, dirty=30 * MIB)], capacity=1e9)
    simulation = Simulation(world)
    simulation.begin(world.domains[0].uuid, "h1", "h2", MigrationOptions(bandwidth=BytesPerSecond(50.0 * MIB)))
    simulation.advance(3000)
    last = simulation.traffic[-1]
    assert last.throttled == {}
    assert list(last.rates.values()) == pytest.approx([1e9, 1e9])
    throttled = [rate for stretch in simulation.traffic for rate in stretch.throttled.values()]
    assert throttled == pytest.approx([50 * MIB * WIRE] * len(throttled))


def test_post_copy_runs_at_the_destination_at_once() -> None:
    world = cluster([domain("a", "h1", memory=GIB, dirty=500 * MIB)])
    simulation = Simulation(world)
    uuid = world.domains[0].uuid
    options = MigrationOptions(bandwidth=BytesPerSecond(50.0 * MIB), post_copy=True)
    transfer = simulation.begin(uuid, "h1", "h2", options)
    simulation.advance(0.5)
    assert not simulation.start_post_copy(transfer), "nothing has been sent yet"
    simulation.advance(10.0)
    assert simulation.start_post_copy(transfer)
    there, here = simulation.find("h2", uuid), simulation.find("h1", uuid)
    assert there is not None
    assert here is not None
    assert (there.state, here.state) == (DomainState.RUNNING, DomainState.PAUSED)
    assert not simulation.cancel(transfer)
    simulation.advance(100.0)
    assert transfer.done
    assert transfer.error is None
    assert simulation.find("h1", uuid) is None
