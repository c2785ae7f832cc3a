from __future__ import annotations

from rebalancer.cluster import Link
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.policy import check_policy, load_policies
from tests.policy.test_compile import policy
from tests.policy.worlds import cluster, domain, host


def test_what_does_not_fit_the_cluster_is_said_with_its_position() -> None:
    found = policy(
        "rules:\n"
        '  - pin: {select: "true", hosts: [h1, h9]}\n'
        "  - stay: {select: \"labels.app == 'db'\"}\n"
        "  - anti_affinity: {across: rack}\n"
        "goals:\n"
        "  - balance: {resource: disk}\n"
        "links:\n"
        "  - {select: \"name == 'nowhere'\", most: 10%}\n"
        "migration:\n"
        "  - {select: \"name == 'nobody'\", live: true}\n"
    )
    link = Link(name="uplink", connects=("h1", "h2"), capacity=BytesPerSecond(1e9))
    errors, warnings = check_policy(found, cluster([host("h1"), host("h2")], [domain("a", "h1")], links=(link,)))
    assert [str(problem) for problem in errors] == [
        "p.yaml:4:39: pin: there is no host 'h9' (hosts: h1, h2)",
        "p.yaml:6:29: anti_affinity: no host has the label 'rack' (labels: host)",
    ]
    assert [str(problem) for problem in warnings] == [
        "p.yaml:5:20: stay: no domain is selected by 'labels.app == 'db'': none has the label 'app'",
        "p.yaml:8:25: balance: no host reports a capacity of 'disk': not balanced there",
        "p.yaml:10:14: links: no link is selected by 'name == 'nowhere''",
        "p.yaml:12:14: migration: no domain is selected by 'name == 'nobody''",
    ]


def test_an_expression_that_fails_is_an_error() -> None:
    found = policy("rules:\n  - stay: {select: '1 / 0 == 1'}\n")
    errors, _ = check_policy(found, cluster([host("h1")], [domain("a", "h1")]))
    assert [str(problem) for problem in errors] == [
        "p.yaml:4:11: stay: the expression '1 / 0 == 1' fails for domain 'a': divide by zero"
    ]


def test_ready_made_policies_fit_an_ordinary_cluster() -> None:
    found = load_policies(["balance", "evacuate", "consolidate"], str)
    assert check_policy(found, cluster([host("h1"), host("h2")], [domain("a", "h1")])) == ((), ())
