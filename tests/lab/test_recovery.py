"""A controller that dies, on real hosts: what goes on without it, and what is done about it afterwards."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from rebalancer_virsh import VirshDriver

from rebalancer.drivers import DriverHost
from rebalancer.errors import MigrationFailed

from .cluster import Lab
from .commands import Rebalance, assert_each_runs_once, capacity, wide
from .guest import Guest
from .host import LabHost
from .inventory import Link
from .shell import wait_until

SLOW = "24 Mbit/s"
"""Of h1's link: less than a guest writes, so that no migration ends before somebody does something about it."""
EMPTY_H1 = """\
rules:
  - ban: {select: "true", hosts: [h1]}
migration:
  - {select: "true", concurrency: {per_host: 1}, when_not_converging: [post_copy]}
"""


@pytest.fixture
def slow(prepare: Callable[..., Rebalance]) -> Rebalance:
    return prepare(capacity=capacity(3), links=[Link("h1-nic", ("h1", "switch"), SLOW), *wide("h2"), *wide("h3")])


@pytest.fixture
def guests(clean_lab: Lab) -> list[Guest]:
    started = [
        clean_lab.start_guest(clean_lab["h1"], f"web{i}", 64, dirty_mib_per_s=4, working_set_mib=12) for i in range(2)
    ]
    time.sleep(4)  # until they have written all of it once
    return started


def under_way(lab: Lab, guests: list[Guest]) -> Guest | None:
    """The guest that is on two hosts."""
    return next((guest for guest in guests if len(lab.where(guest)) == 2), None)


def start_and_wait(lab: Lab, rebalance: Rebalance, guests: list[Guest]) -> tuple[subprocess.Popen[str], Guest]:
    process = rebalance.start("apply", "-p", rebalance.policy("empty-h1", EMPTY_H1), "--yes")
    wait_until(lambda: under_way(lab, guests) is not None, "the first copy", timeout=180)
    time.sleep(2)
    moving = under_way(lab, guests)
    assert moving is not None
    return process, moving


def test_a_migration_outlives_its_controller_and_is_adopted(
    clean_lab: Lab, slow: Rebalance, guests: list[Guest]
) -> None:
    process, moving = start_and_wait(clean_lab, slow, guests)
    process.kill()
    process.communicate()
    assert "interrupted" in slow_runs(slow)
    time.sleep(1)
    assert len(clean_lab.where(moving)) == 2, "it goes on without its controller"

    slow("resume", timeout=600)
    assert_each_runs_once(clean_lab, guests)
    assert all("h1" not in clean_lab.where(guest) for guest in guests)
    data = slow.record()
    assert [event["kind"] for event in data["events"]].count("adopted") == 1
    assert [step["attempts"] for step in data["steps"]] == [1, 1], "each was begun once"
    said = slow("resume", "1")
    assert "2 done" in said


def test_what_a_dead_controller_left_is_cancelled(clean_lab: Lab, slow: Rebalance, guests: list[Guest]) -> None:
    process, moving = start_and_wait(clean_lab, slow, guests)
    process.kill()
    process.communicate()
    slow("cancel", "--now", status=4, timeout=300)
    assert clean_lab.where(moving) == {"h1": "running"}
    assert_each_runs_once(clean_lab, guests)
    before = {guest.uuid: clean_lab.where(guest) for guest in guests}
    slow("resume", timeout=600)
    assert_each_runs_once(clean_lab, guests)

    slow("rollback", "1", "--yes", timeout=600)
    assert {guest.uuid: clean_lab.where(guest) for guest in guests} == before
    assert_each_runs_once(clean_lab, guests)


def slow_runs(rebalance: Rebalance) -> str:
    return subprocess.run(
        [sys.executable, "-m", "rebalancer", "runs"],
        cwd=rebalance.directory,
        env=rebalance.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


# The driver


def reach(lab: Lab, host: LabHost) -> DriverHost:
    ssh = {"user": "root", "key": str(lab.key), "known_hosts": str(lab.known_hosts), "config": False}
    return DriverHost(name=host.name, address=host.address, uri=host.uri, peer=host.peer, settings={"ssh": ssh})


def test_a_copy_that_stands_still_is_removed_with_its_definition_and_nothing_else(clean_lab: Lab) -> None:
    host = clean_lab["h2"]
    guest, other = clean_lab.start_guest(host, "left"), clean_lab.start_guest(host, "other")
    connection = VirshDriver().connect(reach(clean_lab, host))
    with pytest.raises(MigrationFailed, match="in use"):
        connection.discard(guest.uuid)
    host.virsh("suspend", guest.uuid)
    connection.discard(guest.uuid)
    connection.discard(guest.uuid)
    assert host.running() == {"other": other.uuid}
    assert clean_lab.where(guest) == {}
    connection.close()


def test_what_stands_still_goes_on(clean_lab: Lab) -> None:
    host = clean_lab["h2"]
    guest = clean_lab.start_guest(host, "asleep")
    connection = VirshDriver().connect(reach(clean_lab, host))
    with pytest.raises(MigrationFailed, match="does not stand still"):
        connection.unpause(guest.uuid)
    host.virsh("suspend", guest.uuid)
    connection.unpause(guest.uuid)
    assert clean_lab.where(guest) == {"h2": "running"}
    connection.close()
