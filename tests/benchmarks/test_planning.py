"""How planning scales, as ratios, so that the machine matters little. ``make bench``; not part of ``make test``."""

from __future__ import annotations

import random
import time

import pytest

from rebalancer.cluster import Capabilities, Cluster, Domain, Host
from rebalancer.cluster.model import MigrationTraits
from rebalancer.cluster.units import Bytes
from rebalancer.files import read_text
from rebalancer.plan.make import make_plan
from rebalancer.policy import load_policies

GIB = 2**30
OFFERS = Capabilities(live=True, rename=True, bandwidth=True, set_bandwidth=True, max_downtime=True, cancel=True)


def uneven(hosts: int, domains: int) -> Cluster:
    """Domains of 1 to 8 GiB, most of them on the first third of the hosts."""
    chance = random.Random(0)
    found = []
    for index in range(domains):
        memory = chance.choice([1, 2, 4, 8]) * GIB
        host = int(chance.random() ** 2 * hosts * 0.6)
        found.append(
            Domain(
                name=f"d{index}",
                uuid=f"00000000-0000-4000-8000-{index:012d}",
                host=f"h{host}",
                uses={"cpu": chance.uniform(0.1, 2.0), "memory": float(memory)},
                migration=MigrationTraits(memory=Bytes(memory)),
            )
        )
    capacity = {"cpu": 64.0, "memory": 256.0 * GIB}
    return Cluster(
        name="benchmark",
        hosts=tuple(Host(name=f"h{index}", capacity=capacity, migration=OFFERS) for index in range(hosts)),
        domains=tuple(found),
    )


def seconds(hosts: int) -> float:
    cluster, policy = uneven(hosts, hosts * 12), load_policies(["balance"], read_text)
    start = time.perf_counter()
    plan = make_plan(cluster, policy, effort=1)
    took = time.perf_counter() - start
    print(
        f"{hosts:5} hosts, {hosts * 12:6} domains: {took:7.2f} s, {len(plan.steps):4} steps,"
        f" score {plan.before.total:.1f} to {plan.after.total:.1f}"
    )
    assert plan.after.total < plan.before.total
    return took


@pytest.mark.parametrize("hosts", [10, 40])
def test_twice_the_hosts_take_less_than_ten_times_as_long(hosts):
    print()
    assert seconds(2 * hosts) < 10 * max(seconds(hosts), 0.1)
