"""Hostile names, hosts that answer nonsense or not at all, options that are not offered, migrations that fail."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .cluster import Lab
from .commands import Rebalance, assert_each_runs_once, capacity, names_on, wide
from .guest import TICKS_PER_SECOND, Guest
from .host import LabHost
from .inventory import Link
from .shell import wait_until


def test_an_option_that_hosts_do_not_offer_is_refused_before_anything(
    clean_lab: Lab, prepare: Callable[..., Rebalance]
) -> None:
    rebalance = prepare(capacity=capacity(3))
    guest = clean_lab.start_guest(clean_lab["h1"], "web", 64)
    policy = rebalance.policy("rdma", 'migration:\n  - {select: "true", transport: rdma}\n')
    said = rebalance("plan", "-p", "balance", "-p", policy, status=1)
    assert "h1" in said
    assert "transport" in said
    assert clean_lab.where(guest) == {"h1": "running"}


EVIL_NAMES = ("$(touch pwned)", "a;b 'c\"", "-f `touch pwned`", "7", "[red]ünï\u202ecode")


def test_names_are_data(clean_lab: Lab, prepare: Callable[..., Rebalance]) -> None:
    rebalance = prepare(capacity=capacity(3))
    guests = [clean_lab.start_guest(clean_lab["h1"], name, 64) for name in EVIL_NAMES]
    clash = clean_lab.start_guest(clean_lab["h2"], EVIL_NAMES[0], 64)
    policy = rebalance.policy("go", 'rules:\n  - pin: {select: "true", hosts: [h2]}\n')
    shown = rebalance("plan", "-p", policy)
    assert "$(touch pwned)" in shown
    assert "\u202e" not in shown
    rebalance("apply", "-p", policy, "--yes")
    assert_each_runs_once(clean_lab, [*guests, clash])
    assert names_on(clean_lab, "h2") == {*EVIL_NAMES, "$(touch pwned)-h1"}
    assert not list(rebalance.directory.rglob("pwned"))
    assert not any(host.run(["sh", "-c", "ls / /root | grep pwned || true"]).stdout.strip() for host in clean_lab.hosts)


@pytest.fixture
def impostor(clean_lab: Lab, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Puts a script in the place of h3's virsh."""
    host = clean_lab["h3"]
    mounted = []

    def install(script: str) -> None:
        path = clean_lab.shared / "impostor"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        host.run(["mount", "--bind", str(path), "/usr/bin/virsh"])
        mounted.append(path)

    yield install
    for _ in mounted:
        host.run(["umount", "/usr/bin/virsh"])


XXE = """cat <<'X'
<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]><capabilities><host>&e;</host></capabilities>
X"""


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("echo 'all your base'; exit 0", id="garbage"),
        pytest.param("head -c 300000 /dev/urandom", id="binary garbage"),
        pytest.param("echo no such luck >&2; exit 1", id="failure"),
        pytest.param(XXE, id="external entity"),
    ],
)
def test_a_host_that_answers_nonsense(
    clean_lab: Lab, prepare: Callable[..., Rebalance], impostor: Callable[[str], None], script: str
) -> None:
    rebalance = prepare(capacity=capacity(3))
    guest = clean_lab.start_guest(clean_lab["h1"], "web", 64)
    impostor(script)
    said = rebalance("apply", "-p", "balance", "--yes", status=1)
    assert len([line for line in said.splitlines() if "h3" in line]) == 1, said
    assert "root:" not in said
    assert clean_lab["h1"].running() == {"web": guest.uuid}


def test_a_wrong_host_key_is_refused(clean_lab: Lab, prepare: Callable[..., Rebalance], tmp_path: Path) -> None:
    rebalance = prepare(capacity=capacity(3))
    lines = clean_lab.known_hosts.read_text().splitlines()
    keys = [line.split(maxsplit=1) for line in lines]
    forged = "".join(f"{host} {key}\n" for (host, _), (_, key) in zip(keys, [*keys[1:], keys[0]], strict=True))
    (tmp_path / "forged").write_text(forged)
    text = rebalance.inventory.read_text().replace(str(clean_lab.known_hosts), str(tmp_path / "forged"))
    rebalance.inventory.write_text(text)
    said = rebalance("plan", "-p", "balance", status=1)
    assert "host key" in said
    assert "forged:1" in said


def test_a_refused_connection_is_said_once(clean_lab: Lab, prepare: Callable[..., Rebalance]) -> None:
    rebalance = prepare(capacity=capacity(3))
    text = rebalance.inventory.read_text()
    rebalance.inventory.write_text(text.replace('name: "h3",', 'name: "h3", ssh: {port: 9},'))
    said = rebalance("plan", "-p", "balance", status=1)
    assert [line for line in said.splitlines() if "h3" in line and "refused" in line], said


def test_a_migration_that_fails_blocks_only_what_depends_on_it(
    clean_lab: Lab, prepare: Callable[..., Rebalance]
) -> None:
    rebalance = prepare(
        capacity=capacity(3), links=[Link("h1-nic", ("h1", "switch"), "64 Mbit/s"), *wide("h2"), *wide("h3")]
    )
    slow = clean_lab.start_guest(clean_lab["h1"], "slow", 128, dirty_mib_per_s=3, working_set_mib=100)
    other = clean_lab.start_guest(clean_lab["h1"], "other", 128, dirty_mib_per_s=1, working_set_mib=40)
    time.sleep(3)
    policy = rebalance.policy(
        "go",
        "rules:\n"
        "  - pin: {select: \"name == 'slow'\", hosts: [h2]}\n"
        "  - pin: {select: \"name == 'other'\", hosts: [h3]}\n",
    )
    killer = threading.Thread(target=_kill_when_it_copies, args=(clean_lab, slow))
    killer.start()
    said = rebalance("apply", "-p", policy, "--yes", status=4, timeout=180)
    killer.join()
    clean_lab["h2"].start_libvirtd()
    assert "slow" in said
    assert clean_lab.where(other) == {"h3": "running"}
    assert_each_runs_once(clean_lab, [slow, other])
    assert "h1" in clean_lab.where(slow)


def _kill_when_it_copies(lab: Lab, guest: Guest) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if "h2" in lab.where(guest):
            time.sleep(1.5)
            lab["h2"].kill_libvirtd()
            return
        time.sleep(0.2)


def _to_h2_slowly(lab: Lab, prepare: Callable[..., Rebalance], name: str) -> tuple[Rebalance, Guest]:
    rebalance = prepare(
        capacity=capacity(2), hosts=2, links=[Link("h1-nic", ("h1", "switch"), "80 Mbit/s"), *wide("h2")]
    )
    return rebalance, lab.start_guest(lab["h1"], name, 64, dirty_mib_per_s=0.5, working_set_mib=30)


def _start_copying(rebalance: Rebalance, source: LabHost, guest: Guest) -> subprocess.Popen[str]:
    policy = rebalance.policy("go", 'rules:\n  - pin: {select: "true", hosts: [h2]}\n')
    process = rebalance.start("apply", "-p", policy, "--yes")
    log = source.directory / f"var/log/libvirt/qemu/{guest.name}.log"
    wait_until(lambda: "initiating migration" in log.read_text(), "the copy", timeout=60)
    return process


def test_what_a_destination_starts_late_is_stopped_there(clean_lab: Lab, prepare: Callable[..., Rebalance]) -> None:
    """h2's daemon stands still from the copy on until h1 has taken the guest back, and then goes on where it was."""
    h1, h2 = clean_lab["h1"], clean_lab["h2"]
    rebalance, guest = _to_h2_slowly(clean_lab, prepare, "web")
    with h1.patience(8):
        process = _start_copying(rebalance, h1, guest)
        with standing_still(h2):
            wait_until(lambda: "canceled" in h1.virsh("domstate", guest.uuid, "--reason"), "its return", timeout=30)
        said = "".join(process.communicate(timeout=120))
    assert process.returncode == 4, said
    assert "h2 had started it all the same" in said
    assert clean_lab.where(guest) == {"h1": "running"}
    assert guest.is_counting()


def test_what_a_destination_starts_late_when_nobody_looks_is_stopped_by_resume(
    clean_lab: Lab, prepare: Callable[..., Rebalance]
) -> None:
    """The same, but the run's process is killed in the copy."""
    h1, h2 = clean_lab["h1"], clean_lab["h2"]
    rebalance, guest = _to_h2_slowly(clean_lab, prepare, "mail")
    with h1.patience(8):
        process = _start_copying(rebalance, h1, guest)
        with standing_still(h2):
            process.kill()
            process.communicate()
            wait_until(lambda: "canceled" in h1.virsh("domstate", guest.uuid, "--reason"), "its return", timeout=30)
        wait_until(lambda: clean_lab.where(guest).get("h2") == "running", "its late start", timeout=30)
        assert clean_lab.where(guest) == {"h1": "running", "h2": "running"}
        said = rebalance("resume", timeout=120)
    assert "'mail' ran on both h1 and h2 for a moment" in said
    assert clean_lab.where(guest) == {"h2": "running"}
    assert guest.is_counting()


def test_a_guest_whose_migration_broke_in_its_last_moments_can_be_moved_again(
    clean_lab: Lab, prepare: Callable[..., Rebalance]
) -> None:
    """h1's daemon stands still while all is sent, so that QEMU is not told to hand over, until h2's has given up.

    Moved again as it goes on then, its QEMU crashed in one of two tries.
    """
    h1, h2 = clean_lab["h1"], clean_lab["h2"]
    rebalance, guest = _to_h2_slowly(clean_lab, prepare, "shop")
    with h2.patience(6):
        process = _start_copying(rebalance, h1, guest)
        with standing_still(h1):
            wait_until(lambda: not h2.domains(), "the end of what h2 has received", timeout=60)
        process.communicate(timeout=120)
    assert process.returncode == 4
    assert clean_lab.where(guest) == {"h1": "running"}
    commands = [event["detail"]["command"] for event in rebalance.record()["events"] if event["kind"] == "asked"]
    assert [f"virsh -c qemu:///system {each} {guest.uuid}" in commands for each in ("suspend", "resume")] == [
        True,
        True,
    ]
    rebalance("resume", timeout=120)
    assert clean_lab.where(guest) == {"h2": "running"}
    assert guest.is_counting()


def test_a_guest_whose_last_bytes_are_stuck_behind_a_dead_link_goes_on(
    clean_lab: Lab, prepare: Callable[..., Rebalance]
) -> None:
    """Its link is cut while it stands still to be switched over, for longer than the hosts wait for each other."""
    h1, h2 = clean_lab["h1"], clean_lab["h2"]
    rebalance = prepare(capacity=capacity(2), hosts=2)
    guest = clean_lab.start_guest(h1, "last", 64, dirty_mib_per_s=5, working_set_mib=24)
    policy = rebalance.policy(
        "go",
        'rules:\n  - pin: {select: "true", hosts: [h2]}\nmigration:\n  - {select: "true", max_downtime: 60 s}\n',
    )
    wait_until(lambda: len(guest.counters()) > 5 * TICKS_PER_SECOND, "its memory to be written once", timeout=60)
    h1.shape(1_500_000)
    process = rebalance.start("apply", "-p", policy, "--yes")
    wait_until(
        lambda: "paused (migrating" in h1.virsh("domstate", guest.uuid, "--reason"), "its switchover", timeout=90
    )
    h1.cut()
    wait_until(lambda: not h2.domains(), "the end of what h2 has received", timeout=60)
    h1.mend()
    h1.unshape()
    said = "".join(process.communicate(timeout=180))
    assert process.returncode in (0, 4), said
    if process.returncode:
        said = rebalance("resume", timeout=180)
    assert clean_lab.where(guest) == {"h2": "running"}, said
    assert guest.is_counting()


@contextmanager
def standing_still(host: LabHost) -> Iterator[None]:
    """Its daemon does nothing, but is there."""
    pids = host.processes("libvirtd")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
