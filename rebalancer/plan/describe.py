"""From what was decided to a plan that says all of it: steps with reasons, scores, what stays broken and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rebalancer import __version__
from rebalancer.cluster import Cluster, Domain
from rebalancer.cluster.snapshot import fingerprint
from rebalancer.cluster.units import format_duration
from rebalancer.placement import Problem, State, Term
from rebalancer.placement.bounds import score_bound
from rebalancer.placement.explain import Conflict, breaches, refusals
from rebalancer.placement.explain.words import listed
from rebalancer.placement.primitives import AllowedHosts, Capacity, IntArray
from rebalancer.plan.cuts import Cut
from rebalancer.plan.model import Deadline, Guards, Pace, Plan, Reason, Score, Step, Unplaced
from rebalancer.plan.schedule import Schedule
from rebalancer.policy.compile import Compiled
from rebalancer.policy.model import Policy
from rebalancer.policy.renaming import UNWRITTEN
from rebalancer.values import dataclass

__all__ = ["Decision", "describe"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """Where everything goes and how it gets there, and what was found out on the way.

    ``problem``: without the destinations that cannot be reached (``cuts``); ``asked``: with them, as the policy asks.
    """

    cluster: Cluster
    policy: Policy
    compiled: Compiled
    domains: tuple[Domain, ...]
    asked: Problem
    problem: Problem
    placement: IntArray
    schedule: Schedule
    cuts: Sequence[Cut] = ()
    conflicts: tuple[Conflict, ...] = ()
    notes: Sequence[str] = ()
    advised: Mapping[str, str]
    deadline: Deadline | None = None
    is_best: bool = False
    """Whether all placements were tried, and none is better."""

    def name(self, domain: int) -> str:
        return self.domains[domain].name


def describe(decision: Decision, *, seed: int, created_at: str) -> Plan:
    problem, placement = decision.problem, decision.placement
    before, after = State(problem), State(problem, placement)
    moved = np.flatnonzero(placement != problem.start)
    unplaced = tuple(_unplaced(decision))
    return Plan(
        snapshot=decision.cluster,
        fingerprint=fingerprint(decision.cluster),
        policy=decision.policy.digest,
        seed=seed,
        created_at=created_at,
        version=__version__,
        steps=_explained(problem, decision.schedule.steps, after),
        placement={problem.domains[d]: problem.hosts[placement[d]] for d in moved},
        before=_score(before, problem),
        after=_score(after, problem),
        bound=_bound(decision, after),
        violations_before=breaches(problem, problem.start, decision.name),
        violations_after=breaches(problem, placement, decision.name),
        unplaced=unplaced,
        conflicts=decision.conflicts,
        notes=tuple(
            dict.fromkeys(
                [*decision.notes, *_out_of_reach(decision, unplaced), *_unjoined(decision), *_too_long(decision)]
            )
        ),
        makespan_bound=decision.schedule.bound,
        guards=_guards(decision),
        windows=tuple(located.entry for located in decision.policy.windows),
        deadline=decision.deadline,
        advised=decision.advised,
    )


def _out_of_reach(decision: Decision, unplaced: Sequence[Unplaced]) -> Iterator[str]:
    """Who would be better elsewhere and cannot be brought there, unless that is told of who must not stay."""
    problem = decision.problem
    told = {each.uuid: each.reasons for each in unplaced}
    hosts: dict[tuple[int, str], dict[str, None]] = {}
    for cut in decision.cuts:
        host, reasons = problem.hosts[cut.host], told.get(problem.domains[cut.domain], {})
        at_home = decision.placement[cut.domain] == problem.start[cut.domain]
        if at_home and cut.reason not in reasons.get(host, ""):
            hosts.setdefault((cut.domain, cut.reason), {})[host] = None
    for (domain, reason), found in hosts.items():
        yield f"'{decision.name(domain)}' cannot be brought to {listed(found)}: {reason}"


def _unjoined(decision: Decision) -> Iterator[str]:
    """Migrations over a network of which the inventory knows nothing, though it knows other links of their hosts."""
    known = {end for link in decision.cluster.links for end in link.connects}
    pairs = {
        (step.source, step.destination): None
        for step in decision.schedule.steps
        if not step.links and known.intersection((step.source, step.destination))
    }
    if pairs:
        ways = listed(f"{source} to {destination}" for source, destination in pairs)
        yield f"no links of the inventory lead from {ways}: what that way carries is not known, and no cap is kept"


def _too_long(decision: Decision) -> Iterator[str]:
    """No window is open for as long as the plan takes."""
    takes = max((step.predicted.end for step in decision.schedule.steps), default=0.0)
    longest = max((located.entry.duration for located in decision.policy.windows), default=takes)
    if takes > longest:
        yield (
            f"this takes {format_duration(takes)}, and no window is open for more than {format_duration(longest)}: "
            "what has not started when it closes is left for the next"
        )


def _bound(decision: Decision, after: State) -> float:
    """What no placement betters, whether it can be reached or not."""
    # With several tiers of goals another placement may have a lower sum.
    if decision.is_best and decision.problem.tiers <= 2:
        return _score(after, decision.problem).total
    return score_bound(decision.asked, holds=bool(after.costs()[1] <= 1e-9))


def _explained(problem: Problem, steps: tuple[Step, ...], after: State) -> tuple[Step, ...]:
    """The steps, each with what it is good for."""
    index = {uuid: d for d, uuid in enumerate(problem.domains)}
    last = {step.uuid: step.id for step in steps}
    explained: list[Step] = []
    for step in steps:
        domain = index[step.uuid]
        if last[step.uuid] != step.id:
            why: tuple[Reason, ...] = (Reason(rule="order", before=0.0, after=0.0, text="steps aside to make room"),)
        elif after.placement[domain] == problem.start[domain]:
            why = (Reason(rule="order", before=0.0, after=0.0, text="returns after it stepped aside"),)
        else:
            why = _reasons(after, domain)
        explained.append(replace(step, why=why))
    return tuple(explained)


def _reasons(state: State, domain: int) -> tuple[Reason, ...]:
    """What would be worse if this domain alone had stayed, the most important first."""
    here, home = int(state.placement[domain]), int(state.start[domain])
    now = state.parts()
    state.apply(domain, home)
    stayed = state.parts()
    state.apply(domain, here)
    tiers = {term.name: term.tier for term in state.problem.terms}
    worse = [name for name in now if stayed[name] > now[name] + 1e-9]
    worse.sort(key=lambda name: (tiers[name], now[name] - stayed[name]))
    return tuple(Reason(rule=name, before=stayed[name], after=now[name]) for name in worse)


def _unplaced(decision: Decision) -> Iterator[Unplaced]:
    """Domains that stand where they must not and could not be brought elsewhere."""
    problem, placement = decision.problem, decision.placement
    for d, domain in enumerate(decision.domains):
        host = int(placement[d])
        if any(_forbids(term, d, host) for term in problem.terms):
            yield Unplaced(
                domain=domain.name,
                uuid=domain.uuid,
                host=problem.hosts[host],
                reasons=refusals(problem, placement, d, decision.name),
            )


def _forbids(term: Term, domain: int, host: int) -> bool:
    match term.primitive:
        case AllowedHosts() as allowed if term.hard and allowed.mask[domain] >= 0:
            return not allowed.masks[allowed.mask[domain], host]
        case _:
            return False


def _guards(decision: Decision) -> Guards:
    limits: dict[str, Mapping[str, float]] = {}
    for term in decision.asked.terms:
        # The executor counts what all domains use: rules on some, or on other figures, are the plan's alone.
        if term.hard and isinstance(term.primitive, Capacity) and _counts_uses(term.primitive, decision.domains):
            known = limits.get(term.primitive.resource, {})
            limits[term.primitive.resource] = {
                host: min(float(limit), known.get(host, float("inf")))
                for host, limit in zip(decision.problem.hosts, term.primitive.limit, strict=True)
                if np.isfinite(limit)
            }
    asked = decision.policy.limits
    return Guards(
        links=decision.compiled.link_caps,
        slots=decision.compiled.link_slots,
        ends={link.name: link.connects for link in decision.cluster.links},
        hosts=limits,
        pace=Pace(
            per_hour=asked.per_hour,
            per_domain=(asked.per_domain.most, asked.per_domain.within) if asked.per_domain else None,
            cooldown=asked.cooldown,
        ),
    )


def _counts_uses(capacity: Capacity, domains: Sequence[Domain]) -> bool:
    uses = [domain.uses.get(capacity.resource, 0.0) for domain in domains]
    return bool(np.array_equal(capacity.demand, np.array(uses, dtype=np.float64)))


def _score(state: State, problem: Problem) -> Score:
    soft = {term.name for term in problem.terms if not term.hard}
    parts = {name: cost for name, cost in state.parts().items() if name in soft and (cost or name not in UNWRITTEN)}
    return Score(total=sum(parts.values()), parts=parts)
