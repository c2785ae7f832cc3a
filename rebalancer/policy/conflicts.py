"""Rules that contradict each other: found in the policy alone, or in what they come to for a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from rebalancer.cluster.text import shown
from rebalancer.cluster.units import format_bytes, format_number
from rebalancer.errors import Problem
from rebalancer.placement.primitives import AllowedHosts, BoolArray, Capacity
from rebalancer.policy.builtin import protect
from rebalancer.policy.clause import Caution, Rule
from rebalancer.policy.expressions import DomainSelector
from rebalancer.policy.groups import groups_of
from rebalancer.policy.model import Clause, Policy, Source
from rebalancer.policy.rules.anti_affinity import AntiAffinity
from rebalancer.policy.view import View
from rebalancer.values import dataclass

__all__ = ["cluster_conflicts", "static_conflicts"]

_SHOWN = 4


def static_conflicts(clauses: Iterable[Clause]) -> Iterator[Problem]:
    """Hard rules of which no cluster can keep both, for any domain that both select."""
    # Rules with windows may never count at the same time.
    hard = [
        clause
        for clause in clauses
        if isinstance(clause.body, Rule) and clause.body.soft is None and not clause.body.windows
    ]
    for clause in hard:
        message = _impossible(clause)
        if message:
            yield Problem(f"{clause.name}: {message}", clause.source.at(("hosts",)))
    for first, second in combinations(hard, 2):
        message = _contradiction(first, second)
        if message:
            yield Problem(
                f"{second.name}: contradicts {first.name}{_place(first.source)}: {message}", second.source.at()
            )


def _place(source: Source) -> str:
    position = source.at()
    return f" in {position}" if position else ""


def _impossible(clause: Clause) -> str | None:
    hosts = getattr(getattr(clause.body, "hosts", None), "source", None)
    if clause.name == "ban" and hosts == "true":
        return "leaves no host to run on; to keep domains where they are, use stay"
    if clause.name == "pin" and hosts == "false":
        return "leaves no host to run on"
    return None


def _contradiction(first: Clause, second: Clause) -> str | None:
    for pair, check in _PAIRS.items():
        for a, b in ((first, second), (second, first)):
            if (a.name, b.name) == pair and _meet(a.body, b.body):
                return check(a.body, b.body)
    return None


def _meet(a: Any, b: Any) -> bool:
    """Whether some domain is surely selected by both: the selectors are the same, or one selects everything."""
    first, second = ("".join(getattr(body, "select", _EVERY).source.split()) for body in (a, b))
    return first == second or "true" in (first, second)


_EVERY = DomainSelector("true")


def _two_pins(a: Any, b: Any) -> str | None:
    if isinstance(a.hosts, tuple) and isinstance(b.hosts, tuple) and not set(a.hosts) & set(b.hosts):
        return f"no host is both among {', '.join(a.hosts)} and among {', '.join(b.hosts)}"
    return None


def _pin_and_ban(pin: Any, ban: Any) -> str | None:
    if isinstance(pin.hosts, tuple) and isinstance(ban.hosts, tuple):
        return "every host that is left by one is banned by the other" if set(pin.hosts) <= set(ban.hosts) else None
    return "both name the same hosts, so none is left" if pin.hosts == ban.hosts else None


def _together_and_apart(affinity: Any, anti: Any) -> str | None:
    if affinity.group != anti.group or affinity.most != 1 or anti.most != 1:
        return None
    if affinity.across not in (anti.across, "host"):
        return None
    zone = "one host" if affinity.across == "host" else f"one {affinity.across}"
    apart = "different hosts" if anti.across == "host" else f"a different {anti.across} each"
    return f"domains of a group cannot be together on {zone} and on {apart}"


def _zones_too_few(few: Any, spread: Any) -> str | None:
    if few.group != spread.group or few.across != spread.across or not isinstance(spread.least, int):
        return None
    if few.most >= spread.least:
        return None
    return f"a group cannot stand in at least {spread.least} zones and in at most {few.most}"


def _pin_and_maintenance(pin: Any, maintenance: Any) -> str | None:
    if isinstance(pin.hosts, tuple) and isinstance(maintenance.hosts, tuple):
        return "all hosts that are left are to be emptied" if set(pin.hosts) <= set(maintenance.hosts) else None
    return "the hosts that are left are to be emptied" if pin.hosts == maintenance.hosts else None


_PAIRS: Mapping[tuple[str, str], Callable[[Any, Any], str | None]] = {
    ("pin", "pin"): _two_pins,
    ("pin", "ban"): _pin_and_ban,
    ("pin", "maintenance"): _pin_and_maintenance,
    ("affinity", "anti_affinity"): _together_and_apart,
    ("affinity", "spread"): _zones_too_few,
    ("licences", "spread"): _zones_too_few,
}


def cluster_conflicts(policy: Policy, view: View) -> Iterator[Problem]:
    """What cannot hold in this cluster. Where it is up to where domains stand now, a warning."""
    hard = [
        clause
        for clause in policy.clauses
        if isinstance(clause.body, Rule) and clause.body.soft is None and clause.counts(view)
    ]
    yield from _without_host(policy, hard, view)
    for clause in hard:
        if isinstance(clause.body, AntiAffinity):
            yield from _too_many(clause, clause.body, view)
        elif clause.name == "capacity":
            yield from _too_large(clause, view)


@dataclass(frozen=True, slots=True, eq=False)
class _Restriction:
    """What one rule, or one protection, allows each domain."""

    words: str
    problem: Callable[[str], Problem]
    allowed: AllowedHosts

    def row(self, domain: int) -> BoolArray | None:
        row = int(self.allowed.mask[domain])
        return None if row < 0 else np.asarray(self.allowed.masks[row], dtype=np.bool_)


def _without_host(policy: Policy, hard: Sequence[Clause], view: View) -> Iterator[Problem]:
    """Domains that rules leave no host together, though each of them alone does: one report for each set of rules."""
    restrictions = list(_restrictions(policy, hard, view))
    found: dict[tuple[int, ...], list[str]] = {}
    for d, domain in enumerate(view.domains):
        rows = {index: row for index, each in enumerate(restrictions) if (row := each.row(d)) is not None}
        if len(rows) > 1 and all(row.any() for row in rows.values()) and not _left(rows, tuple(rows)):
            found.setdefault(_smallest(rows), []).append(domain.name)
    for indices, names in found.items():
        *others, last = (restrictions[index] for index in indices)
        both = " and ".join(each.words for each in others)
        yield last.problem(f"leaves no host together with {both} to {_listed(names)}")


def _restrictions(policy: Policy, hard: Sequence[Clause], view: View) -> Iterator[_Restriction]:
    for located in policy.protect:
        for term in protect.terms(view, replace(policy, protect=(located,))):
            if isinstance(term.primitive, AllowedHosts):
                yield _Restriction(f"protect{_place(located.source)}", _cautious, term.primitive)
    for clause in hard:
        if clause.name not in ("pin", "ban", "stay"):
            continue
        for term in clause.terms(view):
            if isinstance(term.primitive, AllowedHosts):
                yield _Restriction(f"{clause.name}{_place(clause.source)}", _reporter(policy, clause), term.primitive)


def _cautious(message: str) -> Problem:
    return Caution(f"protect: {message}")


def _reporter(policy: Policy, clause: Clause) -> Callable[[str], Problem]:
    # With protections and stay it may be so today and not tomorrow; the plan says what it could not repair.
    moving = bool(policy.protect) or any(other.name == "stay" for other in policy.clauses)
    kind = Caution if moving else Problem
    return lambda message: kind(f"{clause.name}: {message}", clause.source.at())


def _left(rows: Mapping[int, BoolArray], indices: tuple[int, ...]) -> bool:
    return bool(np.logical_and.reduce([rows[index] for index in indices]).any())


def _smallest(rows: Mapping[int, BoolArray]) -> tuple[int, ...]:
    """A pair that leaves no host, or all of them where only more than two do."""
    pairs = (pair for pair in combinations(rows, 2) if not _left(rows, pair))
    return next(pairs, tuple(rows))


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(shown(name) for name in names[:_SHOWN])
    return listed + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _too_many(clause: Clause, rule: AntiAffinity, view: View) -> Iterator[Problem]:
    """More domains in a group than all zones may have together."""
    zone = view.zones(rule.across)
    if (zone < 0).any() or not len(zone):
        return
    zones = len(set(zone[view.accepting].tolist()))
    group = groups_of(rule.group, rule.select, view)
    for g, size in enumerate(np.bincount(group[group >= 0])):
        if size > rule.most * zones:
            names = [view.domains[int(d)].name for d in np.flatnonzero(group == g)]
            kind = "host" if rule.across == "host" else f"'{rule.across}'"
            yield Caution(
                f"{clause.name}: {size} domains are in a group ({_listed(names)}), and {rule.most} a {kind} make room "
                f"for {rule.most * zones} only",
                clause.source.at(("most",)),
            )


def _too_large(clause: Clause, view: View) -> Iterator[Problem]:
    """Domains that no host can hold, and more of them than all hosts can."""
    for term in clause.terms(view):
        capacity = term.primitive
        if not isinstance(capacity, Capacity) or not view.accepting.any():
            continue
        limit = capacity.limit[view.accepting]
        large = [view.domains[int(d)].name for d in np.flatnonzero(capacity.demand > limit.max() * (1 + 1e-9))]
        if large:
            most = _amount(capacity.resource, float(limit.max()))
            yield Caution(
                f"{clause.name}: no host can hold {_listed(large)}: the largest gives {most}", clause.source.at()
            )
        if capacity.demand.sum() > limit.sum() * (1 + 1e-9):
            need, have = (_amount(capacity.resource, float(x.sum())) for x in (capacity.demand, limit))
            yield Caution(
                f"{clause.name}: all domains together need {need} of {capacity.resource}, and all hosts that accept "
                f"domains give {have}",
                clause.source.at(),
            )


def _amount(resource: str, value: float) -> str:
    return format_bytes(value) if resource in ("memory", "disk") else format_number(value)
