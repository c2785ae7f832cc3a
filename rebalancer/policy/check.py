"""Whether a policy fits a cluster: hosts that do not exist, labels that nothing has, selectors that select nothing, and
rules that cannot hold there."""

from __future__ import annotations

from collections.abc import Iterator

from rebalancer.cluster import Cluster
from rebalancer.cluster.text import shown
from rebalancer.errors import InvalidInput, Problem
from rebalancer.policy.clause import Caution, Finding, key_findings, selector_findings
from rebalancer.policy.conflicts import cluster_conflicts
from rebalancer.policy.expressions import DomainSelector
from rebalancer.policy.hints import hinted
from rebalancer.policy.model import Policy, Source
from rebalancer.policy.step_rules import step_findings
from rebalancer.policy.view import View

__all__ = ["check_policy"]

_MOST_HINTS = 20


def check_policy(policy: Policy, cluster: Cluster) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """(errors, warnings), each in the policy's order and with its position."""
    view = View(cluster)
    found = [problem for clause in policy.clauses for problem in clause.check(view)]
    found += [*_links(policy, cluster), *_entries(policy, view), *step_findings(policy, view)]
    found += [*_limits(policy, view), *_hints(policy, view)]
    if not any(not isinstance(problem, Caution) for problem in found):
        found += cluster_conflicts(policy, view)
    return (
        tuple(problem for problem in found if not isinstance(problem, Caution)),
        tuple(problem for problem in found if isinstance(problem, Caution)),
    )


def _links(policy: Policy, cluster: Cluster) -> Iterator[Problem]:
    for located in policy.links:
        select = located.entry.select
        if cluster.links and not any(select.matches(link) for link in cluster.links):
            yield Caution(f"links: no link is selected by {shown(select.source)}", located.source.at(("select",)))


def _entries(policy: Policy, view: View) -> Iterator[Problem]:
    """What else selects domains."""
    for located in policy.migration:
        yield from _selects("migration", located.entry.select, located.source, view)
    for protection in policy.protect:
        yield from _selects("protect", protection.entry.select, protection.source, view)
    for override in policy.overrides:
        yield from _selects("overrides", override.select, override.source, view)


def _selects(section: str, select: DomainSelector, source: Source, view: View) -> Iterator[Problem]:
    try:
        findings: list[Finding] = list(selector_findings(select, view))
    except InvalidInput as error:
        findings = [(("select",), problem) for problem in error.problems]
    for path, problem in findings:
        yield type(problem)(f"{section}: {problem.message}", source.at(path))


def _limits(policy: Policy, view: View) -> Iterator[Problem]:
    written = policy.settings.get("limits", {})
    if policy.limits.per_group is not None:
        position = written["per_group"].position if "per_group" in written else None
        for _, problem in key_findings(policy.limits.per_group.group, DomainSelector("true"), view):
            yield type(problem)(f"limits: per_group: {problem.message}", position)


def _hints(policy: Policy, view: View) -> Iterator[Problem]:
    found = [
        Caution(f"hints: domain {shown(domain.name)}: {words}")
        for domain in view.domains
        for words in hinted(domain, policy.hints).problems
    ]
    yield from found[:_MOST_HINTS]
    if len(found) > _MOST_HINTS:
        yield Caution(f"hints: {len(found) - _MOST_HINTS} more are not understood or not allowed")
