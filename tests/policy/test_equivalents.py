"""Each example of the table that maps other systems' constraints and objectives to ours is read, checked, planned."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from rebalancer.placement import State
from rebalancer.placement.problem import Problem
from rebalancer.plan.make import make_plan
from rebalancer.policy import View, check_policy
from rebalancer.policy.equivalents import Row, parse_equivalents
from rebalancer.policy.model import Clause
from rebalancer.policy.scenario import cluster_of, differences, history_of
from tests.cli.commands import ROOT

FILE = ROOT / "docs" / "equivalents.yaml"
FOUND = parse_equivalents(FILE.read_text("utf-8"), FILE.name)
ROWS = [pytest.param(row, id=f"{system.system}: {row.theirs}") for system in FOUND.systems for row in system.rows]


@pytest.mark.parametrize("row", ROWS)
def test_an_example_does_what_it_says(row: Row) -> None:
    policy, cluster = row.read(), cluster_of(row.cluster or FOUND.cluster)
    errors, warnings = check_policy(policy, cluster)
    assert errors == ()
    assert not [warning for warning in warnings if "selected" in warning.message or "group" in warning.message]
    plan = make_plan(cluster, policy, effort=1, history=history_of(row.history, cluster))
    if row.expect is None:
        assert plan.violations_after == ()
        view = View(cluster)
        assert policy.clauses
        for clause in policy.clauses:
            assert makes_a_difference(clause, view), clause
    else:
        assert tuple(differences(cluster, plan, row.expect)) == ()


def makes_a_difference(clause: Clause, view: View) -> bool:
    """Whether some placements cost more by a clause than others."""
    problem = Problem(
        hosts=tuple(host.name for host in view.hosts),
        domains=tuple(domain.uuid for domain in view.domains),
        start=view.start,
        terms=clause.terms(view),
    )
    random = Random(0)
    costs: set[float] = set()
    together = [[host] * len(view.domains) for host in range(len(view.hosts))]
    for placement in together + [[random.randrange(len(view.hosts)) for _ in view.domains] for _ in range(500)]:
        costs.add(round(float(State(problem, np.array(placement)).costs()[1:].sum()), 6))
    return len(costs) > 1


def test_all_seven_systems_are_there() -> None:
    assert [system.system for system in FOUND.systems] == [
        "DRS",
        "Ganeti htools",
        "ProxLB",
        "Watcher",
        "oVirt",
        "BtrPlace",
        "ReBalancer",
    ]


@pytest.mark.parametrize("row", ROWS)
def test_an_expectation_could_fail(row: Row) -> None:
    """What is expected does not hold of a plan that moves nothing, or of one without the policy's own clauses."""
    if row.expect is None:
        return
    cluster = cluster_of(row.cluster or FOUND.cluster)
    without = Row(theirs=row.theirs, ours=row.ours).read()
    plan = make_plan(cluster, without, effort=1)
    always_on = "always on" in row.ours or "does not count" in row.ours
    assert always_on or tuple(differences(cluster, plan, row.expect))
