"""A placement problem in which some domains stand nowhere: each on a host of its own that is none, and that it has to
leave. Of its own, so that no rule takes those that wait for being together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from rebalancer.cluster import Capabilities, Cluster, Domain, DomainState, Host, HostState
from rebalancer.placement import Problem, Term
from rebalancer.placement.primitives import AllowedHosts, BoolArray, IntArray
from rebalancer.policy.compile import compile_problem
from rebalancer.policy.model import Names, OnClash
from rebalancer.policy.settings import Limits
from rebalancer.values import dataclass

if TYPE_CHECKING:
    from rebalancer.policy.model import Policy

__all__ = ["Waiting", "waiting_problem"]

_EVERYTHING = Capabilities(
    live=True,
    offline=True,
    bandwidth=True,
    set_bandwidth=True,
    max_downtime=True,
    cancel=True,
    auto_converge=True,
    post_copy=True,
    transports=("tcp", "tls", "ssh"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Waiting:
    """``hosts``: how many of the problem's hosts there really are, the first ones. ``waiting``: indices of the domains
    that stand nowhere. ``domains``: in the problem's order."""

    problem: Problem
    hosts: int
    waiting: tuple[int, ...]
    domains: tuple[Domain, ...]

    def found_place(self, placement: IntArray) -> BoolArray:
        """bool[waiting]"""
        return np.asarray(placement[list(self.waiting)] < self.hosts, dtype=np.bool_)

    def name(self, domain: int) -> str:
        return self.domains[domain].name


def waiting_problem(cluster: Cluster, policy: Policy, domains: Sequence[Domain]) -> Waiting:
    """``domains``: to be started, and none of them in the cluster.

    Nothing is migrated here: what hosts can do of that, how much a plan may move and what must not be moved does not
    count. A name that is taken on a host cannot be had there.
    """
    unused = (name for number in count(1) if (name := f"(nowhere {number})") not in cluster.host_by_name)
    waiting = [
        replace(domain, host=name, state=DomainState.RUNNING, migration=replace(domain.migration, allowed=True))
        for domain, name in zip(domains, unused, strict=False)
    ]
    nowhere = [Host(name=domain.host, state=HostState.MAINTENANCE) for domain in waiting]
    hosts = tuple(replace(host, migration=_EVERYTHING) for host in (*cluster.hosts, *nowhere))
    whole = replace(cluster, hosts=hosts, domains=(*cluster.domains, *waiting))
    standing = replace(policy, limits=Limits(), names=Names(on_clash=OnClash.FORBID), protect=())
    compiled = compile_problem(standing, whole)
    index = {uuid: d for d, uuid in enumerate(compiled.problem.domains)}
    indices = tuple(index[domain.uuid] for domain in waiting)
    problem = compiled.problem
    terms = tuple(_without_home(term, problem.start, indices, len(cluster.hosts)) for term in problem.terms)
    return Waiting(
        problem=replace(problem, terms=terms),
        hosts=len(cluster.hosts),
        waiting=indices,
        domains=tuple(compiled.view.domains),
    )


def _without_home(term: Term, start: IntArray, waiting: Sequence[int], hosts: int) -> Term:
    """The term without what says of a waiting domain that it has to stay where it is."""
    allowed = term.primitive
    if not isinstance(allowed, AllowedHosts) or term.physical:
        return term
    mask = allowed.mask.copy()
    for domain in waiting:
        row = allowed.masks[mask[domain]]
        if mask[domain] >= 0 and row[start[domain]] and not row[:hosts].any():
            mask[domain] = -1
    if np.array_equal(mask, allowed.mask):
        return term
    return replace(term, primitive=AllowedHosts(masks=allowed.masks, mask=mask, reasons=allowed.reasons))
