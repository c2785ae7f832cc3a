"""The example inventory and the example snapshot are read, and are about one cluster."""

from __future__ import annotations

from pathlib import Path

from rebalancer.cluster import Cluster, Network
from rebalancer.cluster.snapshot import dump_snapshot, parse_snapshot
from rebalancer.files import read_text
from rebalancer.inventory import load_inventory
from tests.inventory.drivers import TestDriver, loader

EXAMPLES = Path(__file__).parent.parent / "examples"


def cluster() -> Cluster:
    path = EXAMPLES / "cluster.yaml"
    return parse_snapshot(read_text(path), str(path))


def test_the_snapshot_is_a_believable_cluster():
    example = cluster()
    assert len(example.hosts) == 4
    assert len(example.domains) == 16
    assert {host.labels["rack"] for host in example.hosts} == {"r1", "r2"}
    for host in example.hosts:
        used = sum(domain.uses.get("memory", 0) for domain in example.domains_on(host.name) if domain.state.active)
        assert used <= host.capacity["memory"]
        assert all(not domain.missing_on(host) for domain in example.domains_on(host.name))
    assert [link.link for link in Network(example.links).route("h1", "h4")] == ["h1-nic", "uplink", "h4-nic"]
    assert parse_snapshot(dump_snapshot(example), "cluster.json") == example


def test_the_inventory_is_about_the_same_cluster():
    example = cluster()
    inventory = load_inventory(EXAMPLES / "inventory.yaml", load=loader(TestDriver()))
    assert [host.name for host in inventory.hosts] == [host.name for host in example.hosts]
    assert [host.labels for host in inventory.hosts] == [host.labels for host in example.hosts]
    assert inventory.links == example.links
    for domain in example.domains:
        labelled = domain
        for rule in inventory.label_rules:
            labelled = rule.apply(labelled)
        assert labelled.labels == domain.labels
