"""A plan for people: what changes, what it is good for, in which order, how long it takes, and what cannot be done."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from rich.console import Console
from rich.text import Text

from rebalancer.cluster import Cluster
from rebalancer.cluster.units import format_bytes, format_duration, format_number
from rebalancer.placement.explain import Breach, Conflict
from rebalancer.placement.explain.words import listed
from rebalancer.plan.addresses import address_clashes, clashes_on_the_way
from rebalancer.plan.model import NO_WAY, Plan, Unplaced
from rebalancer.report.console import glyphs, heading, item, show, text, warnings
from rebalancer.report.steps import print_steps
from rebalancer.report.tables import load_table, score_table

__all__ = [
    "count",
    "print_breaches",
    "print_cluster",
    "print_plan",
    "print_quality",
    "print_reasons",
    "print_summary",
    "print_unplaced",
]

_MOST_BREACHES = 30
"""Of one kind; a cluster whose every host is too full has no use for a thousand lines."""
_MOST_REASONS = 20
_MOST_TOGETHER = 4
"""Hosts that are named for one reason; their names take room from it."""


def print_plan(console: Console, plan: Plan, *, policy: str) -> None:
    """``policy``: what to call it."""
    print_cluster(console, plan.snapshot, policy)
    console.print()
    show(console, load_table(console, plan.snapshot, plan.placement if plan.steps else None))
    console.print()
    after = plan.after.parts if plan.steps else None
    show(console, score_table(plan.before.parts, after, (plan.before.total, plan.after.total)))
    print_quality(console, plan)
    _print_violations(console, plan)
    if plan.steps:
        heading(console, _steps_title(plan))
        print_steps(console, plan)
    _print_deadline(console, plan)
    print_unplaced(console, plan.unplaced)
    _print_conflicts(console, plan)
    warnings(console, (*address_clashes(plan.snapshot), *clashes_on_the_way(plan)))
    if plan.notes:
        heading(console, "Notes")
        for note in plan.notes:
            item(console, text(note), lead=f"{glyphs(console).bullet} ")
    if not plan.steps:
        console.print()
        item(console, Text(_nothing_to_do(plan), style="bold"))


def print_summary(console: Console, plan: Plan) -> None:
    """A plan that has been looked at before, in a line."""
    item(console, Text(_steps_title(plan) if plan.steps else _nothing_to_do(plan), style="bold"))


def print_cluster(console: Console, cluster: Cluster, policy: str) -> None:
    """Which cluster, judged by which policy, and what of it could be read."""
    console.print(
        Text.assemble("cluster ", text(cluster.name or "(no name)", "bold"), ", policy ", text(policy, "bold"))
    )
    readable = [host for host in cluster.hosts if host.readable]
    idle = len(cluster.domains) - len(cluster.active_domains)
    counts = f"{count(len(readable), 'host')} read, {count(len(cluster.active_domains), 'domain')} running"
    console.print(counts + (f", {idle} only defined" if idle else ""))
    for host in cluster.hosts:
        if not host.readable:
            reason = f": {host.reason}" if host.reason else ""
            item(console, text(f"{host.name} is {host.state}{reason}", "yellow"))


def print_quality(console: Console, plan: Plan) -> None:
    """How far from the best the score may be."""
    if plan.after.total <= 0 or plan.gap < 1e-6:
        words = "proved optimal: no placement has a lower score"
    else:
        share = f"{math.ceil(1000 * plan.gap - 1e-6) / 10:.1f}".removesuffix(".0")
        words = f"at most {share}% from optimal: no placement has a score below {format_number(plan.bound)}"
    item(console, Text(words, style="dim"))


def print_breaches(console: Console, breaches: Sequence[Breach], sign: str, style: str, word: str = "") -> None:
    for breach in breaches[:_MOST_BREACHES]:
        item(console, text(f"{breach.rule}: {breach.text}"), lead=Text(f"{sign} {word}", style))
    if len(breaches) > _MOST_BREACHES:
        item(console, f"and {len(breaches) - _MOST_BREACHES} more", lead=Text(f"{sign} {word}", style))


def print_unplaced(console: Console, unplaced: Iterable[Unplaced], title: str = "Cannot be moved") -> None:
    """Domains that should move and cannot, with the reason for each host."""
    found = tuple(unplaced)
    if not found:
        return
    heading(console, f"{title}: {count(len(found), 'domain')}")
    for each in found[:_MOST_BREACHES]:
        item(console, text(each.domain, "red"), *((" on ", text(each.host)) if each.host else ()))
        print_reasons(console, each.reasons)
    if len(found) > _MOST_BREACHES:
        item(console, f"and {len(found) - _MOST_BREACHES} more")


def _print_conflicts(console: Console, plan: Plan) -> None:
    """Smallest sets of rules: the others of each can be kept without any one of them."""
    if not plan.conflicts:
        return
    heading(console, "Cannot be kept together")
    names = {domain.uuid: f"'{domain.name}' on {domain.host}" for domain in plan.snapshot.active_domains}
    for each in plan.conflicts:
        of = f", for {listed(names[uuid] for uuid in each.domains)}" if each.domains else ""
        rules = " + ".join(rule for rule in each.rules if rule != NO_WAY)
        item(console, text(rules, "red"), text(of + _doubt(each)), lead=f"{glyphs(console).bullet} ")


def _doubt(conflict: Conflict) -> str:
    """How sure it is; where migrations are what is in the way, that depends on those that were looked at."""
    if NO_WAY in conflict.rules:
        return ": no migrations that lead there were found"
    return "" if conflict.proved else " (as far as was searched)"


def print_reasons(console: Console, reasons: Mapping[str, str]) -> None:
    """Of each host, why not there; hosts with the same reason are told together."""
    hosts: dict[str, list[str]] = {}
    for host, reason in reasons.items():
        hosts.setdefault(reason, []).append(host)
    for reason, found in islice(hosts.items(), _MOST_REASONS):
        words = text(reason or f"would be allowed, but {NO_WAY}")
        item(console, words, lead=text(f"{listed(found, _MOST_TOGETHER)}: "), indent=4)
    if len(hosts) > _MOST_REASONS:
        more = sum(map(len, islice(hosts.values(), _MOST_REASONS, None)))
        item(console, f"and {count(more, 'more host')}", indent=4)


def _print_deadline(console: Console, plan: Plan) -> None:
    """Who leaves the hosts of a deadline in time, and who does not."""
    if plan.deadline is None:
        return
    signs = glyphs(console)
    heading(
        console, f"To be empty in {format_duration(plan.deadline.within)}: {', '.join(sorted(plan.deadline.hosts))}"
    )
    if plan.in_time:
        names = ", ".join(plan.departures[uuid].domain for uuid in plan.in_time)
        item(console, text(names), lead=Text(f"{signs.good} in time  ", "green"))
    for uuid, over in plan.late.items():
        words = f"{plan.departures[uuid].domain}, by {format_duration(over)}"
        item(console, text(words), lead=Text(f"{signs.bad} too late ", "red"))
    for domain in plan.snapshot.active_domains:
        if plan.placement.get(domain.uuid, domain.host) in plan.deadline.hosts:
            item(console, text(domain.name), lead=Text(f"{signs.bad} stays    ", "red"))


def _print_violations(console: Console, plan: Plan) -> None:
    if not plan.violations_before and not plan.violations_after:
        return
    signs = glyphs(console)
    heading(console, "Rules broken" if plan.steps else "Rules broken now")
    if not plan.steps:
        print_breaches(console, plan.violations_after, signs.bad, "red")
        return
    before, after = set(plan.violations_before), set(plan.violations_after)
    # A breach that differs after the plan is the same one, told of other hosts or domains, or another of its rule.
    changed = {breach.rule for breach in after - before}
    repaired = [b for b in plan.violations_before if b not in after and b.rule not in changed]
    print_breaches(console, repaired, signs.good, "green", "repaired  ")
    replaced = [b for b in plan.violations_before if b not in after and b.rule in changed]
    print_breaches(console, replaced, signs.bad, "yellow", "was       ")
    becomes = [b for b in plan.violations_after if b not in before]
    print_breaches(console, becomes, signs.bad, "red", "becomes   ")
    remains = [b for b in plan.violations_after if b in before]
    print_breaches(console, remains, signs.bad, "red", "remains   ")


def _steps_title(plan: Plan) -> str:
    sent = format_bytes(sum(step.predicted.bytes for step in plan.steps))
    least = f" (at least {format_duration(plan.makespan_bound)} in any order)" if plan.makespan_bound > 0 else ""
    return f"{count(len(plan.steps), 'migration')}, {format_duration(plan.makespan)}{least}, {sent} to send"


def _nothing_to_do(plan: Plan) -> str:
    if plan.violations_after:
        return "Nothing can be done: no sequence of migrations repairs what is broken."
    if plan.unplaced:
        return "Nothing can be done: what should move cannot."
    if plan.notes:
        return "Nothing to do: see the notes."
    return "Nothing to do: all rules hold, and no migration would better the score by what it costs."


def count(number: int, noun: str) -> str:
    """``1 domain``, ``2 domains``"""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
