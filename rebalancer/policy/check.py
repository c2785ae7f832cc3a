"""Whether a policy fits a cluster: hosts that do not exist, labels that nothing has, selectors that select nothing."""

from __future__ import annotations

from collections.abc import Iterator

from rebalancer.cluster import Cluster
from rebalancer.cluster.text import shown
from rebalancer.errors import Problem
from rebalancer.policy.clause import Caution, selector_findings
from rebalancer.policy.model import Policy
from rebalancer.policy.view import View

__all__ = ["check_policy"]


def check_policy(policy: Policy, cluster: Cluster) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """(errors, warnings), each in the policy's order and with its position."""
    view = View(cluster)
    found = [problem for clause in (*policy.rules, *policy.goals) for problem in clause.check(view)]
    found += [*_links(policy, cluster), *_migration(policy, view)]
    return (
        tuple(problem for problem in found if not isinstance(problem, Caution)),
        tuple(problem for problem in found if isinstance(problem, Caution)),
    )


def _links(policy: Policy, cluster: Cluster) -> Iterator[Problem]:
    for located in policy.links:
        select = located.entry.select
        if cluster.links and not any(select.matches(link) for link in cluster.links):
            yield Caution(f"links: no link is selected by {shown(select.source)}", located.source.at(("select",)))


def _migration(policy: Policy, view: View) -> Iterator[Problem]:
    for located in policy.migration:
        for path, problem in selector_findings(located.entry.select, view):
            yield type(problem)(f"migration: {problem.message}", located.source.at(path))
