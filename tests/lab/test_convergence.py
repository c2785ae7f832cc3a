"""A guest that writes faster than its link can carry: the ladder on real hosts.

Post-copy needs userfaultfd on the destination, which unprivileged processes may not use on most kernels
(``vm.unprivileged_userfaultfd``); the lab's QEMU runs as root.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from rebalancer.execution.convergence import ROUNDS
from rebalancer.execution.running import MARGIN

from .cluster import Lab
from .commands import Rebalance, assert_each_runs_once, capacity, wide
from .guest import Guest
from .host import LabHost
from .inventory import Link
from .network import TrafficSampler
from .shell import wait_until

LINK = 160e6 / 8
SHARE = 0.8
MEMORY = 64
"""MiB of each guest."""

POLICY = """\
rules:
  - pin: {{select: "true", hosts: [h2]}}
links:
  - {{select: "name == 'h1-nic'", most: 80%}}
migration:
  - {{when_not_converging: [{ladder}]}}
"""


@pytest.fixture
def rebalance(prepare: Callable[..., Rebalance]) -> Rebalance:
    return prepare(capacity=capacity(2), hosts=2, links=[Link("h1-nic", ("h1", "switch"), "160 Mbit/s"), *wide("h2")])


def restless(lab: Lab) -> Guest:
    guest = lab.start_guest(lab["h1"], "restless", MEMORY, dirty_mib_per_s=40, working_set_mib=40)
    time.sleep(2)  # until it has filled its working set
    return guest


def carry_out(lab: Lab, rebalance: Rebalance, ladder: str, status: int) -> tuple[dict[str, object], TrafficSampler]:
    """The one step as the run tells of it. What the guest writes is not measured before: the plan knows nothing."""
    policy = rebalance.policy("over", POLICY.format(ladder=ladder))
    with TrafficSampler(lab["h1"].transmitted_bytes) as traffic:
        said = rebalance("apply", "-p", policy, "--yes", "--format", "json", status=status, timeout=180)
    run = json.loads(said[said.index("{\n") : said.rindex("}") + 1])
    (step,) = run["steps"]
    return step, traffic


def assert_within_the_cap(traffic: TrafficSampler) -> None:
    cap = SHARE * LINK
    assert traffic.worst_average(5.0) <= cap
    assert traffic.worst_average(5.0) >= 0.5 * cap, "the link was hardly used, so this has shown nothing"


def assert_within_the_predicted_time(record: dict[str, Any]) -> None:
    """Given up before the time was over that prediction and progress had left it."""
    (step,) = record["steps"]
    told = next(event["detail"] for event in record["events"] if event["detail"].get("taken") == "cancel")
    assert told["after"] < told["within"]
    # What its link lets through, in passes over its memory: no more than it takes to see that it does not converge.
    assert told["after"] < ROUNDS * step["predicted_duration"] + MARGIN


def test_post_copy_moves_it_where_the_policy_allows(clean_lab: Lab, rebalance: Rebalance) -> None:
    guest = restless(clean_lab)
    step, traffic = carry_out(clean_lab, rebalance, "more_bandwidth, post_copy, cancel", status=0)
    assert step["outcome"] == "done"
    assert clean_lab.where(guest) == {"h2": "running"}
    assert_each_runs_once(clean_lab, [guest])
    assert_within_the_cap(traffic)
    # All memory once, what was written meanwhile twice at most, and the rest by post-copy.
    assert traffic.total() < 4 * MEMORY * 2**20


def test_it_is_given_up_cleanly_where_not(clean_lab: Lab, rebalance: Rebalance) -> None:
    guest = restless(clean_lab)
    step, traffic = carry_out(clean_lab, rebalance, "more_bandwidth, cancel", status=4)
    assert step["outcome"] == "failed"
    assert "given up: the guest writes" in str(step["reason"])
    assert_within_the_predicted_time(rebalance.record())
    assert clean_lab.where(guest) == {"h1": "running"}
    assert_each_runs_once(clean_lab, [guest])
    assert_within_the_cap(traffic)
    assert traffic.total() < 4 * MEMORY * 2**20


def test_post_copy_over_a_link_that_breaks_is_taken_up_again(clean_lab: Lab, rebalance: Rebalance) -> None:
    """Cut for longer than h1's libvirt waits: it gives up, the guest torn between both hosts; the driver goes on."""
    h1, h2 = clean_lab["h1"], clean_lab["h2"]
    guest = restless(clean_lab)
    policy = rebalance.policy("over", POLICY.format(ladder="post_copy, cancel"))
    with h1.patience(4):
        process = rebalance.start("apply", "-p", policy, "--yes")
        wait_until(lambda: "(post-copy)" in state(h1, guest), "post-copy", timeout=60)
        h2.cut()
        wait_until(lambda: "(post-copy failed)" in state(h1, guest), "libvirt to give up", timeout=60)
        h2.mend()
        said = "".join(process.communicate(timeout=180))
    assert process.returncode == 0, said
    assert clean_lab.where(guest) == {"h2": "running"}
    assert_each_runs_once(clean_lab, [guest])


def state(host: LabHost, guest: Guest) -> str:
    return host.virsh("domstate", guest.uuid, "--reason")
