"""From a policy and a cluster to a placement problem: every rule and goal as terms over arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from rebalancer.cluster import Caps, Cluster, DirectedLink, Domain
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.placement.problem import Problem, Term
from rebalancer.policy.builtin import BUILTIN
from rebalancer.policy.capabilities import check_capabilities
from rebalancer.policy.history import History
from rebalancer.policy.limits import move_limits, with_reluctance
from rebalancer.policy.model import MigrationSettings, Policy
from rebalancer.policy.renaming import renaming_terms
from rebalancer.policy.step_rules import step_rules
from rebalancer.policy.steps import StepRules
from rebalancer.policy.view import View, rough_duration
from rebalancer.values import dataclass

__all__ = ["Compiled", "compile_problem"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Compiled:
    """A policy applied to a cluster. Indices of hosts and domains are those of ``view`` everywhere."""

    policy: Policy
    view: View
    problem: Problem

    @cached_property
    def settings(self) -> tuple[MigrationSettings, ...]:
        """How each domain is migrated, in the order of ``view.domains``."""
        return tuple(self.policy.migration_settings(domain) for domain in self.view.domains)

    @cached_property
    def steps(self) -> StepRules:
        """In which order and when domains are to be migrated, by the indices of ``view.domains``."""
        return step_rules(self.policy, self.view)

    @cached_property
    def link_caps(self) -> Caps:
        """What migrations together may take of each link."""
        cluster, caps = self.view.cluster, dict[str | DirectedLink, BytesPerSecond]()
        for link in cluster.links:
            found = self.policy.link_caps(link, cluster.host_by_name)
            alike = len(set(found.values())) == 1
            for directed, cap in found.items():
                caps[link.name if alike else directed] = cap
        return caps

    @cached_property
    def link_slots(self) -> Mapping[str, int]:
        """How many migrations may cross a link at once, in each direction, where the policy says so."""
        entries = {link.name: self.policy.link_entry(link) for link in self.view.cluster.links}
        found = {name: located.entry.concurrency for name, located in entries.items() if located is not None}
        return {name: number for name, number in found.items() if number is not None}


def compile_problem(
    policy: Policy,
    cluster: Cluster,
    *,
    predict: Callable[[Domain], Seconds] = rough_duration,
    history: History | None = None,
) -> Compiled:
    """The problem of placing the cluster's domains under the policy.

    Raises Unsupported where the policy asks of a host what it cannot do, and InvalidInput where one of its
    expressions fails. ``predict``: how long a domain's migration will take, for ``move_cost: {per_second: …}``.
    ``history``: what ``cooldown`` and ``per_domain`` go by; without it they are not asked for.
    """
    check_capabilities(policy, cluster)
    view = View(cluster, predict=predict)
    problem = Problem(
        hosts=tuple(host.name for host in view.hosts),
        domains=tuple(domain.uuid for domain in view.domains),
        start=view.start,
        terms=tuple(_distinct(with_reluctance(_terms(policy, view), policy.limits, view, history))),
        max_moves=policy.limits.max_moves,
        limits=move_limits(policy.limits, view),
        payload=view.payload,
    )
    return Compiled(policy=policy, view=view, problem=problem)


def _terms(policy: Policy, view: View) -> Iterator[Term]:
    for builtin in BUILTIN:
        yield from builtin(view, policy)
    written = [term for clause in policy.clauses for term in clause.terms(view)]
    yield from written
    yield from renaming_terms(policy, view, written)


def _distinct(terms: Iterable[Term]) -> Iterator[Term]:
    """Terms are told apart by their names: a second ``capacity: memory`` becomes ``capacity: memory (2)``."""
    seen: dict[str, int] = {}
    for term in terms:
        seen[term.name] = seen.get(term.name, 0) + 1
        yield term if seen[term.name] == 1 else replace(term, name=f"{term.name} ({seen[term.name]})")
