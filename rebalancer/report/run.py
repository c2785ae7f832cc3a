"""How a run ended: what was done, what was not and why, and where every domain of the plan is now."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from rebalancer.cluster.units import format_duration
from rebalancer.execution import Outcome, RunResult, StepOutcome
from rebalancer.plan.model import Plan, Step
from rebalancer.report.console import Glyphs, glyphs, heading, item, show, text
from rebalancer.report.steps import step_title
from rebalancer.report.tables import plain_table

__all__ = ["outcome_line", "print_run", "run_json"]

_STYLES = {
    Outcome.DONE: "green",
    Outcome.FAILED: "red",
    Outcome.UNKNOWN: "red",
    Outcome.SKIPPED: "yellow",
    Outcome.NOT_STARTED: "yellow",
}


def outcome_line(step: Step, outcome: StepOutcome, signs: Glyphs) -> Text:
    """``✔ s1 database → database-h1: done, h1 → h2 in 12.5 s, paused 80 ms``"""
    sign = signs.good if outcome.outcome is Outcome.DONE else signs.bad
    line = Text.assemble(
        (f"{sign} ", _STYLES[outcome.outcome]),
        text(step.id, "bold"),
        " ",
        step_title(step, signs),
        ": ",
        (outcome.outcome.value, _STYLES[outcome.outcome]),
        ", ",
        text(step.source),
        f" {signs.arrow} ",
        text(step.destination),
        overflow="fold",
    )
    if outcome.measured is not None:
        line.append(f" in {format_duration(outcome.measured.duration)}")
        if outcome.measured.downtime is not None:
            line.append(f", paused {format_duration(outcome.measured.downtime)}")
    if outcome.reason:
        line.append(": ").append_text(text(outcome.reason))
    return line


def print_run(console: Console, plan: Plan, result: RunResult, differences: Sequence[str] = ()) -> None:
    """``differences``: what was found to be other than the run says, when all hosts were read again."""
    signs = glyphs(console)
    counts = Counter(outcome.outcome for outcome in result.outcomes.values())
    heading(console, f"Run {result.run_id}: " + ", ".join(f"{counts[word]} {word}" for word in Outcome if counts[word]))
    for step in plan.steps:
        outcome = result.outcomes.get(step.id)
        if outcome is not None and outcome.outcome is not Outcome.DONE:
            item(console, outcome_line(step, outcome, signs))
    for problem in result.problems:
        item(console, text(problem), lead=Text(f"{signs.bad} ", "red"))
    table = plain_table()
    for name in ("domain", "was on", "is on", "as"):
        table.add_column(name, overflow="fold")
    first: dict[str, Step] = {}
    for step in plan.steps:
        first.setdefault(step.uuid, step)
    for uuid, place in result.where.items():
        where = (text(place.host), text(place.name)) if place else (Text("nobody could say", style="red"), Text())
        table.add_row(text(first[uuid].domain), text(first[uuid].source), *where)
    show(console, table)
    for difference in differences:
        item(console, text(difference), lead=Text(f"{signs.bad} ", "red"))
    if result.complete and not differences:
        item(console, Text("All done; every host was read again and agrees.", style="green"))
    else:
        item(console, Text(_advice(result), style="bold yellow"))


def _advice(result: RunResult) -> str:
    if result.complete:
        return "All steps were done, but hosts say otherwise now. To go on: plan again."
    outcomes = result.outcomes.values()
    outdated = [outcome.step for outcome in outcomes if outcome.outdated]
    if any(outcome.outcome is Outcome.UNKNOWN for outcome in outcomes):
        said = "The run is incomplete. Look at what is unknown first."
    elif outdated:
        skipped = ", ".join(outcome.step for outcome in outcomes if outcome.outcome is Outcome.SKIPPED)
        needing = f"; skipped, as it needs what was not done: {skipped}" if skipped else ""
        return (
            "The run is incomplete: the cluster is no longer the one planned for. "
            f"Left alone: {', '.join(outdated)}{needing}. To go on: plan again, from how things are now."
        )
    else:
        said = "The run is incomplete; what was not done is as it was before."
    return f"{said} To go on: rebalance resume {result.run_id}; or plan again."


def _deadline(plan: Plan, result: RunResult) -> Mapping[str, object]:
    """Who was off the hosts of a deadline in time, and who was to be; nothing where there was none."""
    if plan.deadline is None:
        return {}
    within, hosts = plan.deadline.within, plan.deadline.hosts
    ended = {uuid: result.outcomes.get(step.id) for uuid, step in plan.departures.items()}
    in_time = [
        uuid
        for uuid, outcome in ended.items()
        if outcome is not None and outcome.outcome is Outcome.DONE and (outcome.finished or 0.0) <= within
    ]
    there = [domain.uuid for domain in plan.snapshot.active_domains if domain.host in hosts]
    late = [uuid for uuid in there if uuid not in in_time]
    predicted = {"in_time": list(plan.in_time), "late": [uuid for uuid in there if uuid not in plan.in_time]}
    found = {"hosts": sorted(hosts), "within": within, "in_time": in_time, "late": late, "predicted": predicted}
    return {"deadline": found}


def run_json(plan: Plan, result: RunResult, differences: Sequence[str] = ()) -> str:
    data = {
        "run": result.run_id,
        "complete": result.complete and not differences,
        "steps": [
            {
                "id": step.id,
                "domain": step.domain,
                "uuid": step.uuid,
                "source": step.source,
                "destination": step.destination,
                "outcome": outcome.outcome.value,
                "reason": outcome.reason,
                "outdated": outcome.outdated,
                "started": outcome.started,
                "finished": outcome.finished,
                "downtime": outcome.measured.downtime if outcome.measured else None,
                "bytes": outcome.measured.transferred if outcome.measured else None,
            }
            for step in plan.steps
            if (outcome := result.outcomes.get(step.id)) is not None
        ],
        "where": {
            uuid: {"host": place.host, "name": place.name} if place else None for uuid, place in result.where.items()
        },
        "problems": [*result.problems, *differences],
        **_deadline(plan, result),
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
