"""Rolling maintenance for people."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from rebalancer.cluster import Domain
from rebalancer.cluster.units import format_duration
from rebalancer.plan.model import Plan
from rebalancer.plan.rolling import Rolling
from rebalancer.report.console import glyphs, heading, item, text
from rebalancer.report.plan import print_unplaced
from rebalancer.report.steps import print_steps

__all__ = ["print_rolling"]


def print_rolling(console: Console, rolling: Rolling) -> None:
    number = len(rolling.rounds)
    hosts = sum(len(each.hosts) for each in rolling.rounds)
    total = format_duration(sum(each.plan.makespan for each in rolling.rounds))
    words = f"{hosts} hosts in {number} round{'s' * (number != 1)}, {total} of migrations"
    item(console, Text(words, style="bold"))
    for index, each in enumerate(rolling.rounds, 1):
        heading(console, f"Round {index}: {', '.join(each.hosts)}")
        _print_moves(console, each.plan)
    if rolling.home is not None:
        heading(console, "Back home")
        _print_moves(console, rolling.home)
    if rolling.twice:
        # As they are called and where they are before the first round.
        names = {domain.uuid: f"'{domain.name}' of {domain.host}" for domain in _at_first(rolling)}
        console.print()
        item(console, text(f"moved more than once: {', '.join(names[uuid] for uuid in rolling.twice)}"))
    for host, plan in rolling.stuck.items():
        heading(console, f"Cannot be emptied: {host}")
        print_unplaced(console, plan.unplaced)


def _at_first(rolling: Rolling) -> tuple[Domain, ...]:
    return rolling.rounds[0].plan.snapshot.active_domains if rolling.rounds else ()


def _print_moves(console: Console, plan: Plan) -> None:
    if plan.steps:
        print_steps(console, plan)
    else:
        item(console, text("nothing to move"))
    for note in plan.notes:
        item(console, text(note), lead=f"{glyphs(console).bullet} ")
