"""The tables that several reports share: hosts with their loads, and scores."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rebalancer.cluster import Cluster, Host, HostState
from rebalancer.cluster.units import format_number
from rebalancer.report.console import Glyphs, glyphs, text
from rebalancer.report.load import HostLoad, host_loads, resources

__all__ = ["host_name", "load_table", "plain_table", "score_table"]

_BAR_WIDTHS = (12, 10, 8, 6, 4)
_NAME_WIDTH = 20


def plain_table() -> Table:
    """No lines, two spaces between columns: readable at any width and easy to cut up."""
    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", show_edge=False)


def host_name(host: Host) -> Text:
    return text(host.name) if host.state is HostState.UP else text(f"{host.name} ({host.state})", "yellow")


def load_table(console: Console, cluster: Cluster, placement: Mapping[str, str] | None = None) -> Table:
    """Domains and used shares by host. With a ``placement``: before and after. Bars where there is room for them."""
    signs, kinds = glyphs(console), resources(cluster)
    loads = host_loads(cluster, placement or {})
    moving = placement is not None
    width = _bar_width(console, loads, len(kinds), moving=moving)
    table = plain_table()
    table.add_column("host", overflow="fold")
    table.add_column("domains" if console.width >= 60 else "dom.", justify="right", no_wrap=True)
    for kind in kinds:
        table.add_column(text(kind), no_wrap=True)
    for load in loads:
        cells = [_shares(load, kind, width, signs, moving=moving) for kind in kinds]
        table.add_row(host_name(load.host), _counts(load, signs, moving=moving), *cells)
    return table


def _bar_width(console: Console, loads: tuple[HostLoad, ...], kinds: int, *, moving: bool) -> int:
    """The widest bars that leave every column in one line; 0: none."""
    names = min(max((host_name(load.host).cell_len for load in loads), default=4), _NAME_WIDTH)
    bars = 2 if moving else 1
    for width in _BAR_WIDTHS:
        cell = bars * (width + 1 + 4) + (3 if moving else 0) + 2
        if names + 2 + 10 + kinds * cell <= console.width:
            return width
    return 0


def _counts(load: HostLoad, signs: Glyphs, *, moving: bool) -> Text:
    before, after = load.domains
    if not moving or before == after:
        return Text(str(before))
    return Text(f"{before} {signs.arrow} {after}")


def _shares(load: HostLoad, kind: str, width: int, signs: Glyphs, *, moving: bool) -> Text:
    if kind not in load.shares:
        return Text("?", style="dim")
    before, after = load.shares[kind]
    if not moving or (before == after and load.domains[0] == load.domains[1]):
        return _share(before, width, signs)
    return Text.assemble(_share(before, width, signs), f" {signs.arrow} ", _share(after, width, signs))


def _share(share: float, width: int, signs: Glyphs) -> Text:
    style = "red" if share > 1 else "yellow" if share > 0.85 else "green"
    number = f"{100 * share:.0f}%" if share < 100 else ">9999%"
    if not width:
        return Text(number, style=style)
    full = min(round(share * width), width)
    return Text.assemble((signs.full * full, style), (signs.empty * (width - full), "dim"), f" {number:>4}")


def score_table(before: Mapping[str, float], after: Mapping[str, float] | None, totals: tuple[float, float]) -> Table:
    """Costs by rule or goal, weighted: less is better. ``after``: None for what is there now only."""
    table = plain_table()
    table.add_column("score (less is better)", overflow="fold")
    table.add_column("now" if after is None else "before", justify="right", no_wrap=True)
    if after is not None:
        table.add_column("after", justify="right", no_wrap=True)
    for name in dict.fromkeys([*before, *(after or {})]):
        values = [before.get(name, 0.0)] if after is None else [before.get(name, 0.0), after.get(name, 0.0)]
        table.add_row(text(name), *(format_number(value) for value in values))
    rows = totals[:1] if after is None else totals
    table.add_row(Text("total", style="bold"), *(Text(format_number(value), style="bold") for value in rows))
    return table
