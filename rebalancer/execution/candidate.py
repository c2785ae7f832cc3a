"""A step with all that is needed to start it, gathered once."""

from __future__ import annotations

from dataclasses import replace

from rebalancer.cluster import Capabilities, Cluster, Domain, DomainState, cap_of
from rebalancer.execution.sharing import Sender, sender_of
from rebalancer.plan.model import Plan, Step
from rebalancer.plan.rates import Flow
from rebalancer.values import dataclass

__all__ = ["Candidate", "candidates"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    step: Step
    domain: Domain
    """As the source knows it when the step starts."""
    offers: Capabilities
    """What the source can do."""
    sender: Sender
    fault: str | None = None
    """Why it can never be started."""


def candidates(plan: Plan, cluster: Cluster) -> dict[str, Candidate]:
    """By step id."""
    return {step.id: _candidate(step, plan, cluster) for step in plan.steps}


def _candidate(step: Step, plan: Plan, cluster: Cluster) -> Candidate:
    seen = cluster.domains_by_uuid.get(step.uuid, ())
    active = [d for d in seen if d.state.active]
    # Of a run that is resumed, a domain may be on both ends.
    domain = next((d for d in active if d.host == step.source), next(iter(active), None))
    if domain is not None and any(d.state is DomainState.RUNNING for d in active):
        # A copy that still arrives stands still, which the domain does not.
        domain = replace(domain, state=DomainState.RUNNING)
    offers = cluster.host_by_name[step.source].migration if step.source in cluster.host_by_name else Capabilities()
    fault = None
    known = domain or Domain(name=step.domain, uuid=step.uuid, host=step.source)
    try:
        sender = sender_of(step, known, offers, plan.guards)
    except (KeyError, ValueError) as error:
        sender, fault = Sender(flow=Flow(route=())), f"its route does not fit the plan's links: {error}"
    if domain is None:
        fault = f"'{step.domain}' is not active on any host"
    elif step.source not in cluster.host_by_name or step.destination not in cluster.host_by_name:
        fault = f"the cluster has no host {step.source!r} or {step.destination!r}"
    return Candidate(
        step=step,
        domain=replace(known, name=step.domain, host=step.source),
        offers=offers,
        sender=sender,
        fault=fault or _uncappable(step, plan, cluster, sender),
    )


def _uncappable(step: Step, plan: Plan, cluster: Cluster, sender: Sender) -> str | None:
    """A source that cannot limit its migrations must not use links that are to be kept free in part."""
    if sender.cappable:
        return None
    capacity, caps = {link.name: link.capacity for link in cluster.links}, plan.guards.links
    kept = [
        link.link
        for link in sender.flow.route
        if (cap := cap_of(caps, link)) is not None and cap < capacity.get(link.link, 0.0)
    ]
    if kept:
        return f"{step.source} cannot limit the rate of a migration, and {', '.join(kept)} must not be used fully"
    return None if step.settings.bandwidth is None else f"{step.source} cannot limit the rate of a migration"
