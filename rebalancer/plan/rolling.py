"""Rolling maintenance: many hosts emptied in as few rounds as the rules allow, and their domains back home at the end.

In each round as many hosts are emptied as will go together. What arrives goes to hosts that have been emptied before
or need not be, as long as these have room, so that few domains move twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Protocol

import numpy as np

from rebalancer.cluster import Cluster
from rebalancer.cluster.units import Seconds
from rebalancer.placement.primitives import AllowedHosts
from rebalancer.placement.problem import Term
from rebalancer.plan.back import Home, under_old_names
from rebalancer.plan.make import make_plan
from rebalancer.plan.model import Deadline, Plan, Reason
from rebalancer.policy.clause import Goal
from rebalancer.policy.model import Clause, Limits, Policy
from rebalancer.policy.view import View
from rebalancer.values import dataclass

__all__ = ["Rolling", "Round", "homes_of", "least_first", "next_round", "roll", "way_home"]

_WEIGHT = 1e6
"""Of a domain that goes where it will have to leave again, or does not come home: more than any other goal's."""


class Make(Protocol):
    """How plans are made."""

    def __call__(self, cluster: Cluster, policy: Policy, *, deadline: Deadline | None = None) -> Plan: ...


@dataclass(frozen=True, kw_only=True)
class Round:
    """Hosts that are emptied together, by one plan. ``plan.snapshot`` has them in maintenance."""

    hosts: tuple[str, ...]
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class Rolling:
    """``stuck``: hosts that cannot be emptied, each with the plan that shows who stays and why. ``home``: the way back
    at the end; None: not asked for."""

    rounds: tuple[Round, ...]
    stuck: Mapping[str, Plan]
    home: Plan | None = None

    @property
    def twice(self) -> tuple[str, ...]:
        """UUIDs of the domains that move in more than one round."""
        moved = [uuid for each in self.rounds for uuid in each.plan.placement]
        return tuple(sorted({uuid for uuid in moved if moved.count(uuid) > 1}))


def roll(
    cluster: Cluster,
    policy: Policy,
    hosts: Sequence[str],
    *,
    most: int | None = None,
    home: bool = False,
    within: Seconds | None = None,
    make: Make = make_plan,
) -> Rolling:
    """All rounds, each planned for what the one before leaves. ``most``: hosts at once; None: as many as will go.
    ``within``: a host that cannot be emptied in this time, rounds one right after another, is stuck."""
    homes = homes_of(cluster, hosts)
    left, rounds = list(hosts), list[Round]()
    stuck: dict[str, Plan] = {}
    while left:
        found = next_round(cluster, policy, left, most=most, within=within, make=make)
        if isinstance(found, Plan):
            stuck[left.pop(0)] = found
            continue
        rounds.append(found)
        cluster = after(cluster, found.plan)
        within = None if within is None else Seconds(max(within - found.plan.makespan, 0.0))
        left = [host for host in left if host not in found.hosts]
    return Rolling(
        rounds=tuple(rounds), stuck=stuck, home=way_home(cluster, policy, homes, make=make) if home and rounds else None
    )


def least_first(cluster: Cluster, hosts: Iterable[str]) -> list[str]:
    """The hosts by how much their domains have to send, the least first: whoever leaves in the first round has to leave
    again mostly."""
    sending = dict.fromkeys(hosts, 0)
    for domain in cluster.active_domains:
        if domain.host in sending:
            sending[domain.host] += domain.migration.memory + domain.migration.disk
    return sorted(sending, key=sending.__getitem__)


def next_round(
    cluster: Cluster,
    policy: Policy,
    left: Sequence[str],
    *,
    most: int | None = None,
    within: Seconds | None = None,
    make: Make = make_plan,
) -> Round | Plan:
    """The most of the hosts that are ``left`` which can be emptied at once, in time (``within``). Where not even
    the first of them can be: the plan that shows why, for that one."""
    limit = len(left) if most is None else min(most, len(left))
    batch = _Batches(cluster, policy, left, within, make)
    for size in _sizes(limit):
        if batch.grow(left[:size]):
            break
    if not batch.hosts:
        return batch.plan([left[0]])
    for host in left:
        if len(batch.hosts) < limit and host not in batch.hosts:
            batch.grow([*batch.hosts, host])
    assert batch.found is not None  # noqa: S101 - it has hosts
    return Round(hosts=tuple(batch.hosts), plan=batch.found)


def _sizes(limit: int) -> Iterable[int]:
    """All of them, half of them, … and one."""
    while limit > 1:
        yield limit
        limit //= 2
    yield 1


class _Batches:
    """The largest batch that has been found to work. A batch is planned only where there is room for it at all."""

    def __init__(
        self, cluster: Cluster, policy: Policy, left: Sequence[str], within: Seconds | None, make: Make
    ) -> None:
        self.hosts: list[str] = []
        self.found: Plan | None = None
        self._cluster = cluster
        self._policy = policy
        self._left = left
        self._within = within
        self._make = make

    def grow(self, hosts: Sequence[str]) -> bool:
        if not self._has_room(hosts):
            return False
        plan = self.plan(hosts)
        if staying(plan, hosts):
            return False
        self.hosts, self.found = list(hosts), plan
        return True

    def plan(self, hosts: Sequence[str]) -> Plan:
        later = frozenset(self._left) - frozenset(hosts)
        policy = _with_goal(self._policy, _NotThere(hosts=later)) if later else self._policy
        emptied = frozenset(hosts)
        deadline = None if self._within is None else Deadline(hosts=emptied, within=self._within, strict=True)
        return self._make(self._cluster.with_maintenance(emptied), policy, deadline=deadline)

    def _has_room(self, hosts: Sequence[str]) -> bool:
        """Whether the memory in use on these hosts is no more than what the others have free."""
        gone = frozenset(hosts)
        used = {host.name: 0.0 for host in self._cluster.hosts}
        for domain in self._cluster.active_domains:
            used[domain.host] += domain.uses.get("memory", 0.0)
        free = sum(
            max(host.capacity.get("memory", float("inf")) - used[host.name], 0.0)
            for host in self._cluster.hosts
            if host.readable and host.name not in gone
        )
        return sum(used[host] for host in gone) <= free


def staying(plan: Plan, hosts: Collection[str]) -> tuple[str, ...]:
    """UUIDs of the domains that a plan leaves on hosts to be emptied."""
    return tuple(d.uuid for d in plan.snapshot.active_domains if plan.placement.get(d.uuid, d.host) in hosts)


def homes_of(cluster: Cluster, hosts: Collection[str]) -> dict[str, Home]:
    """Where the domains of some hosts are, by UUID, and what they are called."""
    return {d.uuid: Home(host=d.host, name=d.name) for d in cluster.active_domains if d.host in hosts}


def way_home(cluster: Cluster, policy: Policy, homes: Mapping[str, Home], *, make: Make = make_plan) -> Plan:
    """The plan that brings domains back to their hosts, under their names as far as these can be had on the way. The
    policy's rules hold; its limits do not, as they are about moves that nobody asked for."""
    goal = _AtHome(homes={uuid: home.host for uuid, home in homes.items()})
    asked = replace(_with_goal(policy, goal), limits=Limits())
    plan = under_old_names(cluster, homes, asked, lambda as_before: make(as_before, asked))
    return replace(plan, steps=tuple(replace(step, why=tuple(map(_in_words, step.why))) for step in plan.steps))


def _in_words(reason: Reason) -> Reason:
    """What coming home is weighed with is nobody's business."""
    return replace(reason, text="comes home") if reason.rule.startswith(_AtHome.word) else reason


def after(cluster: Cluster, plan: Plan) -> Cluster:
    """The cluster as a plan leaves it."""
    names = {step.uuid: step.name_after for step in plan.steps}
    return replace(
        cluster,
        domains=tuple(
            replace(d, host=plan.placement.get(d.uuid, d.host), name=names.get(d.uuid, d.name))
            if d.state.active and d.uuid in names
            else d
            for d in cluster.domains
        ),
    )


def _with_goal(policy: Policy, goal: Goal) -> Policy:
    return replace(policy, goals=(*policy.goals, Clause(name=goal.word, body=goal)))


class _NotThere(Goal):
    """Nothing goes to hosts that have yet to be emptied."""

    word: ClassVar[str] = "rolling"
    hosts: frozenset[str]

    @property
    def detail(self) -> str:
        return "not to hosts that are emptied later"

    def terms(self, view: View) -> Iterable[Term]:
        later = view.hosts_where(lambda host: host.name in self.hosts)
        masks = np.repeat(~later[np.newaxis], len(view.hosts), axis=0) | np.eye(len(view.hosts), dtype=np.bool_)
        yield self.term(AllowedHosts(masks=masks, mask=view.start.copy()), _WEIGHT)


class _AtHome(Goal):
    """Domains are where they came from."""

    word: ClassVar[str] = "rolling"
    homes: dict[str, str]

    @property
    def detail(self) -> str:
        return "back home"

    def terms(self, view: View) -> Iterable[Term]:
        home = [view.host_index.get(self.homes.get(domain.uuid, ""), -1) for domain in view.domains]
        masks = np.eye(len(view.hosts), dtype=np.bool_)
        yield self.term(AllowedHosts(masks=masks, mask=np.array(home, dtype=np.int64)), _WEIGHT)
