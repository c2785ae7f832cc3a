"""The lab itself: does it come up, count, migrate, hold its rates, and go without a trace, whatever happens."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from . import Lab, LabError, LabHost, Link, TrafficSampler, assert_never_reset
from .guest import BOOT_SECTOR, image
from .inventory import inventory
from .ledger import Ledger, end_processes, processes_in, remove_leftovers
from .network import MIB, limit, parse_traffic
from .requirements import skip_or_fail
from .shell import run, wait_until

STRANGE_NAMES = ["$(touch pwned)", "a;b 'c\"", " -dash\\n\t<&>", "--help", "1", "☃"]


def can_connect(host: LabHost) -> bool:
    try:
        socket.create_connection((host.address, 22), timeout=0.5).close()
    except OSError:
        return False
    return True


def migrate(lab: Lab, source: str, destination: str, uuid: str) -> None:
    flags = ("--live", "--p2p", "--persistent", "--undefinesource")
    lab[source].virsh("migrate", *flags, uuid, lab[destination].peer)


def traces(prefix: str) -> list[str]:
    """What there is on the machine by a lab's name."""
    links = [name for _, name in socket.if_nameindex()]
    files = [path.name for place in ("/run/netns", tempfile.gettempdir()) for path in Path(place).iterdir()]
    return [name for name in links + files if prefix.removeprefix("rbl") in name]


# The hosts


def test_hosts_know_each_other_and_have_names_of_their_own(clean_lab: Lab) -> None:
    assert [host.name for host in clean_lab.hosts] == ["h1", "h2", "h3", "h4"]
    for host in clean_lab.hosts:
        assert host.run(["hostname"]).stdout == f"{host.name}\n"
        assert clean_lab["h1"].run(["virsh", "-q", "-c", host.peer, "hostname"]).stdout == f"{host.name}\n"


def test_root_is_let_in_by_ssh_with_the_labs_key(clean_lab: Lab) -> None:
    known = ["-o", f"UserKnownHostsFile={clean_lab.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
    for host in clean_lab.hosts:
        login = ["-F", "none", "-i", str(clean_lab.key), "-o", "BatchMode=yes", f"root@{host.address}"]
        assert run(["ssh", *known, *login, "hostname; virsh uri"]).stdout.split() == [host.name, host.uri]


def test_a_cut_cable_is_silent_until_it_is_mended(clean_lab: Lab) -> None:
    host = clean_lab["h2"]
    assert can_connect(host)
    host.cut()
    assert not can_connect(host)
    host.mend()
    wait_until(lambda: can_connect(host), "the mended link")


def test_guests_outlive_libvirtd(clean_lab: Lab) -> None:
    host = clean_lab["h1"]
    guest = clean_lab.start_guest(host, "database")
    host.kill_libvirtd()
    with pytest.raises(LabError, match="Failed to connect"):
        host.domains()
    assert guest.is_counting()
    host.start_libvirtd()
    assert host.running() == {"database": guest.uuid}


def test_definitions_outlive_the_host_but_guests_do_not(clean_lab: Lab) -> None:
    host = clean_lab["h1"]
    guest = clean_lab.start_guest(host, "database")
    clean_lab.start_guest(host, "transient", persistent=False)
    host.power_off()
    assert not guest.is_counting(timeout=0.3)
    host.power_on()
    host.wait_until_ready()
    assert [(domain.name, domain.state) for domain in host.domains()] == [("database", "shut off")]


def test_a_command_past_its_deadline_is_ended_on_the_host(clean_lab: Lab) -> None:
    host = clean_lab["h1"]
    before = processes_in(f"{clean_lab.prefix}-h1")
    with pytest.raises(LabError, match=r"not done after 0\.2 s"):
        host.run(["sleep", "4321"], timeout=0.2)
    wait_until(lambda: processes_in(f"{clean_lab.prefix}-h1") == before, "the end of the command")


# Guests


def test_a_guest_counts_and_tells_its_state(clean_lab: Lab) -> None:
    host = clean_lab["h1"]
    guest = clean_lab.start_guest(host, "database")
    off = clean_lab.define_guest(host, "spare")
    paused = clean_lab.start_guest(host, "paused", persistent=False)
    host.virsh("suspend", paused.uuid)
    assert guest.is_counting()
    assert_never_reset(guest.counters())
    assert not paused.is_counting(timeout=0.3)
    assert {domain.uuid: domain.state for domain in host.domains()} == {
        guest.uuid: "running", off.uuid: "shut off", paused.uuid: "paused"
    }  # fmt: skip
    assert host.running() == {"database": guest.uuid}
    assert clean_lab.where(guest) == {"h1": "running"}


def test_names_are_only_names(clean_lab: Lab) -> None:
    host = clean_lab["h1"]
    guests = {name: clean_lab.define_guest(host, name) for name in STRANGE_NAMES}
    assert {domain.name: domain.uuid for domain in host.domains()} == {n: g.uuid for n, g in guests.items()}
    assert not Path("/pwned").exists()


def test_live_migration_goes_on_counting(clean_lab: Lab) -> None:
    guest = clean_lab.start_guest(clean_lab["h1"], STRANGE_NAMES[0], dirty_mib_per_s=16)
    for source, destination in (("h1", "h2"), ("h2", "h3"), ("h3", "h1")):
        migrate(clean_lab, source, destination, guest.uuid)
        assert clean_lab.where(guest) == {destination: "running"}
        assert guest.is_counting()
    assert_never_reset(guest.counters())


def test_a_guest_dirties_memory_as_fast_as_told(clean_lab: Lab) -> None:
    host = clean_lab["h1"]
    guest = clean_lab.start_guest(host, "busy", memory_mib=128, dirty_mib_per_s=16, working_set_mib=100)

    def dirty_rate() -> int:
        host.virsh("domdirtyrate-calc", guest.uuid, "--seconds", "1")
        wait_until(lambda: "calc_status=2" in host.virsh("domstats", "--dirtyrate", guest.uuid), "the dirty rate")
        return int(host.virsh("domstats", "--dirtyrate", guest.uuid).partition("megabytes_per_second=")[2])

    # QEMU samples pages, and an emulated guest that gets little of the processor for a second writes less in it.
    wait_until(lambda: 8 <= dirty_rate() <= 28, "a dirty rate as told", timeout=20)


@pytest.mark.parametrize(
    ("counters", "complaint"),
    [([], "never printed"), ([1, 2, 1], "1 after 2"), ([1, 2, 2], "2 after 2"), ([1, 3], "3 after 1")],
)
def test_a_reset_is_noticed(counters: list[int], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        assert_never_reset(counters)


def test_a_working_set_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="a working set of 63 MiB does not fit into 62 of 64 MiB"):
        image(memory_mib=64, dirty_mib_per_s=63, working_set_mib=None)
    with pytest.raises(ValueError, match="needs a working set"):
        image(memory_mib=64, dirty_mib_per_s=1, working_set_mib=0)


@pytest.mark.skipif(not (shutil.which("as") and shutil.which("ld")), reason="needs the assembler, as and ld")
def test_the_boot_sector_is_its_source(tmp_path: Path) -> None:
    built, linked = tmp_path / "guest.o", tmp_path / "guest.bin"
    run(["as", "--32", str(BOOT_SECTOR.with_suffix(".S")), "-o", str(built)])
    run(["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o", str(linked), str(built)])
    assert linked.read_bytes() == BOOT_SECTOR.read_bytes()
    assert BOOT_SECTOR.stat().st_size == 512


# The wires


@pytest.mark.parametrize("shaped", ["h1", "h2"], ids=["the source's link", "the destination's link"])
def test_shaping_holds_in_both_directions(clean_lab: Lab, shaped: str) -> None:
    rate = 16 * MIB
    h1, h2 = clean_lab["h1"], clean_lab["h2"]
    guest = clean_lab.start_guest(h1, "database", dirty_mib_per_s=60, working_set_mib=30)
    wait_until(lambda: len(guest.counters()) > 15, "the guest to have written all of its working set")
    h1.virsh("suspend", guest.uuid)
    clean_lab[shaped].shape(rate)
    with TrafficSampler(h1.transmitted_bytes) as sent, TrafficSampler(h2.received_bytes) as received:
        migrate(clean_lab, "h1", "h2", guest.uuid)
    assert received.total() == pytest.approx(30 * MIB, rel=0.15)
    assert sent.total() == pytest.approx(received.total(), rel=0.02)
    assert 0.8 * rate < received.worst_average(1.0) < 1.05 * rate


def test_the_worst_average_is_that_of_the_busiest_window() -> None:
    traffic = TrafficSampler(lambda: 0)
    traffic.samples = [(0.0, 0), (0.5, 10), (1.0, 10), (1.5, 110), (2.0, 150), (2.6, 150)]
    assert traffic.worst_average(0.5) == 200  # from 1.0 to 1.5
    assert traffic.worst_average(1.0) == 140  # from 1.0 to 2.0
    assert traffic.total() == 150
    with pytest.raises(ValueError, match="less than 3 s"):
        traffic.worst_average(3)


def test_traffic_is_read_by_interface() -> None:
    table = "Inter-|\n face |bytes\n    lo: 1 2 3 4 5 6 7 8 9 0 0 0\n  eth0:11 2 3 4 5 6 7 8 19 0 0 0\n"
    assert parse_traffic(table, "eth0") == (11, 19)
    with pytest.raises(LabError, match="no interface eth1"):
        parse_traffic(table, "eth1")


# What the lab hands out


def test_the_inventory_is_as_designed() -> None:
    def host(name: str, address: str) -> LabHost:
        nowhere = Path("/nowhere")
        return LabHost(name, address=address, directory=nowhere, key=nowhere, namespace="n", switch="s")

    text = inventory(
        [host("h1", "10.77.1.1"), host("h2", "10.77.1.2")],
        key=Path("/lab/key"),
        known_hosts=Path("/lab/known_hosts"),
        shared_storage=[Path("/lab/shared")],
        capacity={"h1": {"memory": "1 GiB", "cpu": 4}},
        labels={"h2": {"rack": 'r"2'}},
        links=[Link("uplink", ("h1", "h2"), "1 Gbit/s")],
    )
    assert text.splitlines() == [
        "apiVersion: rebalancer/v1",
        "kind: Inventory",
        "metadata: {name: lab}",
        "defaults:",
        '  driver: "virsh"',
        '  uri: "qemu:///system"',
        '  ssh: {user: "root", key: "/lab/key", known_hosts: "/lab/known_hosts"}',
        'shared_storage: ["/lab/shared"]',
        "hosts:",
        '  - {name: "h1", address: "10.77.1.1", peer: "qemu+tcp://h1/system", capacity: {"memory": "1 GiB", "cpu": 4}}',
        '  - {name: "h2", address: "10.77.1.2", peer: "qemu+tcp://h2/system", labels: {"rack": "r\\"2"}}',
        "links:",
        '  - {name: "uplink", connects: ["h1", "h2"], capacity: "1 Gbit/s"}',
    ]


def test_the_inventory_of_the_lab_names_its_files(clean_lab: Lab) -> None:
    text = clean_lab.write_inventory(link_capacity=10**9).read_text()
    assert f'known_hosts: "{clean_lab.known_hosts}"' in text
    assert '  - {name: "h4-nic", connects: ["h4", "switch"], capacity: 1000000000}' in text
    assert "h2" not in clean_lab.write_inventory(hosts=clean_lab.hosts[:1], link_capacity=1).read_text()
    assert [line.split()[0] for line in clean_lab.known_hosts.read_text().splitlines()] == [
        f"{host.address},{host.name}" for host in clean_lab.hosts
    ]


# Between tests, and at the end


def test_reset_puts_everything_back(clean_lab: Lab) -> None:
    h1, h2, h3, h4 = clean_lab.hosts
    clean_lab.start_guest(h1, "a;b 'c\"")
    clean_lab.start_guest(h1, "transient", persistent=False)
    clean_lab.define_guest(h2, "off")
    h2.kill_libvirtd()
    h3.shape(1000)
    h3.cut()
    h4.power_off()
    clean_lab.reset()
    assert [host.domains() for host in clean_lab.hosts] == [[], [], [], []]
    assert list(clean_lab.shared.iterdir()) == []
    assert all(can_connect(host) for host in clean_lab.hosts)
    assert "tbf" not in h3.run(["tc", "qdisc", "show"]).stdout


@pytest.mark.parametrize("failure", [LabError("no second host"), KeyboardInterrupt()], ids=["failure", "interrupt"])
def test_a_lab_that_fails_half_way_leaves_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    power_on, seen = LabHost.power_on, list[str]()
    half = Lab(hosts=2)

    def fail_at_the_second(host: LabHost) -> None:
        seen.append(host.name)
        if host.name == "h2":
            seen[:] = [half.prefix, *(str(pid) for pid in processes_in(f"{half.prefix}-h1"))]
            assert traces(half.prefix)
            raise failure
        power_on(host)

    monkeypatch.setattr(LabHost, "power_on", fail_at_the_second)
    with pytest.raises(type(failure)):
        half.up()
    prefix, *pids = seen
    assert traces(prefix) == []
    assert pids
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "the end of all processes")
    assert lab.hosts  # the one that runs meanwhile
    assert all(host.is_on() for host in lab.hosts)


def test_what_looks_like_the_labs_but_is_not_stays(lab_can_run: None) -> None:
    with Lab(hosts=1) as other:
        prefix = other.prefix
        strange = f"{prefix}-h9"
        run(["ip", "netns", "add", strange])
        run(["ip", "link", "add", strange, "type", "veth", "peer", "name", "eth0", "netns", strange])
        stranger = subprocess.Popen(["ip", "netns", "exec", strange, "sleep", "60"])
        wait_until(lambda: processes_in(strange) == [stranger.pid], "the stranger")
    try:
        assert traces(prefix) == [strange, strange]
        assert stranger.poll() is None
    finally:
        end_processes(strange)
        stranger.wait(5)
        run(["ip", "link", "delete", strange])
        run(["ip", "netns", "delete", strange])


def test_a_name_that_is_taken_is_not_taken_over(lab_can_run: None) -> None:
    ledger = Ledger.open_new()
    name = f"{ledger.prefix}-h1"
    run(["ip", "netns", "add", name])
    try:
        with pytest.raises(LabError, match="already"):
            ledger.intend("namespace", name)
        assert ledger.made() == []
        ledger.remove_all()
        assert traces(ledger.prefix) == [name]
    finally:
        run(["ip", "netns", "delete", name])


def test_the_lab_of_a_killed_run_is_removed_by_the_next(lab: Lab) -> None:
    script = "from lab import Lab; import time; lab = Lab(hosts=1).up(); print(lab.prefix, flush=True); time.sleep(60)"
    killed = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert killed.stdout
    with killed.stdout:
        prefix = killed.stdout.readline().strip()
    try:
        assert prefix not in remove_leftovers()
        assert processes_in(f"{prefix}-h1")
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait(5)
    assert traces(prefix)
    remove_leftovers()  # unless another worker, which brings its lab up this moment, is at it
    wait_until(lambda: not traces(prefix), lambda: f"the end of {prefix}", timeout=30)
    assert all(host.is_on() for host in lab.hosts)


@pytest.fixture
def empty_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def dead_owner_of(directory: Path) -> dict[str, object]:
    """The record of the lab in `directory`, as if its owner had died and its id had passed to this process."""
    owner: dict[str, object] = json.loads((directory / "owner.json").read_text())
    return {**owner, "started": 1}


def test_a_lab_that_goes_while_leftovers_are_looked_for_is_not_in_the_way(
    empty_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [empty_tmp / "rebalancer-lab-000000"]
    monkeypatch.setattr(Path, "glob", lambda *_: iter(listed))
    assert remove_leftovers() == []


def test_a_leftover_is_removed_only_when_provably_one(empty_tmp: Path) -> None:
    ledger = Ledger.open_new()
    owner = ledger.directory / "owner.json"
    dead = dead_owner_of(ledger.directory)

    assert remove_leftovers() == []  # its owner lives
    for text in ("", "[]", json.dumps({**dead, "network_namespace": "net:[1]"}), json.dumps({**dead, "pid": "1"})):
        owner.write_text(text)
        assert remove_leftovers() == []
    owner.write_text(json.dumps(dead))
    ledger.directory.chmod(0o755)
    assert remove_leftovers() == []  # anybody may have written there
    ledger.directory.chmod(0o700)
    (empty_tmp / "rebalancer-lab-000000").symlink_to(ledger.directory)
    assert remove_leftovers() == [ledger.prefix]
    assert [path.name for path in empty_tmp.iterdir()] == ["rebalancer-lab-000000"]


def test_a_forged_ledger_names_nothing(empty_tmp: Path) -> None:
    ledger = Ledger.open_new()
    (ledger.directory / "made").write_text(
        f"link eth0\nnamespace ../../etc\nnamespace {ledger.prefix}/../x\nlink {ledger.prefix}\n{ledger.prefix}\n"
    )
    assert ledger.made() == [("link", ledger.prefix)]


# Where it cannot run


def test_without_a_lab_tests_skip_but_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="no root"):
        skip_or_fail("no root")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no root"):
        skip_or_fail("no root")


@pytest.mark.parametrize(
    ("user", "environment", "status", "did"),
    [
        (1000, {}, 0, []),
        (1000, {"CI": "true"}, 1, []),
        (0, {}, 0, ["update", "install"]),
        (0, {"OFFERED": "1.0"}, 0, ["install"]),
        (1000, {"INSTALLED": "installed"}, 0, []),
        (0, {"FAILS": "1"}, 0, ["update", "install", "update", "install"]),
    ],
)
def test_packages_are_installed_by_who_may(
    tmp_path: Path, user: int, environment: dict[str, str], status: int, did: list[str]
) -> None:
    log = tmp_path / "log"
    stubs = {
        "id": f"echo {user}",
        "sudo": "exit 1",
        "dpkg-query": 'echo "${INSTALLED:-not-installed}"',
        "apt-cache": 'echo "  Candidate: ${OFFERED:-(none)}"',
        "apt-get": f'echo "$3" "$*" >>"{log}"; [ "$3" = update ] || [ -z "${{FAILS:-}}" ]',
    }
    for name, script in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    packages = Path(__file__).with_name("packages.sh")
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run([packages], env={**path, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    calls = log.read_text().splitlines() if log.exists() else []
    assert [call.split()[0] for call in calls] == did
    assert all("--no-install-recommends" in call for call in calls if call.startswith("install"))
    refused = (user and "INSTALLED" not in environment) or "FAILS" in environment
    assert len(done.stdout.splitlines()) == (1 if refused else 0)


def test_a_wait_has_a_deadline() -> None:
    began = time.monotonic()
    with pytest.raises(LabError, match=r"waited 0\.1 s for Godot"):
        wait_until(lambda: False, "Godot", timeout=0.1)
    assert time.monotonic() - began < 1
    with pytest.raises(LabError, match="Cannot open network namespace"):
        limit("no such namespace", "eth0", 1)
