from __future__ import annotations

import pytest

from rebalancer.cluster import Link, MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond
from rebalancer.errors import InvalidInput
from rebalancer.policy import Policy, compile_problem, load_policies
from tests.policy.worlds import cluster, domain, host

HEADER = "apiVersion: rebalancer/v1\nkind: Policy\n"


def policy(text: str) -> Policy:
    return load_policies(["./p.yaml"], lambda _: HEADER + text)


def test_terms_have_different_names_and_their_tiers() -> None:
    found = policy(
        "rules: [{capacity: {resource: cpu}}, {capacity: {resource: cpu, soft: 3}}]\n"
        "goals: [{balance: {resource: cpu, tier: 2, weight: 4}}]\nlimits: {max_moves: 5}\n"
    )
    problem = compile_problem(found, cluster([host("h1"), host("h2")], [domain("a", "h1")])).problem
    assert [(term.name, term.tier, term.weight) for term in problem.terms] == [
        ("capacity: cpu", 0, 1.0),
        ("capacity: cpu (2)", 1, 3.0),
        ("balance: cpu", 2, 4.0),
    ]
    assert problem.max_moves == 5
    assert (problem.hosts, problem.domains, problem.start.tolist()) == (("h1", "h2"), ("uuid-a",), [0])


def test_what_moves_send_is_in_bytes_with_what_is_written_and_copied_meanwhile() -> None:
    domains = [
        domain("plain", "h1", uses={"memory": 1000.0}),
        domain("busy", "h1", migration=MigrationTraits(memory=Bytes(1000), dirty_rate=BytesPerSecond(50 * 2**20))),
        domain("disk", "h1", migration=MigrationTraits(memory=Bytes(1000), disk=Bytes(7))),
        domain("absurd", "h1", migration=MigrationTraits(memory=Bytes(10**24))),
    ]
    payload = compile_problem(policy(""), cluster([host("h1")], domains)).problem.payload
    assert payload is not None
    assert payload[:3].tolist() == [1000, 2000, 1007]
    assert 2**58 < payload[3] < 2**60


def test_what_the_planner_needs_is_at_hand() -> None:
    found = policy("links: [{most: 40%}]\nmigration: [{live: false}]\n")
    link = Link(name="uplink", connects=("h1", "h2"), capacity=BytesPerSecond(100.0))
    compiled = compile_problem(found, cluster([host("h1"), host("h2")], [domain("a", "h1")], links=(link,)))
    assert compiled.link_caps == {"uplink": 40.0}
    assert compiled.link_slots == {}
    assert [settings.live for settings in compiled.settings] == [False]


def test_an_expression_that_fails_is_reported_where_it_stands() -> None:
    found = policy("rules:\n  - stay: {select: '1 / 0 == 1'}\n")
    with pytest.raises(InvalidInput, match=r"^p\.yaml:4:11: stay: the expression '1 / 0 == 1' fails for domain 'a'"):
        compile_problem(found, cluster([host("h1")], [domain("a", "h1")]))


def test_an_empty_cluster_compiles() -> None:
    problem = compile_problem(load_policies(["balance", "consolidate"], str), cluster([])).problem
    assert problem.domains == ()


def test_inbound_is_towards_the_host_whichever_end_of_its_link_it_is() -> None:
    links = (
        Link(name="a", connects=("h1", "switch"), capacity=BytesPerSecond(100.0)),
        Link(name="b", connects=("switch", "h2"), capacity=BytesPerSecond(100.0)),
        Link(name="up", connects=("core", "switch"), capacity=BytesPerSecond(100.0)),
    )
    world = cluster([host("h1"), host("h2")], [domain("a", "h1")], links=links)
    found = policy("links: [{most: 40%, inbound: 10 B/s}, {select: \"name == 'up'\", outbound: 30%, concurrency: 2}]\n")
    compiled = compile_problem(found, world)
    assert compiled.link_caps == {
        ("a", "switch"): 10.0,
        ("a", "h1"): 40.0,
        ("b", "switch"): 10.0,
        ("b", "h2"): 40.0,
        ("up", "core"): 30.0,
        ("up", "switch"): 100.0,
    }
    assert compiled.link_slots == {"up": 2}
