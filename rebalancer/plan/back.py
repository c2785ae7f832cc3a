"""The way back from a run: a plan like any other, which brings domains to where they were, under the names they had."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from rebalancer.checker import check_plan
from rebalancer.cluster import Cluster, DirectedLink, Domain, DomainState, Link, cap_of
from rebalancer.cluster.network import host_first
from rebalancer.cluster.snapshot import fingerprint
from rebalancer.errors import RebalancerError
from rebalancer.placement.explain import Breach
from rebalancer.plan.make import make_plan
from rebalancer.plan.model import Guards, Pace, Plan, Reason, Step
from rebalancer.policy import parse_policy
from rebalancer.policy.model import MigrationSettings, Policy
from rebalancer.values import dataclass

__all__ = ["Home", "plan_back", "under_old_names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where a domain was, and what it was called there."""

    host: str
    name: str


def plan_back(cluster: Cluster, homes: Mapping[str, Home], run: Plan, *, created_at: str = "") -> Plan:
    """The plan that brings the domains (by UUID) home; nothing else moves, but to make room.

    ``run``: the plan of the run to be undone: its caps, limits of hosts and migration settings hold on the way back,
    too. What cannot go home is ``unplaced``, with reasons.
    """
    policy = _policy(cluster, homes, run)
    plan = under_old_names(
        cluster, homes, policy, lambda as_before: make_plan(as_before, policy, created_at=created_at)
    )
    limits = _limits(plan, run, cluster)
    plan = _in_plain_words(plan, homes)
    return replace(plan, guards=replace(plan.guards, hosts=limits, pace=Pace()))


def _in_plain_words(plan: Plan, homes: Mapping[str, Home]) -> Plan:
    """Without the rules that make it the way back: they are nobody's."""

    def told(reason: Reason, step: Step) -> Reason:
        home = homes.get(step.uuid)
        text = "somebody else needs its place" if home is None else f"it was on {home.host} before"
        return replace(reason, rule="rollback", text=text) if reason.rule.startswith("pin: ") else reason

    def broken(breaches: tuple[Breach, ...]) -> tuple[Breach, ...]:
        return tuple(breach for breach in breaches if not breach.rule.startswith("pin: "))

    return replace(
        plan,
        steps=tuple(replace(step, why=tuple(told(reason, step) for reason in step.why)) for step in plan.steps),
        violations_before=broken(plan.violations_before),
        violations_after=broken(plan.violations_after),
    )


def under_old_names(
    cluster: Cluster, homes: Mapping[str, Home], policy: Policy, make: Callable[[Cluster], Plan]
) -> Plan:
    """What ``make`` plans for domains (by UUID) as if they had their old names already, so that each arrives under it
    where it is free; for the cluster as it is."""
    as_before = replace(cluster, domains=tuple(_named(domain, homes, cluster) for domain in cluster.domains))
    plan = _for(cluster, make(as_before))
    if any(violation.invariant == "name" for violation in check_plan(plan, policy)):
        # Somebody is to come under the name that another still has: names of now are not given to others, either.
        plan = _for(cluster, make(replace(as_before, domains=(*as_before.domains, *_held(cluster, as_before)))))
    return plan


def _for(cluster: Cluster, plan: Plan) -> Plan:
    steps = _from_their_names_now(plan.steps, cluster)
    return replace(plan, snapshot=cluster, fingerprint=fingerprint(cluster), steps=steps)


def _held(cluster: Cluster, as_before: Cluster) -> Iterator[Domain]:
    """For each domain that is taken to have its old name: one that is merely defined, and has the name of now."""
    for now, then in zip(cluster.domains, as_before.domains, strict=True):
        if now.name != then.name:
            yield Domain(name=now.name, uuid=f"{now.uuid} as it is called", host=now.host, state=DomainState.SHUT_OFF)


def _named(domain: Domain, homes: Mapping[str, Home], cluster: Cluster) -> Domain:
    home = homes.get(domain.uuid)
    return replace(domain, name=home.name) if home is not None and _may_rename(domain, cluster) else domain


def _may_rename(domain: Domain, cluster: Cluster) -> bool:
    return domain.state.active and cluster.host_by_name[domain.host].migration.rename


def _from_their_names_now(steps: tuple[Step, ...], cluster: Cluster) -> tuple[Step, ...]:
    """The steps, the first of each domain starting from the name that it really has."""
    names = {domain.uuid: domain.name for domain in cluster.active_domains}
    found: list[Step] = []
    for step in steps:
        now, then = names[step.uuid], step.name_after
        found.append(replace(step, domain=now, new_name=then if then != now else None))
        names[step.uuid] = then
    return tuple(found)


def _limits(plan: Plan, run: Plan, cluster: Cluster) -> Mapping[str, Mapping[str, float]]:
    """What hosts may hold: no more than either plan allows."""
    known = {host.name for host in cluster.hosts}
    limits = {resource: dict(of_hosts) for resource, of_hosts in plan.guards.hosts.items()}
    for resource, of_hosts in run.guards.hosts.items():
        merged = limits.setdefault(resource, {})
        for host, limit in of_hosts.items():
            if host in known:
                merged[host] = min(limit, merged.get(host, limit))
    return limits


def _policy(cluster: Cluster, homes: Mapping[str, Home], run: Plan) -> Policy:
    """Everything as it is, except that these domains belong home."""
    hosts = sorted({home.host for home in homes.values()})
    at_home = {host: sorted(uuid for uuid, home in homes.items() if home.host == host) for host in hosts}
    settings = {step.uuid: step.settings for step in run.steps}
    links = [link for link in cluster.links if _caps(link, cluster, run.guards)]
    data = {
        "apiVersion": "rebalancer/v1",
        "kind": "Policy",
        "metadata": {"name": "the way back"},
        "rules": [
            *({"capacity": {"resource": "memory"}} for _ in {"memory"} & set(run.guards.hosts)),
            *({"pin": {"select": _one_of(uuids), "hosts": [host]}} for host, uuids in at_home.items()),
            {"stay": {"select": f"!({_one_of(sorted(homes))})"}},
        ],
        # Where all go is given.
        "names": {"rename_cost": 0},
        "links": [{"select": f"name == {json.dumps(link.name)}", **_caps(link, cluster, run.guards)} for link in links],
        "migration": [_migration(uuid, settings[uuid]) for uuid in sorted(homes) if uuid in settings],
    }
    return parse_policy(json.dumps(data), "the way back", resolve=_nothing_to_extend)


def _caps(link: Link, cluster: Cluster, guards: Guards) -> Mapping[str, object]:
    found: dict[str, object] = {}
    for key, start in zip(("outbound", "inbound"), host_first(link, cluster.host_by_name), strict=True):
        if (cap := cap_of(guards.links, DirectedLink(link.name, start))) is not None:
            found[key] = f"{min(cap, link.capacity):.12g} B/s"
    if link.name in guards.slots:
        found["concurrency"] = guards.slots[link.name]
    return found


def _nothing_to_extend(spec: str, _position: object) -> tuple[str, str]:
    raise RebalancerError(f"the way back extends no policy ({spec})")


def _one_of(uuids: list[str]) -> str:
    return f"uuid in {json.dumps(uuids)}"


def _migration(uuid: str, settings: MigrationSettings) -> Mapping[str, object]:
    asked = {
        "select": _one_of([uuid]),
        "live": settings.live,
        "concurrency": {"per_host": settings.per_host, "total": settings.total},
        "max_downtime": settings.max_downtime,
        "when_not_converging": [rung.value for rung in settings.when_not_converging],
        "bandwidth": settings.bandwidth,
        "timeout": settings.timeout,
        "transport": settings.transport,
        "weight": settings.weight,
        "priority": settings.priority,
        "retry": {"times": settings.retries, "after": settings.retry_after},
    }
    return {key: value for key, value in asked.items() if value is not None}
