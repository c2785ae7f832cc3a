"""What a plan was made for: a cluster, the hard rules compiled, settings and caps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from rebalancer.cluster import Caps, Cluster
from rebalancer.placement.limits import MoveLimits
from rebalancer.placement.problem import Term
from rebalancer.plan.model import Plan
from rebalancer.policy.compile import compile_problem
from rebalancer.policy.model import Names, Policy
from rebalancer.values import dataclass

__all__ = ["Situation"]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Indices in the terms are those of ``hosts`` (names) and ``domains`` (UUIDs).

    ``start``: the host (index) of each domain; ``target``: UUID → host (name), of domains that move; ``caps``: of
    links; ``slots``: how many may use a link at once, in each direction.
    """

    cluster: Cluster
    hosts: tuple[str, ...]
    domains: tuple[str, ...]
    start: tuple[int, ...]
    target: Mapping[str, str]
    terms: tuple[Term, ...]
    caps: Caps = field(default_factory=dict)
    slots: Mapping[str, int] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    max_moves: int | None = None
    limits: MoveLimits | None = None

    @property
    def standing(self) -> Iterator[tuple[str, int]]:
        """Each domain (UUID) and the host (index) that it starts on."""
        return zip(self.domains, self.start, strict=True)

    @classmethod
    def of(cls, plan: Plan, policy: Policy) -> Situation:
        compiled = compile_problem(policy, plan.snapshot)
        problem = compiled.problem
        return cls(
            cluster=plan.snapshot,
            hosts=problem.hosts,
            domains=problem.domains,
            start=tuple(int(host) for host in problem.start),
            target=plan.placement,
            terms=tuple(term for term in problem.terms if term.hard),
            caps=compiled.link_caps,
            slots=compiled.link_slots,
            names=policy.names,
            max_moves=problem.max_moves,
            limits=problem.limits,
        )
