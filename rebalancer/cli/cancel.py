"""``rebalance cancel``"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from rebalancer.cli.carry_out import carry_on
from rebalancer.cli.inputs import live_cluster, tell
from rebalancer.cli.options import Format, Inventory, Journal, OptionalRun, OutputFormat
from rebalancer.cli.status import ExitStatus

if TYPE_CHECKING:
    from pathlib import Path

    from rebalancer.execution import Journal as OpenJournal
    from rebalancer.execution import RunRecord, RunSummary

__all__ = ["cancel"]

LOOK = 0.5
"""Seconds between two looks whether the run has ended."""

Now = Annotated[bool, typer.Option("--now", help="Cancel what runs, too; without it, what runs is finished.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return only when the run has ended.")]


def cancel(
    number: Annotated[int | None, OptionalRun] = None,
    now: Now = False,
    wait: Wait = False,
    inventory: Inventory = None,
    journal: Journal = None,
    output: OutputFormat = Format.TEXT,
) -> ExitStatus:
    """Stop a run of another process, by default the latest that has not ended. It starts nothing more, and finishes
    what runs.

    Where its process is dead, what it left is settled from here, and migrations under way are watched until they end.
    """
    from rebalancer.execution import RunState
    from rebalancer.execution.journal.location import journal_location
    from rebalancer.execution.journal.opening import opened_run

    location = journal_location(journal)
    with opened_run(location, _latest(location) if number is None else number) as (opened, record):
        run = record.summary
        if run.state is not RunState.RUNNING:
            tell(f"run {run.id} has ended already: it is {run.state}")
            return ExitStatus.DONE
        if opened.leases(run.id):
            opened.request_stop(run.id, 2 if now else 1)
            doing = "cancels" if now else "finishes"
            tell(f"run {run.id} of {run.who} (process {run.process}) is asked to stop: it {doing} what runs")
            return _wait(opened, run) if wait else ExitStatus.DONE
        left = "cancelled" if now else "watched until it ends"
        tell(f"run {run.id} is interrupted, nobody carries it out: nothing more is started, what still runs is {left}")
        return _settle(opened, record, inventory, output, stop=2 if now else 1)


def _wait(journal: OpenJournal, run: RunSummary) -> ExitStatus:
    from rebalancer.execution import RunState

    while journal.leases(run.id):
        time.sleep(LOOK)
    ended = journal.run(run.id).summary
    tell(f"run {run.id} is {'interrupted' if ended.state is RunState.RUNNING else ended.state}")
    return ExitStatus.DONE if ended.state is RunState.COMPLETE else ExitStatus.RUN_INCOMPLETE


def _settle(journal: OpenJournal, record: RunRecord, inventory: Inventory, output: Format, *, stop: int) -> ExitStatus:
    """What a run has left whose process is dead."""
    from rebalancer.plan.file import parse_plan

    run = record.summary.id
    plan = parse_plan(record.plan, f"plan of run {run}")
    with live_cluster(inventory, ignore_unreachable=True) as live:
        return carry_on(live, plan, journal, run, output, stop=stop)


def _latest(location: Path | str) -> int | None:
    """The newest run that has not ended; None: all have."""
    from rebalancer.execution import RunState
    from rebalancer.execution.journal.opening import reading

    with reading(location) as opened:
        runs = opened.list_runs() if opened else ()
    return next((run.id for run in runs if run.state is RunState.RUNNING), None)
