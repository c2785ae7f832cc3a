"""Snapshot files: what is read, refused and written, and what counts as a change."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalancer.cluster import Capabilities, Cluster, Domain, DomainState, Host, HostState, Link, MigrationTraits
from rebalancer.cluster.anonymise import anonymise
from rebalancer.cluster.snapshot import differences, dump_snapshot, fingerprint, parse_snapshot
from rebalancer.cluster.units import Bytes, BytesPerSecond
from rebalancer.errors import InvalidInput, Problem
from tests.cluster.clusters import clusters

UUID = "7d0e85ba-2118-4f16-866e-915f206f88e6"
OTHER = "8d0e85ba-2118-4f16-866e-915f206f88e6"

TEXT = f"""apiVersion: rebalancer/v1
kind: Cluster
metadata: {{name: lab, taken_at: "2026-11-22T18:00:00Z"}}
hosts:
  - name: h1
    state: maintenance
    reason: new disks
    labels: {{rack: r1}}
    capacity: {{cpu: 32, memory: 256 GiB, disk: 1 TB, slots: 12}}
    migration: {{live: true, rename: true, transports: [tcp, ssh], bandwidth_unit: 1048576}}
    offers: {{network: [br0, br1], machine: []}}
  - name: h2
domains:
  - name: database
    uuid: {UUID.upper()}
    host: h1
    state: shut off
    uses: {{cpu: 1.2 cores, memory: 8 GiB}}
    labels: {{app: db}}
    needs: {{network: [br0]}}
    migration: {{memory: 4 GiB, dirty_rate: 30 MiB/s, allowed: false, reason: a passed-through device}}
    persistent: false
  - {{name: web, uuid: {OTHER}, host: h2, uses: {{memory: 1 GiB}}, interfaces: {{"52:54:00:00:00:0A": bridge br0}}}}
links:
  - {{name: nic, connects: [h1, tor1], capacity: 10 Gbit/s}}
"""

CLUSTER = Cluster(
    name="lab",
    taken_at="2026-11-22T18:00:00Z",
    hosts=(
        Host(
            name="h1",
            state=HostState.MAINTENANCE,
            reason="new disks",
            labels={"rack": "r1"},
            capacity={"cpu": 32, "memory": 256 * 2**30, "disk": 10**12, "slots": 12},
            migration=Capabilities(live=True, rename=True, transports=("tcp", "ssh"), bandwidth_unit=2**20),
            offers={"network": frozenset({"br0", "br1"}), "machine": frozenset()},
        ),
        Host(name="h2"),
    ),
    domains=(
        Domain(
            name="database",
            uuid=UUID,
            host="h1",
            state=DomainState.SHUT_OFF,
            uses={"cpu": 1.2, "memory": 8 * 2**30},
            labels={"app": "db"},
            needs={"network": frozenset({"br0"})},
            migration=MigrationTraits(
                memory=Bytes(4 * 2**30),
                dirty_rate=BytesPerSecond(30 * 2**20),
                allowed=False,
                reason="a passed-through device",
            ),
            persistent=False,
        ),
        Domain(
            name="web",
            interfaces={"52:54:00:00:00:0a": "bridge br0"},
            uuid=OTHER,
            host="h2",
            uses={"memory": 2**30},
            migration=MigrationTraits(memory=Bytes(2**30)),
        ),
    ),
    links=(Link(name="nic", connects=("h1", "tor1"), capacity=BytesPerSecond(1.25e9)),),
)


def test_reads_every_field():
    assert parse_snapshot(TEXT, "cluster.yaml") == CLUSTER


def test_writes_one_entry_a_line():
    small = Cluster(name="lab", hosts=(Host(name="h1", capacity={"memory": 2.0**34, "cpu": 2.5}),), domains=())
    assert dump_snapshot(small) == (
        '{"apiVersion": "rebalancer/v1",\n "kind": "Cluster",\n "metadata": {"name": "lab"},\n "hosts": [\n'
        '  {"name": "h1", "state": "up", "capacity": {"cpu": 2.5, "memory": 17179869184}}\n ],\n'
        ' "domains": [],\n "links": []}\n'
    )


@given(clusters())
def test_what_is_written_reads_back(cluster):
    text = dump_snapshot(cluster)
    assert parse_snapshot(text, "cluster.json") == cluster
    assert dump_snapshot(parse_snapshot(text, "cluster.json")) == text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ("host: h2", "host: h3"),
            ":23:67: domain 'web' is on host 'h3', which is not among the hosts (known: h1, h2)",
        ),
        (("name: h2", "name: h1"), ":12:11: there is a host 'h1' already, in line 5"),
        (("name: web", "name: database"), None),
        (("web, uuid: 8", "web, uuid: 7"), None),
        (
            (f"name: web, uuid: {OTHER}, host: h2", f"name: database, uuid: {UUID}, host: h1"),
            (
                ":23:12: host 'h1' has a domain with the name 'database' already, in line 14\n"
                f"cluster.yaml:23:28: host 'h1' has a domain with the uuid '{UUID}' already, in line 15"
            ),
        ),
        ((OTHER, "web-1"), "uuid: 'web-1' is not a UUID such as"),
        (("memory: 1 GiB", "memory: -1"), "memory: -1 is negative; write a number, a size such as 64 GiB or a rate"),
        (("cpu: 32,", "cpu: 1 GiB, x: y,"), "cpu: unknown unit 'GiB' in '1 GiB'; write a number of cores"),
        (("cpu: 32,", "cpu: 1 GiB, x: y,"), ":9:31: x: 'y' is not a quantity"),
        (("state: shut off", "state: shutoff"), "state: 'shutoff' is not known; write 'running', "),
        (("[h1, tor1]", "[h1, h1]"), ":25:27: link 'nic' connects 'h1' with itself"),
        (("[h1, tor1]", "[h1]"), ":25:27: connects: must have at least 2 items"),
        (("10 Gbit/s", "0"), "capacity: must be more than 0"),
        (("2026-11-22T18:00:00Z", "2026-11-22T18:00:00"), "is not a time with zone such as 2026-11-22T18:00:00Z"),
        (("live: true", "live: yes"), ":10:23: live: must be true or false, not text ('yes')"),
        (("live: true", "lives: true"), ":10:17: unknown key 'lives'; did you mean 'live'?"),
        (("name: h2", "name: ' '"), "name: must not be empty"),
        (("capacity: {cpu: 32", "capacity: [32]\n    x: {cpu: 32"), "capacity: must be a mapping, not a list"),
    ],
)
def test_refuses(change, expected):
    text = TEXT.replace(*change)
    assert text != TEXT
    if expected is None:
        parse_snapshot(text, "cluster.yaml")
        return
    with pytest.raises(InvalidInput) as error:
        parse_snapshot(text, "cluster.yaml")
    assert expected in str(error.value)


def changed(**changes: object) -> Cluster:
    return replace(CLUSTER, domains=(replace(CLUSTER.domains[0], **changes), *CLUSTER.domains[1:]))  # type: ignore[arg-type]


def changed_host(**changes: object) -> Cluster:
    return replace(CLUSTER, hosts=(replace(CLUSTER.hosts[0], **changes), *CLUSTER.hosts[1:]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (changed(host="h2"), ["domain 'database' has moved from h1 to h2"]),
        (
            changed(host="h2", name="database-h1"),
            ["domain 'database' has moved from h1 to h2", "domain 'database' is now called 'database-h1'"],
        ),
        (changed(state=DomainState.RUNNING), ["domain 'database' is now running, was shut off"]),
        (changed(uses={"memory": 9 * 2**30}), ["domain 'database' now uses 9 GiB of memory, was 8 GiB of memory"]),
        (
            changed(uses={"memory": 8 * 2**30 + 1}),
            ["domain 'database' now uses 8589934593 B of memory, was 8589934592 B of memory"],
        ),
        (
            changed(labels={"app": "x", "tier": "1"}),
            [
                "domain 'database': label 'app' is now 'x', was 'db'",
                "domain 'database': label 'tier' is now '1', was not set",
            ],
        ),
        (changed(needs={}), ["domain 'database': what it needs as 'network' has changed"]),
        (changed(migration=MigrationTraits()), ["domain 'database' can now be migrated"]),
        (changed(uses={"cpu": 7, "memory": 8 * 2**30}), []),
        (changed(migration=replace(CLUSTER.domains[0].migration, dirty_rate=None, memory=Bytes(1))), []),
        (replace(CLUSTER, domains=CLUSTER.domains[1:]), ["domain 'database' is gone from h1"]),
        (
            replace(CLUSTER, domains=(*CLUSTER.domains, replace(CLUSTER.domains[0], host="h2", name="copy"))),
            ["domain 'copy' is new on h2"],
        ),
        (replace(CLUSTER, domains=CLUSTER.domains[::-1], hosts=CLUSTER.hosts[::-1], taken_at="", name="x"), []),
        (replace(CLUSTER, hosts=CLUSTER.hosts[:1]), ["host 'h2' is gone"]),
        (replace(CLUSTER, hosts=(*CLUSTER.hosts, Host(name="h3"))), ["host 'h3' is new"]),
        (changed_host(state=HostState.DOWN), ["host 'h1' is now down, was maintenance"]),
        (
            changed_host(capacity={**CLUSTER.hosts[0].capacity, "memory": 2**30, "cpu": 16}),
            ["host 'h1' now has 16 cores, was 32 cores", "host 'h1' now has 1 GiB of memory, was 256 GiB of memory"],
        ),
        (
            changed_host(capacity={"cpu": 32, "memory": 256 * 2**30, "disk": 10**12}),
            ["host 'h1' now has no slots, was 12 slots"],
        ),
        (
            changed_host(migration=replace(CLUSTER.hosts[0].migration, live=False, transports=())),
            [
                "host 'h1': the migration capability 'live' is now false, was true",
                "host 'h1': the migration capability 'transports' is now empty, was ssh, tcp",
            ],
        ),
        (changed_host(labels={}), ["host 'h1': label 'rack' is now not set, was 'r1'"]),
        (changed_host(offers={"machine": frozenset()}), ["host 'h1': what it offers as 'network' has changed"]),
        (replace(CLUSTER, links=()), ["link 'nic' is gone"]),
        (
            replace(CLUSTER, links=(Link(name="nic", connects=("tor1", "h2"), capacity=BytesPerSecond(1.25e8)),)),
            ["link 'nic' now connects other ends", "link 'nic' now carries 1 Gbit/s, was 10 Gbit/s"],
        ),
    ],
)
def test_says_what_differs(after, expected):
    assert list(differences(CLUSTER, after)) == expected
    assert (fingerprint(after) == fingerprint(CLUSTER)) == (not expected)


@st.composite
def similar_clusters(draw: st.DrawFn) -> tuple[Cluster, Cluster]:
    """A cluster and what little may have become of it."""
    cluster = draw(clusters())
    other = draw(clusters())
    after = replace(
        cluster,
        hosts=draw(st.sampled_from([cluster.hosts, cluster.hosts[::-1], cluster.hosts[1:], other.hosts])),
        domains=draw(st.sampled_from([cluster.domains, cluster.domains[::-1], cluster.domains[1:], other.domains])),
        links=draw(st.sampled_from([cluster.links, cluster.links[1:], other.links])),
    )
    if after.domains and cluster.domains:
        field = draw(st.sampled_from(["name", "state", "uses", "labels", "needs", "migration", "persistent"]))
        value = getattr(after.domains[-1], field)
        after = replace(after, domains=(replace(cluster.domains[0], **{field: value}), *after.domains[1:]))
    return cluster, after


@given(similar_clusters())
def test_nothing_differs_exactly_when_the_fingerprints_are_equal(pair):
    before, after = pair
    assert (fingerprint(before) == fingerprint(after)) == (not differences(before, after))
    assert (fingerprint(before) == fingerprint(after)) == (not differences(after, before))


@given(clusters())
def test_a_fingerprint_survives_a_file(cluster):
    read = parse_snapshot(dump_snapshot(cluster), "cluster.json")
    assert fingerprint(read) == fingerprint(cluster)
    assert not differences(cluster, read)


@given(clusters(), st.randoms(use_true_random=False))
def test_a_fingerprint_does_not_depend_on_order(cluster, shuffled: random.Random):
    parts = [list(part) for part in (cluster.hosts, cluster.domains, cluster.links)]
    for part in parts:
        shuffled.shuffle(part)
    hosts, domains, links = (tuple(part) for part in parts)
    assert fingerprint(replace(cluster, hosts=hosts, domains=domains, links=links)) == fingerprint(cluster)


@given(clusters())
def test_anonymised_clusters_keep_their_shape_and_nothing_else(cluster):
    hidden = anonymise(cluster)
    assert parse_snapshot(dump_snapshot(hidden), "cluster.json") == hidden
    assert [host.capacity for host in hidden.hosts] == [host.capacity for host in cluster.hosts]
    for attribute in ("name", "uuid", "host"):
        before = [getattr(domain, attribute) for domain in cluster.domains]
        after = [getattr(domain, attribute) for domain in hidden.domains]
        order = sorted(range(len(before)), key=before.__getitem__)
        assert sorted(range(len(after)), key=after.__getitem__) == order
        assert len(set(before)) == len(set(after))


def test_anonymised_clusters_tell_no_names():
    text = dump_snapshot(anonymise(CLUSTER))
    for secret in (
        'lab"',
        "h1",
        "database",
        "web",
        "r1",
        "db",
        "br0",
        "bridge br0",
        "52:54:00",
        "passed",
        "disks",
        "tor1",
        UUID,
    ):
        assert f'"{secret}' not in text
    assert json.loads(text)["domains"][0]["labels"] == {"app": "app-1"}


@settings(deadline=None)
@given(st.data())
def test_no_snapshot_crashes_the_reader(data):
    """A broken file gives InvalidInput with positions, whatever part of it is broken."""
    content = json.loads(dump_snapshot(CLUSTER))
    part = content
    while isinstance(part, dict | list) and part:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = data.draw(st.sampled_from(keys))
        if data.draw(st.booleans()) or not isinstance(part[key], dict | list):
            part[key] = data.draw(st.sampled_from([None, True, -1, 1e300, "", "x", [], [None], {}, {"x": None}]))
            break
        part = part[key]
    problems: tuple[Problem, ...] = ()
    try:
        parse_snapshot(json.dumps(content), "cluster.json")
    except InvalidInput as error:
        problems = error.problems
    assert all(problem.position and problem.message.isprintable() for problem in problems)
