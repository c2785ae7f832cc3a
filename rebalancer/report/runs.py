"""What the journal knows: a line for each run, or all of one."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict

from rich.text import Text

from rebalancer.cluster.units import Seconds, format_bytes, format_duration, format_rate
from rebalancer.execution import Event, RunRecord, RunState, RunSummary, StepRecord, StepState
from rebalancer.execution.journal import undone_by
from rebalancer.report.console import Glyphs, glyphs, heading, item, make_console, show, text
from rebalancer.report.tables import plain_table

__all__ = ["print_record", "print_runs", "record_json", "run_state", "runs_json"]

INTERRUPTED = "interrupted"
"""Of a run that nobody carries out any more though it has not ended."""
_STYLES = {RunState.COMPLETE.value: "green", RunState.RUNNING.value: "cyan"}
_STEP_STYLES = {StepState.DONE: "green", StepState.PLANNED: "dim", StepState.INTENDED: "cyan"}


def run_state(run: RunSummary, alive: Collection[int]) -> str:
    """``alive``: the runs that somebody carries out now."""
    return INTERRUPTED if run.state is RunState.RUNNING and run.id not in alive else run.state.value


def print_runs(runs: Sequence[RunSummary], alive: Collection[int]) -> None:
    console = make_console()
    if not runs:
        item(console, "No runs yet.")
        return
    table, backs = plain_table(), _backs(runs)
    table.add_column("run", justify="right", no_wrap=True)
    for name in ("started", "state", "steps", "what", "by"):
        table.add_column(name, overflow="fold")
    for run in runs:
        state = run_state(run, alive)
        table.add_row(
            str(run.id),
            text(run.started_at[:19].replace("T", " ")),
            Text(state, style=_STYLES.get(state, "yellow")),
            f"{run.done} of {run.steps}",
            text(_what(run, undone_by(run.id, backs))),
            text(run.who),
        )
    show(console, table)


def runs_json(runs: Sequence[RunSummary], alive: Collection[int]) -> str:
    backs = _backs(runs)
    return _dump(
        [asdict(run) | {"state": run_state(run, alive), "undone_by": _number(undone_by(run.id, backs))} for run in runs]
    )


def print_record(record: RunRecord, *, alive: bool, undone: RunSummary | None = None) -> None:
    """``undone``: the way back from it, where there was one."""
    console, run = make_console(), record.summary
    signs, state = glyphs(console), run_state(run, {run.id} if alive else ())
    heading(console, f"Run {run.id}: {state}, {run.done} of {run.steps} steps done")
    ended = f", ended {run.finished_at}" if run.finished_at else ""
    item(console, text(f"{_what(run, undone) or 'a plan'} on {run.cluster}, started {run.started_at}{ended}"))
    if run.who:
        item(console, text(f"by {run.who}, process {run.process}, rebalancer {run.version}"))
    heading(console, "Steps")
    for step in record.steps:
        item(console, _step_line(step, signs))
    heading(console, "Events")
    for event in record.events:
        item(console, _event_line(event), lead=Text(f"{event.time[:10]} {event.time[11:23]}  ", "dim"))
    if state != RunState.COMPLETE.value and not alive and undone is None:
        item(console, Text(f"To go on with it: rebalance resume {run.id}", style="bold yellow"))


def record_json(record: RunRecord, *, alive: bool, undone: RunSummary | None = None) -> str:
    """The plan as its file has it."""
    state = run_state(record.summary, {record.summary.id} if alive else ())
    return _dump(
        asdict(record.summary)
        | {
            "state": state,
            "undone_by": _number(undone),
            "steps": [asdict(step) for step in record.steps],
            "events": [asdict(event) for event in record.events],
            "plan": json.loads(record.plan),
        }
    )


def _what(run: RunSummary, undone: RunSummary | None) -> str:
    told = f"{run.command} (the way back from run {run.undoes})" if run.undoes is not None else run.command
    return told if undone is None else f"{told} (brought back by run {undone.id})".strip()


def _backs(runs: Sequence[RunSummary]) -> Sequence[RunSummary]:
    """The ways back among them: few, where there are many runs."""
    return [run for run in runs if run.undoes is not None]


def _number(run: RunSummary | None) -> int | None:
    return None if run is None else run.id


def _step_line(step: StepRecord, signs: Glyphs) -> Text:
    """``s1 web, h1 → h2: done in 12.5 s, paused 80 ms, 1 GiB``"""
    line = Text.assemble(text(step.step, "bold"), " ", text(step.domain), overflow="fold")
    if step.name_after != step.domain:
        line.append(f" {signs.arrow} ").append_text(text(step.name_after, "yellow"))
    line.append_text(Text.assemble(", ", text(step.source), f" {signs.arrow} ", text(step.destination), ": "))
    line.append(step.state.value, _STEP_STYLES.get(step.state, "yellow"))
    if step.duration is not None:
        line.append(f" in {format_duration(Seconds(step.duration))}")
    if step.downtime is not None:
        line.append(f", paused {format_duration(Seconds(step.downtime))}")
    if step.bytes is not None:
        line.append(f", {format_bytes(step.bytes)}")
    if step.attempts > 1:
        line.append(f", begun {step.attempts} times")
    if step.reason:
        line.append(": ").append_text(text(step.reason))
    return line


def _event_line(event: Event) -> Text:
    line = Text.assemble(text(event.kind, "bold"), overflow="fold")
    for word in (event.step, event.host):
        if word:
            line.append(" ").append_text(text(word))
    told = {key: value for key, value in event.detail.items() if value not in (None, "", False, {})}
    if event.kind == "asked":
        line.append(": ").append_text(text(": ".join(str(told[key]) for key in ("command", "answer") if key in told)))
    elif told:
        of_links = event.kind == "rates"
        said = (f"{key} {_value('rate' if of_links else key, value)}" for key, value in told.items())
        line.append(": ").append_text(text(", ".join(said)))
    return line


def _value(key: str, value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if key == "bytes":
            return format_bytes(value)
        if key in ("rate", "bandwidth"):
            return format_rate(value)
        if key in ("duration", "downtime", "max_downtime", "after", "within"):
            return format_duration(Seconds(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _dump(data: object) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
