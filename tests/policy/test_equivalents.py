"""Each example of the table that maps other systems' constraints and objectives to ours is read, checked, planned."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rebalancer.plan.make import make_plan
from rebalancer.policy import check_policy, load_policies
from rebalancer.policy.equivalents import parse_equivalents
from rebalancer.policy.scenario import cluster_of
from tests.cli.commands import ROOT

FILE = ROOT / "docs" / "equivalents.yaml"
FOUND = parse_equivalents(FILE.read_text("utf-8"), FILE.name)
CLUSTER = cluster_of(FOUND.cluster)
EXAMPLES = [
    pytest.param(row.policy, id=f"{system.system}: {row.theirs}")
    for system in FOUND.systems
    for row in system.rows
    if row.policy
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(example: dict[str, Any]) -> None:
    text = json.dumps({"apiVersion": "rebalancer/v1", "kind": "Policy", **example})
    policy = load_policies(["./example.json"], lambda _: text)
    errors, warnings = check_policy(policy, CLUSTER)
    assert errors == ()
    assert not [warning for warning in warnings if "selected" in warning.message or "group" in warning.message]
    plan = make_plan(CLUSTER, policy, effort=1)
    assert plan.violations_after == ()


def test_all_seven_systems_are_there_and_every_row_says_something() -> None:
    assert [system.system for system in FOUND.systems] == [
        "DRS",
        "Ganeti htools",
        "ProxLB",
        "Watcher",
        "oVirt",
        "BtrPlace",
        "ReBalancer",
    ]
    for system in FOUND.systems:
        for row in system.rows:
            assert bool(row.ours and row.policy) != bool(row.without), row
