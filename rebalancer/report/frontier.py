"""The trade-off between score and moves, as a table."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from rebalancer.cluster import Cluster
from rebalancer.cluster.units import format_number
from rebalancer.plan.frontier import Frontier
from rebalancer.report.console import glyphs, item, show
from rebalancer.report.plan import print_cluster
from rebalancer.report.tables import plain_table

__all__ = ["frontier_json", "print_frontier"]

_WIDTH = 24


def print_frontier(console: Console, frontier: Frontier, cluster: Cluster, *, policy: str) -> None:
    print_cluster(console, cluster, policy)
    console.print()
    signs = glyphs(console)
    breaks = any(point.broken for point in frontier.points)
    width = _WIDTH if console.width >= 60 else 0
    table = plain_table()
    table.add_column("moves", justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    if breaks:
        table.add_column("rules broken", justify="right")
    table.add_column("")
    highest = max((point.score for point in frontier.points), default=0.0)
    for point in frontier.points:
        knee = point is frontier.knee
        full = round(width * point.score / highest) if highest > 0 else 0
        bar = Text.assemble(signs.full * full, " the knee" if knee else "")
        row = [Text(str(point.moves)), Text(format_number(point.score))]
        if breaks:
            row.append(Text(str(point.broken), "red" if point.broken else ""))
        table.add_row(*row, bar, style="bold" if knee else None)
    show(console, table)
    console.print()
    if frontier.knee is not None:
        words = f"Most is gained with {frontier.knee.moves} moves ('limits: {{max_moves: {frontier.knee.moves}}}')."
    elif len(frontier.points) > 1:
        words = "There is no knee: the score falls evenly with the moves."
    else:
        words = "No move betters the score by what it costs."
    item(console, Text(words, style="bold"))


def frontier_json(frontier: Frontier) -> str:
    data = {
        "frontier": [asdict(point) for point in frontier.points],
        "knee": None if frontier.knee is None else frontier.knee.moves,
        "complete": frontier.complete,
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"
