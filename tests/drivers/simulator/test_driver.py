from __future__ import annotations

from pathlib import Path

import pytest
from rebalancer_simulator import (
    Faults,
    Outage,
    OutageKind,
    ScaledClock,
    SimulatedHosts,
    Simulation,
    SimulatorDriver,
    VirtualClock,
)

from rebalancer.cluster import Capabilities, DomainState
from rebalancer.cluster.snapshot import dump_snapshot, parse_snapshot
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import DriverHost, MigrationOptions, ReadOptions
from rebalancer.errors import HostAnswerInvalid, HostUnreachable, MigrationFailed, Unsupported
from tests.drivers.simulator.worlds import MIB, cluster, domain

A = domain("a", "h1")


def entry(directory: Path, name: str = "h1", uri: str = "simulator:world.yaml") -> DriverHost:
    return DriverHost(name=name, uri=uri, settings={"base_directory": str(directory)})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "world.yaml").write_text(dump_snapshot(cluster([A, domain("b", "h1")])))
    return tmp_path


def test_a_finished_migration_is_in_the_world_file_and_an_unfinished_is_not(directory: Path) -> None:
    driver = SimulatorDriver(clock=VirtualClock())
    source = driver.connect(entry(directory))
    _, domains = source.read(ReadOptions())
    source.migrate(domains[0], entry(directory, "h2"), MigrationOptions()).result()
    source.migrate(domains[1], entry(directory, "h2"), MigrationOptions())
    written = parse_snapshot((directory / "world.yaml").read_text(), "world.yaml")
    assert {d.name: d.host for d in written.domains} == {"a": "h2", "b": "h1"}
    again = SimulatorDriver(clock=VirtualClock()).connect(entry(directory, "h2"))
    arriving = {d.name: d.state for d in again.read(ReadOptions())[1]}
    assert arriving == {"a": DomainState.RUNNING, "b": DomainState.PAUSED}


def test_a_world_file_that_cannot_be_written_is_the_hosts_trouble(directory: Path) -> None:
    driver = SimulatorDriver(clock=VirtualClock())
    source = driver.connect(entry(directory))
    migration = source.migrate(source.read(ReadOptions())[1][0], entry(directory, "h2"), MigrationOptions())
    (directory / "world.yaml").unlink()
    directory.rename(directory.with_name("gone"))
    with pytest.raises(HostUnreachable, match="cannot write the simulated world"):
        migration.result()


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("qemu:///system", "is not the URI of a simulated world; write e.g. simulator:world.yaml"),
        ("simulator:", "is not the URI"),
        ("simulator:w.yaml?speed=0", "speed must be a number above 0"),
        ("simulator:w.yaml?speed=fast", "speed must be a number above 0"),
        ("simulator:w.yaml?sped=2", "unknown parameter 'sped'"),
    ],
)
def test_uris_are_checked(uri: str, message: str) -> None:
    ((path, text),) = SimulatorDriver().check(DriverHost(name="h1", uri=uri))
    assert path == ("uri",)
    assert message in text


def test_settings_are_checked() -> None:
    host = DriverHost(name="h1", uri="simulator:w.yaml", settings={"base_directory": ".", "colour": "red"})
    assert SimulatorDriver().check(host) == [(("colour",), "the simulator has no setting 'colour'")]
    assert SimulatorDriver(Simulation(cluster([]))).check(DriverHost(name="h1")) == []


def test_what_cannot_be_connected(directory: Path) -> None:
    driver = SimulatorDriver()
    with pytest.raises(HostUnreachable, match="no such host"):
        driver.connect(entry(directory, "h9"))
    with pytest.raises(HostUnreachable, match="cannot read the simulated world"):
        driver.connect(entry(directory, uri="simulator:missing.yaml"))
    with pytest.raises(HostUnreachable, match="one speed"):
        driver.connect(entry(directory, uri="simulator:world.yaml?speed=7"))
    (directory / "bad.yaml").write_text("kind: Cluster\nhosts: {")
    with pytest.raises(HostUnreachable, match=r"bad\.yaml"):
        driver.connect(entry(directory, uri="simulator:bad.yaml"))


def test_the_speed_is_the_uris(directory: Path) -> None:
    clock = ScaledClock()
    SimulatorDriver(clock=clock).connect(entry(directory, uri="simulator:world.yaml?speed=1000"))
    assert clock.speed == 1000
    before = clock.now()
    clock.sleep(Seconds(1.0))
    assert clock.now() - before >= 1.0


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (OutageKind.UNREACHABLE, HostUnreachable),
        (OutageKind.DAEMON, HostUnreachable),
        (OutageKind.GARBAGE, HostAnswerInvalid),
    ],
)
def test_outages_show_in_every_call(kind: OutageKind, error: type[Exception]) -> None:
    simulation = Simulation(cluster([A]), Faults(outages=(Outage(host="h1", kind=kind, since=1.5, until=50),)))
    hosts = SimulatedHosts(simulation)
    source = hosts.connection("h1")
    migration = source.migrate(A, hosts.driver_host("h2"), MigrationOptions())
    hosts.clock().sleep(Seconds(2.0))
    for call in (
        lambda: hosts.connection("h1"),
        source.capabilities,
        lambda: source.read(ReadOptions()),
        lambda: source.find(A.uuid),
        migration.done,
        migration.progress,
        migration.cancel,
        migration.pause,
    ):
        with pytest.raises(error):
            call()
    hosts.clock().sleep(Seconds(60.0))
    assert migration.done()
    if kind is OutageKind.DAEMON:
        with pytest.raises(MigrationFailed, match="client socket is closed"):
            migration.result()


def test_less_than_a_unit_is_refused_because_it_would_mean_unlimited() -> None:
    hosts = SimulatedHosts(Simulation(cluster([A])))
    source = hosts.connection("h1")
    with pytest.raises(Unsupported, match="less than"):
        source.migrate(A, hosts.driver_host("h2"), MigrationOptions(bandwidth=BytesPerSecond(MIB / 2)))
    migration = source.migrate(A, hosts.driver_host("h2"), MigrationOptions())
    with pytest.raises(Unsupported, match="less than"):
        migration.set_bandwidth(BytesPerSecond(0.0))


def test_steering_that_is_not_offered_is_refused() -> None:
    hosts = SimulatedHosts(Simulation(cluster([A], migration=Capabilities(live=True))))
    migration = hosts.connection("h1").migrate(A, hosts.driver_host("h2"), MigrationOptions())
    for call in (migration.cancel, migration.start_post_copy, lambda: migration.set_bandwidth(BytesPerSecond(1e9))):
        with pytest.raises(Unsupported):
            call()
    assert migration.progress().processed is None
