"""Migrations in a simulated world outlive the process that started them."""

from __future__ import annotations

from pathlib import Path

import pytest
from rebalancer_simulator import VirtualClock
from rebalancer_simulator.world import World

from rebalancer.cluster import Cluster, DomainState
from rebalancer.cluster.snapshot import dump_snapshot, parse_snapshot
from rebalancer.drivers import MigrationOptions
from tests.execution.worlds import GB, cluster, domain, uuid

A = uuid("a")


class Today:
    """The time of day that all processes share."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def today() -> Today:
    return Today()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=50 * GB), domain("b", "h1")])
    (tmp_path / "world.json").write_text(dump_snapshot(world), "utf-8")
    return tmp_path / "world.json"


def process(path: Path, today: Today, speed: float = 1.0) -> World:
    """Whoever opens the world, with a clock of its own."""
    return World.load(path, VirtualClock(), speed=speed, today=today)


def on_disk(path: Path) -> Cluster:
    return parse_snapshot(path.read_text("utf-8"), str(path))


def start(path: Path, today: Today) -> None:
    with process(path, today).now("h1") as simulation:
        simulation.begin(A, "h1", "h2", MigrationOptions(new_name="a-h1"))


def test_a_migration_goes_on_without_its_process(path: Path, today: Today) -> None:
    start(path, today)
    today.now += 20.0
    heir = process(path, today)
    with heir.now("h1") as simulation:
        transfer = simulation.under_way(A, "h1")
        assert transfer is not None
        assert transfer.sent == pytest.approx((20.0 - 1.0) * 1.25e9 * 1448 / 1514)
        assert (simulation.now - transfer.started) == pytest.approx(20.0)
    heir.clock.sleep(60.0)
    with heir.now("h2") as simulation:
        assert simulation.running == []
        assert [(d.name, d.state) for d in simulation.domains_on("h2")] == [("a-h1", DomainState.RUNNING)]
    assert [d.host for d in on_disk(path).domains_by_uuid[A]] == ["h2"]
    assert [file.name for file in path.parent.iterdir()] == ["world.json"]


def test_it_has_ended_when_enough_time_has_gone_by_at_the_speed_of_the_world(path: Path, today: Today) -> None:
    start(path, today)
    today.now += 1.0
    with process(path, today, speed=100.0).now("h1") as simulation:
        assert simulation.running == []
    assert [d.host for d in on_disk(path).domains_by_uuid[A]] == ["h2"]


def test_an_heir_can_cancel_it(path: Path, today: Today) -> None:
    start(path, today)
    today.now += 5.0
    with process(path, today).now("h1") as simulation:
        transfer = simulation.under_way(A, "h1")
        assert transfer is not None
        assert simulation.cancel(transfer)
    with process(path, today).now("h1") as simulation:
        assert simulation.running == []
        assert [d.name for d in simulation.domains_on("h1")] == ["a", "b"]


def test_the_world_s_own_file_tells_nothing_of_what_has_not_ended(path: Path, today: Today) -> None:
    before = path.read_bytes()
    start(path, today)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["", "{}", "no json", '{"world": "x", "at": 0, "now": 0, "transfers": []}'])
def test_what_is_not_of_this_world_says_nothing(path: Path, today: Today, content: str) -> None:
    start(path, today)
    path.with_name(".world.json.running").write_text(content, "utf-8")
    with process(path, today).now("h1") as simulation:
        assert simulation.running == []


def test_a_world_that_was_changed_by_hand_has_nothing_under_way(path: Path, today: Today) -> None:
    start(path, today)
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")
    with process(path, today).now("h1") as simulation:
        assert simulation.running == []
