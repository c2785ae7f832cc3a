"""The larger simulated example: small enough to read, badly placed enough to be worth it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from rebalancer_simulator import SimulatorDriver

from rebalancer.cluster import Cluster, HostState
from rebalancer.cluster.snapshot import parse_snapshot
from rebalancer.files import read_text
from rebalancer.inventory import load_inventory

EXAMPLE = Path(__file__).parents[3] / "examples" / "simulated"


@pytest.fixture(scope="module")
def world() -> Cluster:
    path = EXAMPLE / "world.yaml"
    return parse_snapshot(read_text(path), str(path))


def test_it_is_a_cluster_that_could_be(world: Cluster) -> None:
    assert len(world.hosts) == 10
    assert Counter(host.labels["rack"] for host in world.hosts) == {"a": 5, "b": 5}
    assert [host.name for host in world.hosts if host.state is HostState.MAINTENANCE] == ["kvm-b5"]
    assert len(world.domains) == 60
    assert len({domain.uuid for domain in world.domains}) == 60
    assert [name for name, count in Counter(d.name for d in world.domains).items() if count > 1] == ["database"]
    for host in world.hosts:
        used = sum(domain.uses["memory"] for domain in world.domains_on(host.name))
        assert used <= host.capacity["memory"]


def test_the_inventory_is_about_the_same_hosts(world: Cluster) -> None:
    inventory = load_inventory(EXAMPLE / "inventory.yaml", load=lambda name: SimulatorDriver())
    assert [(host.name, host.labels) for host in inventory.hosts] == [(h.name, h.labels) for h in world.hosts]
    assert inventory.links == world.links
