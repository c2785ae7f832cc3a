"""What if: where domains would be started, what finds no place and why, and how much more would fit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from rebalancer.cluster import Cluster
from rebalancer.cluster.units import format_number
from rebalancer.placement.explain.words import listed
from rebalancer.plan.model import Plan, Unplaced
from rebalancer.report.console import glyphs, heading, show, text
from rebalancer.report.plan import count, print_breaches, print_cluster, print_reasons, print_unplaced
from rebalancer.report.tables import load_table, plain_table, score_table
from rebalancer.whatif import Headroom, Started

__all__ = ["failures_json", "print_failures", "print_headroom", "print_started", "started_json"]

_NO_PLACE = "No place"
_MOST_ROWS = 200
_MOST_HOSTS = 20


def print_started(console: Console, started: Started, *, policy: str, title: str) -> None:
    """``title``: what the domains are that are started: ``To place``, ``To restart without h1``."""
    print_cluster(console, started.cluster, policy)
    heading(console, f"{title}: {count(len(started.domains), 'domain')}")
    table = plain_table()
    table.add_column("domain", overflow="fold")
    table.add_column("host", overflow="fold")
    if started.options:
        table.add_column("or on (score, less is better)", overflow="fold")
    placed = [domain for domain in started.domains if domain.uuid in started.placement]
    for domain in placed[:_MOST_ROWS]:
        host = started.placement[domain.uuid]
        cells = [text(domain.name), _way(console, domain.host, host)]
        table.add_row(*cells, *([_others(started, domain.uuid, host)] if started.options else []))
    if placed:
        show(console, table)
    if len(placed) > _MOST_ROWS:
        show(console, Text(f"and {len(placed) - _MOST_ROWS} more (--format json lists all)", style="dim"))
    print_unplaced(console, started.unplaced, _NO_PLACE)
    console.print()
    nowhere = {each.uuid: "" for each in started.unplaced}
    show(console, load_table(console, _both(started), nowhere | dict(started.placement)))
    console.print()
    before, after = started.now.before, started.then.before
    show(console, score_table(before.parts, after.parts, (before.total, after.total)))
    _print_violations(console, started)


def _way(console: Console, source: str, host: str) -> Text:
    return text(host) if not source else Text.assemble(text(source), f" {glyphs(console).arrow} ", text(host))


def _others(started: Started, uuid: str, host: str) -> Text:
    others = [option for option in started.options.get(uuid, ()) if option.host != host]
    return text(", ".join(f"{option.host} ({format_number(option.score)})" for option in others))


def _both(started: Started) -> Cluster:
    """The hosts as they are afterwards, the domains where they are now."""
    known = {domain.uuid for domain in started.cluster.domains}
    new = tuple(domain for domain in started.domains if domain.uuid not in known)
    return Cluster(name=started.after.name, hosts=started.after.hosts, domains=(*started.cluster.domains, *new))


def _print_violations(console: Console, started: Started) -> None:
    before = set(started.now.violations_before)
    after = started.then.violations_before
    new, old = [b for b in after if b not in before], [b for b in after if b in before]
    if not after:
        return
    heading(console, "Rules broken then")
    print_breaches(console, new, glyphs(console).bad, "red", "becomes   ")
    print_breaches(console, old, glyphs(console).bad, "red", "remains   ")


def print_failures(console: Console, found: Sequence[tuple[str, Started]], cluster: Cluster, *, policy: str) -> None:
    """Each host fails alone."""
    print_cluster(console, cluster, policy)
    heading(console, "If one host fails")
    table = plain_table()
    table.add_column("host", overflow="fold")
    table.add_column("domains", justify="right", no_wrap=True)
    table.add_column("restart", justify="right", no_wrap=True)
    table.add_column("no place", overflow="fold")
    for host, started in found:
        names = [each.domain for each in started.unplaced]
        table.add_row(text(host), str(len(started.domains)), str(len(started.placement)), text(listed(names), "red"))
    show(console, table)
    worst = [host for host, started in found if started.unplaced]
    console.print()
    words = (
        f"Domains would be left without a host by the failure of: {listed(worst)}"
        if worst
        else "Any one host may fail."
    )
    show(console, text(words, "bold"))


def print_headroom(console: Console, found: Sequence[Headroom]) -> None:
    for each in found:
        heading(console, f"{each.kind.name}: {each.number} more fit")
        hosts = [f"{host} {number}" for host, number in each.hosts.items()]
        if hosts:
            show(console, text(listed(hosts, _MOST_HOSTS)))
        if each.reasons:
            show(console, Text("and then not one more:", style="dim"))
            print_reasons(console, each.reasons)


def started_json(started: Started, headrooms: Sequence[Headroom] = ()) -> str:
    return _dumped(_started(started) | _more(headrooms))


def failures_json(found: Sequence[tuple[str, Started]], cluster: Cluster, headrooms: Sequence[Headroom] = ()) -> str:
    data = {"cluster": {"name": cluster.name}, "failures": [{"host": h, **_restarts(each)} for h, each in found]}
    return _dumped(data | _more(headrooms))


def _started(started: Started) -> dict[str, Any]:
    return {
        "cluster": {"name": started.cluster.name, "fingerprint": started.now.fingerprint},
        "policy": started.now.policy,
        "score": {"before": _score(started.now), "after": _score(started.then)},
        "violations": {"before": _breaches(started.now), "after": _breaches(started.then)},
        **_restarts(started),
    }


def _restarts(started: Started) -> dict[str, Any]:
    return {
        "placed": [
            {
                "domain": domain.name,
                "uuid": domain.uuid,
                **({"source": domain.host} if domain.host else {}),
                "host": started.placement[domain.uuid],
                **_options(started, domain.uuid),
            }
            for domain in started.domains
            if domain.uuid in started.placement
        ],
        "unplaced": [_unplaced(each) for each in started.unplaced],
    }


def _options(started: Started, uuid: str) -> dict[str, Any]:
    options = started.options.get(uuid, ())
    return {"best": [{"host": each.host, "score": each.score} for each in options]} if options else {}


def _unplaced(each: Unplaced) -> dict[str, Any]:
    return {"domain": each.domain, "uuid": each.uuid, "reasons": dict(each.reasons)}


def _score(plan: Plan) -> dict[str, Any]:
    return {"total": plan.before.total, "parts": dict(plan.before.parts)}


def _breaches(plan: Plan) -> list[dict[str, Any]]:
    return [{"rule": b.rule, "amount": b.amount, "text": b.text} for b in plan.violations_before]


def _more(found: Sequence[Headroom]) -> dict[str, Any]:
    if not found:
        return {}
    more = [
        {"kind": each.kind.name, "number": each.number, "hosts": dict(each.hosts), "reasons": dict(each.reasons)}
        for each in found
    ]
    return {"headroom": more}


def _dumped(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
