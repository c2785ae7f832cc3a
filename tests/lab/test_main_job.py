"""The main job on real hosts: what must hold of ``plan``, ``apply`` and ``evacuate``, each as a user would try it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from .cluster import Lab
from .guest import Guest, assert_never_reset
from .inventory import Link
from .network import TrafficSampler

MEMORY = {"memory": "2 GiB"}


class Rebalance:
    """Runs the command line as a user would, in a directory of its own."""

    def __init__(self, directory: Path, inventory: Path) -> None:
        self.directory = directory
        self.inventory = inventory
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("REBALANCE")},
            "XDG_STATE_HOME": str(directory / "state"),
            "NO_COLOR": "1",
            "COLUMNS": "120",
        }

    def start(self, command: str, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "rebalancer", command, "-i", self.inventory, *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, command: str, *arguments: str | Path, status: int = 0, timeout: float = 120) -> str:
        """What it prints, errors too; fails unless it ends with this status and without a traceback."""
        process = self.start(command, *arguments)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
        assert "Traceback" not in err, err
        assert process.returncode == status, f"status {process.returncode}, not {status}:\n{out}\n{err}"
        return out + err

    def policy(self, name: str, text: str) -> Path:
        path = self.directory / f"{name}.yaml"
        path.write_text(f"apiVersion: rebalancer/v1\nkind: Policy\nmetadata: {{name: {name}}}\n{text}")
        return path

    def plan(self, *policies: str | Path, arguments: Sequence[str] = ()) -> dict[str, object]:
        chosen = [argument for policy in policies for argument in ("-p", policy)]
        process = self.start("plan", *chosen, "--format", "json", *arguments)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        found: dict[str, object] = json.loads(out)
        return found


@pytest.fixture
def prepare(clean_lab: Lab, tmp_path: Path) -> Callable[..., Rebalance]:
    """Makes an inventory of the first ``hosts`` hosts and gives a command line for it."""

    def make(hosts: int = 3, **inventory: object) -> Rebalance:
        path = clean_lab.write_inventory(tmp_path / "inventory.yaml", hosts=clean_lab.hosts[:hosts], **inventory)  # type: ignore[arg-type, unused-ignore]
        return Rebalance(tmp_path, path)

    return make


def capacity(hosts: int, **memory: str) -> dict[str, dict[str, str]]:
    return {f"h{i}": {"memory": memory.get(f"h{i}", "2 GiB")} for i in range(1, hosts + 1)}


def assert_each_runs_once(lab: Lab, guests: Sequence[Guest]) -> None:
    for guest in guests:
        places = lab.where(guest)
        assert list(places.values()) == ["running"], (guest.name, places)
    for guest in guests:
        assert guest.is_counting(), guest.name
        assert_never_reset(guest.counters())


def names_on(lab: Lab, host: str) -> set[str]:
    return set(lab[host].running())


def test_balance_moves_renames_and_then_has_nothing_to_do(clean_lab: Lab, prepare: Callable[..., Rebalance]) -> None:
    rebalance = prepare(
        capacity=capacity(3), links=[Link("h1-nic", ("h1", "switch"), "400 Mbit/s"), *_wide("h2"), *_wide("h3")]
    )
    crowd = [clean_lab.start_guest(clean_lab["h1"], name, 128) for name in ("database", *(f"web{i}" for i in range(8)))]
    other = clean_lab.start_guest(clean_lab["h2"], "database", 128)
    where = rebalance.policy("where", "rules:\n  - pin: {select: \"name == 'database'\", hosts: [h2]}\n")

    shown = rebalance("plan", "-p", "balance", "-p", where)
    assert "database-h1" in shown
    assert "pin" in shown
    assert "balance: memory" in shown
    assert names_on(clean_lab, "h1") == {guest.name for guest in crowd}, "a plan changes nothing"

    rebalance("apply", "-p", "balance", "-p", where, "--yes")
    assert_each_runs_once(clean_lab, [*crowd, other])
    assert {"database", "database-h1"} <= names_on(clean_lab, "h2")
    assert max(len(names_on(clean_lab, host)) for host in ("h1", "h2", "h3")) <= 4
    assert {domain.state for host in clean_lab.hosts for domain in host.domains()} == {"running"}

    rebalance("plan", "-p", "balance", "-p", where, "--detailed-exitcode", status=0)


def _wide(host: str) -> list[Link]:
    return [Link(f"{host}-nic", (host, "switch"), "10 Gbit/s")]


def test_evacuate_empties_a_host(clean_lab: Lab, prepare: Callable[..., Rebalance]) -> None:
    rebalance = prepare(capacity=capacity(3))
    guests = [clean_lab.start_guest(clean_lab["h1"], f"web{i}", 64) for i in range(3)]
    transient = clean_lab.start_guest(clean_lab["h1"], "passing-by", 64, persistent=False)
    stopped = clean_lab.define_guest(clean_lab["h1"], "stopped", 64)
    rebalance("evacuate", "h1", "--yes")
    assert clean_lab["h1"].running() == {}
    assert_each_runs_once(clean_lab, [*guests, transient])
    assert clean_lab.where(stopped) == {"h1": "shut off"}


def test_evacuate_says_who_cannot_leave_before_it_starts(clean_lab: Lab, prepare: Callable[..., Rebalance]) -> None:
    rebalance = prepare(capacity=capacity(3, h2="100 MiB", h3="100 MiB"))
    small = clean_lab.start_guest(clean_lab["h1"], "small", 64)
    large = clean_lab.start_guest(clean_lab["h1"], "large", 256)
    said = rebalance("evacuate", "h1", "--yes", status=1)
    assert "large" in said
    assert "memory" in said
    assert clean_lab.where(small) == clean_lab.where(large) == {"h1": "running"}
    rebalance("evacuate", "h1", "--yes", "--partial")
    assert clean_lab.where(large) == {"h1": "running"}
    assert "h1" not in clean_lab.where(small)


SWAP = """\
rules:
  - capacity: {resource: memory}
  - pin: {select: "name == 'left'", hosts: [h2]}
  - pin: {select: "name == 'right'", hosts: [h1]}
"""


def test_a_swap_goes_through_a_third_host(clean_lab: Lab, prepare: Callable[..., Rebalance]) -> None:
    rebalance = prepare(capacity=capacity(3, h1="200 MiB", h2="200 MiB", h3="200 MiB"))
    left = clean_lab.start_guest(clean_lab["h1"], "left", 128)
    right = clean_lab.start_guest(clean_lab["h2"], "right", 128)
    rebalance("apply", "-p", rebalance.policy("swap", SWAP), "--yes")
    assert clean_lab.where(left) == {"h2": "running"}
    assert clean_lab.where(right) == {"h1": "running"}
    assert_each_runs_once(clean_lab, [left, right])


def test_a_swap_that_no_third_host_can_help_is_said(clean_lab: Lab, prepare: Callable[..., Rebalance]) -> None:
    rebalance = prepare(capacity=capacity(3, h1="200 MiB", h2="200 MiB", h3="100 MiB"))
    clean_lab.start_guest(clean_lab["h1"], "left", 128)
    clean_lab.start_guest(clean_lab["h2"], "right", 128)
    said = " ".join(rebalance("plan", "-p", rebalance.policy("swap", SWAP)).split())
    assert "no other host can help" in said


def test_a_capped_link_is_never_over_its_cap(clean_lab: Lab, prepare: Callable[..., Rebalance]) -> None:
    rebalance = prepare(
        capacity=capacity(3), links=[Link("h1-nic", ("h1", "switch"), "200 Mbit/s"), *_wide("h2"), *_wide("h3")]
    )
    guests = [
        clean_lab.start_guest(clean_lab["h1"], f"busy{i}", 96, dirty_mib_per_s=1 + i % 2, working_set_mib=64)
        for i in range(4)
    ]
    time.sleep(5)  # until they have filled their working sets
    policy = rebalance.policy(
        "empty-h1",
        'rules:\n  - ban: {select: "true", hosts: [h1]}\nlinks:\n  - {select: "name == \'h1-nic\'", most: 80%}\n',
    )
    cap = 0.8 * 200e6 / 8
    with TrafficSampler(clean_lab["h1"].transmitted_bytes) as traffic:
        rebalance("apply", "-p", policy, "--yes", "--dirty-rate", "1s")
    assert_each_runs_once(clean_lab, guests)
    assert traffic.worst_average(5.0) <= cap
    assert traffic.worst_average(5.0) >= 0.5 * cap, "the link was hardly used, so this has shown nothing"
    # One more second's worth may go at switchover: what the guests dirtied since the last look.
    assert traffic.worst_average(1.0) <= cap + 2 * (0.3 * cap + 2 * 2**20)


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


EVIL_NAMES = ("$(touch pwned)", "a;b 'c\"", "`touch pwned`", "-f", "7", "[red]x", "ünï\u202ecode")


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
    for command in ("plan", "apply"):
        said = rebalance(command, "-p", "balance", *(["--yes"] if command == "apply" else []), status=1)
        assert len([line for line in said.splitlines() if "h3" in line]) == 1, said
        assert "root:" not in said
    assert clean_lab.where(guest) == {"h1": "running"}


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
        capacity=capacity(3), links=[Link("h1-nic", ("h1", "switch"), "64 Mbit/s"), *_wide("h2"), *_wide("h3")]
    )
    slow = clean_lab.start_guest(clean_lab["h1"], "slow", 128, dirty_mib_per_s=1, working_set_mib=100)
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
