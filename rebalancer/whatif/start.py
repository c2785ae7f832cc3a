"""Where domains would be started that do not run: new ones, or those of hosts that have failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace

import numpy as np

from rebalancer.cluster import Cluster, Domain, DomainState
from rebalancer.placement import Problem, State, Term, search
from rebalancer.placement.explain import refusals
from rebalancer.placement.insertion import insert
from rebalancer.placement.primitives import AllowedHosts, IntArray
from rebalancer.plan.make import assess
from rebalancer.plan.model import Plan, Unplaced
from rebalancer.policy.model import Policy
from rebalancer.values import dataclass
from rebalancer.whatif.waiting import Waiting, waiting_problem

__all__ = ["Option", "Started", "reasons_against", "start_domains"]

_SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A host that would do. ``score``: of the whole cluster then; less is better."""

    host: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Started:
    """``cluster``: as it is; ``after``: with what was started, and without what finds no place.

    ``placement``: UUID → host. ``options``: UUID → the best hosts for it, where all others are started as they are, the
    best first. ``now`` and ``then``: scores and broken rules of the two clusters, as plans without steps.
    """

    cluster: Cluster
    after: Cluster
    domains: tuple[Domain, ...]
    placement: Mapping[str, str]
    unplaced: tuple[Unplaced, ...]
    now: Plan
    then: Plan
    options: Mapping[str, tuple[Option, ...]] = field(default_factory=dict)


def start_domains(
    cluster: Cluster,
    policy: Policy,
    domains: Sequence[Domain],
    *,
    now: Cluster | None = None,
    best: int = 0,
    seed: int = 0,
    effort: int = 5,
    elapsed: Callable[[], float] = lambda: 0.0,
) -> Started:
    """Starts domains on the best hosts for them, while nothing else is moved.

    ``domains``: none of them in the cluster. ``best``: how many hosts to name for each. ``now``: what to compare
    with, if it is not this cluster. The rest is as for plans.
    """
    waiting = waiting_problem(cluster, policy, domains)
    placement = _place(waiting, seed, effort, elapsed)
    hosts = {
        waiting.problem.domains[d]: waiting.problem.hosts[placement[d]]
        for d in waiting.waiting
        if placement[d] < waiting.hosts
    }
    started = tuple(
        replace(domain, host=hosts[domain.uuid], state=DomainState.RUNNING)
        for domain in domains
        if domain.uuid in hosts
    )
    after = replace(cluster, domains=(*cluster.domains, *started))
    then = assess(after, policy)
    return Started(
        cluster=now or cluster,
        after=after,
        domains=tuple(domains),
        placement=hosts,
        unplaced=_unplaced(waiting, placement, domains),
        now=assess(now or cluster, policy),
        then=then,
        options=_options(waiting, placement, best, then.before.total) if best else {},
    )


def _place(waiting: Waiting, seed: int, effort: int, elapsed: Callable[[], float]) -> IntArray:
    """One at a time; where that leaves any without a host, the search, which also exchanges those that wait."""
    problem = waiting.problem
    first = insert(problem, waiting.waiting, stop=lambda: elapsed() >= 1.0)
    if len(waiting.waiting) == 1 or waiting.found_place(first).all():
        return first
    found = search(_only(problem, waiting.waiting), seed=seed, effort=effort, elapsed=elapsed).host
    costs = [tuple(np.round(State(problem, each).costs(), 9)) for each in (first, found)]
    return found if costs[1] < costs[0] else first


def _only(problem: Problem, movable: Sequence[int]) -> Problem:
    """The same problem, in which all others stay where they are."""
    mask = problem.start.copy()
    mask[list(movable)] = -1
    stay = AllowedHosts(masks=np.eye(len(problem.hosts), dtype=np.bool_), mask=mask)
    return replace(problem, terms=(*problem.terms, Term(name="running", primitive=stay)))


def _unplaced(waiting: Waiting, placement: IntArray, domains: Sequence[Domain]) -> tuple[Unplaced, ...]:
    return tuple(
        Unplaced(domain=domain.name, uuid=domain.uuid, host=domain.host, reasons=reasons_against(waiting, placement, d))
        for d, domain in zip(waiting.waiting, domains, strict=True)
        if placement[d] >= waiting.hosts
    )


def reasons_against(waiting: Waiting, placement: IntArray, domain: int) -> dict[str, str]:
    """For each host, why a domain does not start there."""
    found = refusals(waiting.problem, placement, domain, waiting.name)
    return {host: found[host] for host in waiting.problem.hosts[: waiting.hosts] if host in found}


def _options(waiting: Waiting, placement: IntArray, best: int, total: float) -> dict[str, tuple[Option, ...]]:
    state = State(waiting.problem, placement)
    return {
        waiting.problem.domains[d]: _ranked(waiting, state, d, total)[:best]
        for d in waiting.waiting
        if placement[d] < waiting.hosts
    }


def _ranked(waiting: Waiting, state: State, domain: int, total: float) -> tuple[Option, ...]:
    change = state.shifts(domain)
    allowed = [int(h) for h in np.flatnonzero((change[:2] <= _SAME).all(axis=0)) if h < waiting.hosts]
    here = int(state.placement[domain])
    # Of equals, first the host where it is started.
    ranked = sorted(allowed, key=lambda h: (tuple(np.round(change[2:, h], 9)), h != here, h))
    return tuple(Option(host=waiting.problem.hosts[h], score=total + float(change[2:, h].sum())) for h in ranked)
