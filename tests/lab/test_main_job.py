"""The main job on real hosts: what must hold of ``plan``, ``apply`` and ``evacuate``, each as a user would try it."""

from __future__ import annotations

import time
from collections.abc import Callable

from .cluster import Lab
from .commands import Rebalance, assert_each_runs_once, capacity, names_on, wide
from .inventory import Link
from .network import TrafficSampler


def test_balance_moves_renames_and_then_has_nothing_to_do(clean_lab: Lab, prepare: Callable[..., Rebalance]) -> None:
    rebalance = prepare(
        capacity=capacity(3), links=[Link("h1-nic", ("h1", "switch"), "400 Mbit/s"), *wide("h2"), *wide("h3")]
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
        capacity=capacity(3), links=[Link("h1-nic", ("h1", "switch"), "200 Mbit/s"), *wide("h2"), *wide("h3")]
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
