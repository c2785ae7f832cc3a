"""The virsh driver against real hosts: real sshd, real libvirtd, real QEMU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from rebalancer_virsh import VirshDriver

from rebalancer.cluster import Domain, DomainState
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import DriverHost, HostConnection, Migration, MigrationOptions, ReadOptions
from rebalancer.drivers.conformance import Bench, DriverConformance
from rebalancer.errors import HostUnreachable, MigrationFailed, Unsupported
from rebalancer.policy.hints import hinted
from rebalancer.policy.settings import Hint, Hints, HintsFrom

from . import Guest, Lab, LabHost, assert_never_reset
from .network import MIB
from .shell import wait_until

QUICK = ReadOptions(sample=Seconds(0))
EVIL_NAMES = ["$(touch pwned)", "a;b 'c\"", "--persistent", " -dash\\t<&>", "42", "☃"]


def driver_host(lab: Lab, host: LabHost, **settings: object) -> DriverHost:
    ssh = {"user": "root", "key": str(lab.key), "known_hosts": str(lab.known_hosts), "config": False}
    return DriverHost(
        name=host.name,
        address=host.address,
        uri=host.uri,
        peer=host.peer,
        settings={"ssh": ssh, "shared_storage": [str(lab.shared)], **settings},
    )


@pytest.fixture
def connect(clean_lab: Lab) -> Iterator[Callable[[str], HostConnection]]:
    """Connections by the host's name, closed at the end."""
    opened: list[HostConnection] = []

    def connect(name: str) -> HostConnection:
        opened.append(VirshDriver().connect(driver_host(clean_lab, clean_lab[name])))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def the(guest: Guest, connection: HostConnection, options: ReadOptions = QUICK) -> Domain:
    return next(domain for domain in connection.read(options)[1] if domain.uuid == guest.uuid)


def send(
    lab: Lab, connection: HostConnection, guest: Guest, destination: str = "h2", options: MigrationOptions | None = None
) -> Migration:
    target = driver_host(lab, lab[destination])
    return connection.migrate(the(guest, connection), target, options or MigrationOptions())


def wait_for_data(migration: Migration) -> None:
    wait_until(lambda: bool(migration.progress().processed) or migration.done(), "the copy to begin", timeout=30)
    assert not migration.done(), "the migration was over before the test could look"


class TestConformance(DriverConformance):
    @pytest.fixture
    def bench(self, clean_lab: Lab) -> Bench:
        guest = clean_lab.start_guest(clean_lab["h1"], "database", memory_mib=64, dirty_mib_per_s=16)
        source = driver_host(clean_lab, clean_lab["h1"])
        return Bench(
            driver=VirshDriver(),
            source=source,
            destination=driver_host(clean_lab, clean_lab["h2"]),
            uuid=guest.uuid,
            unreachable=replace(source, name="h9", address=f"{clean_lab['h1'].address.rpartition('.')[0]}.99"),
            slow=BytesPerSecond(5.0 * MIB),
        )


# Reading


def test_a_host_and_its_domains_are_read(clean_lab: Lab, connect: Callable[[str], HostConnection]) -> None:
    runs = clean_lab.start_guest(clean_lab["h1"], "database", memory_mib=64, dirty_mib_per_s=32)
    passes = clean_lab.start_guest(clean_lab["h1"], "passes", memory_mib=64, persistent=False)
    defined = clean_lab.define_guest(clean_lab["h1"], "archive")
    set_labels = "<labels><label name='app'>db</label></labels>"
    namespace = ("--uri", "https://rebalancer.dev/xmlns/domain/1", "--key", "rebalancer")
    clean_lab["h1"].virsh("metadata", runs.uuid, *namespace, "--set", set_labels)
    clean_lab["h1"].virsh("desc", runs.uuid, "--live", "--title", "Shop  rebalance:avoid=h2 #prod")

    host, domains = connect("h1").read(ReadOptions(sample=Seconds(1), dirty_rate=Seconds(1)))

    assert host.capacity["cpu"] >= 1
    assert host.capacity["memory"] > 2**28
    assert host.migration.live
    assert host.migration.bandwidth_unit == MIB
    assert "qemu" in host.offers["type"]
    assert "eth0" in host.offers["bridge"]
    found = {domain.uuid: domain for domain in domains}
    assert set(found) == {runs.uuid, passes.uuid, defined.uuid}
    database = found[runs.uuid]
    assert (database.name, database.host, database.state) == ("database", "h1", DomainState.RUNNING)
    assert database.persistent
    assert not found[passes.uuid].persistent
    assert database.uses["memory"] == 64 * MIB
    assert database.uses["cpu"] > 0
    words = {"title": "Shop rebalance:avoid=h2 #prod", "tags": "rebalance:avoid=h2 #prod"}
    assert database.labels == {"app": "db", **words}
    hints = Hints(source=HintsFrom.TAGS, allow=(Hint.AVOID,))
    assert hinted(database, hints).avoid == ("h2",)
    assert database.loads["requested"] == {"cpu": 1.0, "memory": database.uses["memory"]}
    assert 0 < database.loads["used"]["memory"] < 2 * database.uses["memory"]
    assert database.missing_on(host) == ()
    assert database.migration.allowed, database.migration.reason
    assert 16 * MIB <= database.migration.memory <= 64 * MIB
    assert database.migration.dirty_rate is not None
    assert 8 * MIB <= database.migration.dirty_rate <= 64 * MIB
    assert (found[defined.uuid].state, found[defined.uuid].uses) == (DomainState.SHUT_OFF, {})


def test_names_are_data(clean_lab: Lab, connect: Callable[[str], HostConnection]) -> None:
    guests = [clean_lab.start_guest(clean_lab["h1"], name) for name in EVIL_NAMES]
    h1, h2 = connect("h1"), connect("h2")
    assert {domain.name for domain in h1.read(QUICK)[1]} == set(EVIL_NAMES)
    for guest, new_name in zip(guests, reversed(EVIL_NAMES), strict=True):
        send(clean_lab, h1, guest, options=MigrationOptions(new_name=new_name)).result()
        seen = h2.find(guest.uuid)
        assert seen is not None
        assert seen.name == new_name
    assert sorted(domain.name for domain in clean_lab["h2"].domains()) == sorted(EVIL_NAMES)
    assert not clean_lab["h1"].domains()
    for host in ("h1", "h2"):
        assert clean_lab[host].run(["sh", "-c", "ls / /root ."]).stdout.count("pwned") == 0


def test_a_name_that_is_another_domains_uuid_does_not_stand_for_it(
    clean_lab: Lab, connect: Callable[[str], HostConnection]
) -> None:
    wanted = "7d0e85ba-2118-4f16-866e-915f206f88e6"
    clean_lab.start_guest(clean_lab["h1"], wanted)
    connection = connect("h1")
    assert connection.find(wanted) is None
    domain = replace(connection.read(QUICK)[1][0], uuid=wanted)
    with pytest.raises(MigrationFailed, match="has no domain"):
        connection.migrate(domain, driver_host(clean_lab, clean_lab["h2"]), MigrationOptions()).result()
    assert clean_lab["h1"].running().keys() == {wanted}


# Migrating


def test_a_migration_moves_renames_keeps_its_cap_and_reports(
    clean_lab: Lab, connect: Callable[[str], HostConnection]
) -> None:
    guest = clean_lab.start_guest(clean_lab["h1"], "database", memory_mib=96, dirty_mib_per_s=64, persistent=True)
    h1 = connect("h1")
    options = MigrationOptions(new_name="database-h1", bandwidth=BytesPerSecond(8.9 * MIB), max_downtime=Seconds(0.5))
    migration = send(clean_lab, h1, guest, options=options)
    wait_for_data(migration)
    before, began = clean_lab["h1"].transmitted_bytes(), time.monotonic()
    time.sleep(3)
    rate = (clean_lab["h1"].transmitted_bytes() - before) / (time.monotonic() - began)
    assert 4 * MIB < rate < 8.9 * MIB, "the cap is rounded down"
    progress = migration.progress()
    assert not migration.done()
    migration.set_bandwidth(BytesPerSecond(4096.0 * MIB))
    outcome = migration.result()
    assert progress.total is not None
    assert progress.remaining is not None
    assert progress.elapsed > 0
    assert outcome.transferred is not None
    assert outcome.transferred > 8 * MIB
    assert outcome.downtime is not None
    assert clean_lab.where(guest) == {"h2": "running"}
    assert [domain.name for domain in clean_lab["h2"].domains()] == ["database-h1"]
    assert the(guest, connect("h2")).persistent
    assert guest.is_counting()
    assert_never_reset(guest.counters())


def test_the_cap_of_a_running_migration_changes(clean_lab: Lab, connect: Callable[[str], HostConnection]) -> None:
    guest = clean_lab.start_guest(clean_lab["h1"], "database", memory_mib=128, dirty_mib_per_s=96)
    migration = send(clean_lab, connect("h1"), guest, options=MigrationOptions(bandwidth=BytesPerSecond(MIB)))
    wait_for_data(migration)
    with pytest.raises(Unsupported, match="below 1 MiB/s"):
        migration.set_bandwidth(BytesPerSecond(MIB - 1))
    began = time.monotonic()
    migration.set_bandwidth(BytesPerSecond(4096.0 * MIB))
    migration.result()
    assert time.monotonic() - began < 30, "at 1 MiB/s it would take minutes"
    assert clean_lab.where(guest) == {"h2": "running"}


def test_a_cancelled_migration_leaves_the_domain_as_it_was(
    clean_lab: Lab, connect: Callable[[str], HostConnection]
) -> None:
    guest = clean_lab.start_guest(clean_lab["h1"], "database", memory_mib=64, dirty_mib_per_s=48)
    host = clean_lab["h1"]
    speed, downtime = (host.virsh(f"migrate-get{what}", guest.uuid) for what in ("speed", "maxdowntime"))
    options = MigrationOptions(bandwidth=BytesPerSecond(MIB), max_downtime=Seconds(1.234))
    migration = send(clean_lab, connect("h1"), guest, options=options)
    wait_for_data(migration)
    assert host.virsh("migrate-getmaxdowntime", guest.uuid).strip() == "1234"
    migration.set_bandwidth(BytesPerSecond(2.0 * MIB))
    wait_until(lambda: host.virsh("migrate-getspeed", guest.uuid).strip() == "2", "the new cap", timeout=20)
    migration.cancel()
    with pytest.raises(MigrationFailed, match="cancel"):
        migration.result()
    assert clean_lab.where(guest) == {"h1": "running"}
    assert host.virsh("migrate-getspeed", guest.uuid) == speed
    assert host.virsh("migrate-getmaxdowntime", guest.uuid) == downtime
    assert_never_reset(guest.counters())


def test_a_pause_lets_a_migration_end_that_would_not(clean_lab: Lab, connect: Callable[[str], HostConnection]) -> None:
    guest = clean_lab.start_guest(clean_lab["h1"], "database", memory_mib=64, dirty_mib_per_s=48)
    migration = send(clean_lab, connect("h1"), guest, options=MigrationOptions(bandwidth=BytesPerSecond(8.0 * MIB)))
    wait_for_data(migration)
    migration.pause()
    migration.result()
    assert clean_lab.where(guest) == {"h2": "running"}
    assert guest.is_counting()
    assert_never_reset(guest.counters())


def test_post_copy_ends_a_migration_that_would_not(clean_lab: Lab, connect: Callable[[str], HostConnection]) -> None:
    guest = clean_lab.start_guest(clean_lab["h1"], "database", memory_mib=64, dirty_mib_per_s=48)
    options = MigrationOptions(bandwidth=BytesPerSecond(8.0 * MIB), post_copy=True)
    migration = send(clean_lab, connect("h1"), guest, options=options)
    wait_for_data(migration)
    migration.start_post_copy()
    try:
        migration.result()
    except MigrationFailed as error:
        if "ostcopy is not supported" in str(error):
            pytest.skip(f"this kernel has no userfaultfd: {error}")
        raise
    assert clean_lab.where(guest) == {"h2": "running"}


def test_a_domain_that_is_shut_off_moves_too(clean_lab: Lab, connect: Callable[[str], HostConnection]) -> None:
    guest = clean_lab.define_guest(clean_lab["h1"], "archive")
    send(clean_lab, connect("h1"), guest, options=MigrationOptions(new_name="archive-h1")).result()
    assert clean_lab.where(guest) == {"h2": "shut off"}
    assert [domain.name for domain in clean_lab["h2"].domains()] == ["archive-h1"]


def test_both_ends_see_a_migration_under_way(clean_lab: Lab, connect: Callable[[str], HostConnection]) -> None:
    guest = clean_lab.start_guest(clean_lab["h1"], "database", memory_mib=64, dirty_mib_per_s=48)
    h1, h2 = connect("h1"), connect("h2")
    migration = send(clean_lab, h1, guest, options=MigrationOptions(bandwidth=BytesPerSecond(MIB)))
    wait_for_data(migration)
    source, destination = h1.find(guest.uuid), h2.find(guest.uuid)
    assert source is not None
    assert destination is not None
    assert (source.state, source.migrating) == (DomainState.RUNNING, True)
    assert (destination.state, destination.migrating) == (DomainState.PAUSED, True)
    migration.cancel()
    with pytest.raises(MigrationFailed):
        migration.result()


def test_many_at_once_over_one_connection(clean_lab: Lab, connect: Callable[[str], HostConnection]) -> None:
    guests = [clean_lab.start_guest(clean_lab["h1"], f"guest-{number}", memory_mib=32) for number in range(6)]
    h1 = connect("h1")
    migrations = [send(clean_lab, h1, guest) for guest in guests]
    for migration in migrations:
        migration.result()
    assert all(clean_lab.where(guest) == {"h2": "running"} for guest in guests)


# What goes wrong


def test_libvirts_own_words_say_why_it_failed(clean_lab: Lab, connect: Callable[[str], HostConnection]) -> None:
    guest = clean_lab.start_guest(clean_lab["h1"], "database")
    clean_lab.start_guest(clean_lab["h2"], "database")
    with pytest.raises(MigrationFailed, match="domain 'database' already exists"):
        send(clean_lab, connect("h1"), guest).result()
    assert clean_lab.where(guest) == {"h1": "running"}


def test_the_destinations_daemon_dies_in_the_middle(clean_lab: Lab, connect: Callable[[str], HostConnection]) -> None:
    guest = clean_lab.start_guest(clean_lab["h1"], "database", memory_mib=64, dirty_mib_per_s=48)
    migration = send(clean_lab, connect("h1"), guest, options=MigrationOptions(bandwidth=BytesPerSecond(MIB)))
    wait_for_data(migration)
    clean_lab["h2"].kill_libvirtd()
    with pytest.raises(MigrationFailed):
        migration.result()
    clean_lab["h2"].start_libvirtd()
    wait_until(lambda: clean_lab.where(guest) == {"h1": "running"}, "the domain to be where it was", timeout=60)
    assert guest.is_counting()
    assert_never_reset(guest.counters())


def test_a_migration_is_followed_up_after_its_connection_was_lost(
    clean_lab: Lab, connect: Callable[[str], HostConnection]
) -> None:
    guest = clean_lab.start_guest(clean_lab["h1"], "database", memory_mib=64, dirty_mib_per_s=48)
    h1 = connect("h1")
    migration = send(clean_lab, h1, guest, options=MigrationOptions(bandwidth=BytesPerSecond(8.0 * MIB)))
    wait_for_data(migration)
    # The servers of the sessions, not the one that listens.
    clean_lab["h1"].run(["sh", "-c", "kill -KILL $(pgrep -f '^sshd: root')"])
    migration.pause()
    migration.result()
    assert clean_lab.where(guest) == {"h2": "running"}


def test_a_host_without_libvirt_or_with_another_key_is_unreachable(clean_lab: Lab) -> None:
    host = driver_host(clean_lab, clean_lab["h3"])
    connection = VirshDriver().connect(host)
    clean_lab["h3"].kill_libvirtd()
    with pytest.raises(HostUnreachable, match="libvirt at qemu:///system does not answer"):
        connection.read(QUICK)
    connection.close()
    other = {"user": "root", "key": str(clean_lab.key), "known_hosts": "/dev/null", "config": False}
    with pytest.raises(HostUnreachable, match="is not known; check the fingerprint"):
        VirshDriver().connect(replace(host, settings={"ssh": other}))
