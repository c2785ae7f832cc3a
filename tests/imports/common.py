"""What all tests of importers do with what was imported: it must be a valid snapshot, a valid policy, and plannable."""

from __future__ import annotations

from rebalancer.cluster import Cluster
from rebalancer.cluster.snapshot import dump_snapshot, parse_snapshot
from rebalancer.imports import Imported
from rebalancer.plan.make import make_plan
from rebalancer.plan.model import Plan
from rebalancer.policy import Policy, check_policy, compile_problem, load_policies

__all__ = ["placed", "planned", "policy_of", "usable"]


def policy_of(imported: Imported) -> Policy:
    return load_policies(["./policy.yaml"], lambda _: imported.policy)


def usable(imported: Imported, cluster: Cluster | None = None) -> Policy:
    """The policy, after both parts have been through the readers that will read them."""
    found = cluster or imported.cluster
    policy = policy_of(imported)
    for note in imported.notes:
        assert note.isprintable()
    if found is not None:
        assert parse_snapshot(dump_snapshot(found), "cluster.json") == found
        assert check_policy(policy, found)[0] == ()
        compile_problem(policy, found)
    return policy


def placed(imported: Imported) -> dict[str, str]:
    """Domain → host after the plan."""
    plan = planned(imported)
    assert imported.cluster is not None
    return {domain.name: plan.placement.get(domain.uuid, domain.host) for domain in imported.cluster.domains}


def planned(imported: Imported) -> Plan:
    assert imported.cluster is not None
    return make_plan(imported.cluster, usable(imported), effort=1)
