"""The steps of a plan: a table where the terminal is wide, a list where it is not."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rebalancer.cluster.units import format_duration, format_number, format_rate
from rebalancer.plan.model import Plan, Reason, Step
from rebalancer.policy.settings import Rung
from rebalancer.report.console import Glyphs, glyphs, item, show, text
from rebalancer.report.tables import plain_table

__all__ = ["print_steps", "step_title", "why"]

_TABLE_FROM = 140


def print_steps(console: Console, plan: Plan) -> None:
    signs = glyphs(console)
    if console.width >= _TABLE_FROM:
        show(console, _table(plan, signs))
        return
    for step in plan.steps:
        _print_entry(console, step, signs)


def step_title(step: Step, signs: Glyphs) -> Text:
    """``database → database-h1``: the name that it has and, where it changes, the one that it gets."""
    title = text(step.domain)
    return title.append(f" {signs.arrow} ").append_text(text(step.new_name, "yellow")) if step.new_name else title


def why(reason: Reason, signs: Glyphs) -> Text:
    if reason.text:
        return text(reason.text)
    return Text.assemble(
        text(reason.rule), f" {format_number(reason.before)} {signs.arrow} {format_number(reason.after)}"
    )


def _route(step: Step, signs: Glyphs) -> Text:
    return Text.assemble(text(step.source), f" {signs.arrow} ", text(step.destination))


def _start(step: Step) -> str:
    return f"+{format_duration(step.predicted.start)}" if step.predicted.start > 0 else "at once"


def _rate(step: Step) -> str:
    rate = "no cap" if step.bandwidth is None else format_rate(step.bandwidth)
    return rate if step.settings.live else f"{rate}, offline"


def _paused(step: Step) -> str:
    return format_duration(step.predicted.downtime) if step.settings.live else "all the time"


def _duration(step: Step) -> str:
    return format_duration(step.predicted.duration)


def _table(plan: Plan, signs: Glyphs) -> Table:
    table = plain_table()
    for name in ("step", "start"):
        table.add_column(name, no_wrap=True)
    for name in ("domain", "from, to"):
        table.add_column(name, overflow="fold")
    for name in ("rate", "takes", "paused"):
        table.add_column(name, no_wrap=True)
    for name in ("after", "why"):
        table.add_column(name, overflow="fold")
    for step in plan.steps:
        reasons = [why(reason, signs) for reason in step.why]
        if trouble := _trouble(step):
            reasons.append(trouble)
        table.add_row(
            text(step.id),
            _start(step),
            step_title(step, signs),
            _route(step, signs),
            _rate(step),
            _duration(step),
            _paused(step),
            text(", ".join(step.after)),
            Text("; ").join(reasons),
        )
    return table


def _print_entry(console: Console, step: Step, signs: Glyphs) -> None:
    item(console, text(step.id, "bold"), "  ", step_title(step, signs), "  ", _route(step, signs))
    waits = f", after {', '.join(step.after)}" if step.after else ""
    took = f": takes {_duration(step)} at {_rate(step)}, paused {_paused(step)}"
    item(console, _start(step), text(waits), took, indent=4)
    for reason in step.why:
        item(console, why(reason, signs), lead=Text("why: ", style="dim"), indent=4)
    if trouble := _trouble(step):
        item(console, trouble, indent=4)


_ENDS = {
    Rung.AUTO_CONVERGE: "auto_converge slows it down until it can be",
    Rung.POST_COPY: "post_copy lets it go on at its destination before all of it is there",
    Rung.PAUSE: "it is paused for the rest",
}


def _trouble(step: Step) -> Text | None:
    """How a migration ends that would not by itself; None: it does."""
    if step.predicted.converges:
        ends = _ENDS.get(step.predicted.rung) if step.predicted.rung else None
        return text(f"writes faster than it can be sent: {ends}", "yellow") if ends else None
    ladder = ", then ".join(rung.value.replace("_", " ") for rung in step.settings.when_not_converging)
    return text(f"writes its memory faster than it can be sent: {ladder or 'cancel'}", "yellow")
