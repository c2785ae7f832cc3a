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
    from rebalancer.execution import Journal as OpenJournal
    from rebalancer.execution import RunSummary

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
    """Stop a run of another process, by default the latest one. It starts nothing more, and finishes what runs.

    With --now, migrations that nobody watches any more, because the run's process is dead, are cancelled, too.
    """
    from rebalancer.execution import RunState
    from rebalancer.execution.journal.location import journal_location
    from rebalancer.execution.journal.opening import opened_run

    with opened_run(journal_location(journal), number) as (opened, record):
        run = record.summary
        if run.state is not RunState.RUNNING:
            tell(f"run {run.id} has ended already: it is {run.state}")
            return ExitStatus.DONE
        if opened.leases(run.id):
            opened.request_stop(run.id, 2 if now else 1)
            doing = "cancels" if now else "finishes"
            tell(f"run {run.id} of {run.who} (process {run.process}) is asked to stop: it {doing} what runs")
            return _wait(opened, run) if wait else ExitStatus.DONE
        if not now:
            tell(f"run {run.id} is interrupted, nobody carries it out: nothing more is started")
            tell(f"to settle what it left: rebalance resume {run.id}; to cancel it: rebalance cancel {run.id} --now")
            return ExitStatus.RUN_INCOMPLETE
        return _cancel_what_is_left(opened, run.id, record.plan, inventory, output)


def _wait(journal: OpenJournal, run: RunSummary) -> ExitStatus:
    from rebalancer.execution import RunState

    while journal.leases(run.id):
        time.sleep(LOOK)
    ended = journal.run(run.id).summary
    tell(f"run {run.id} is {'interrupted' if ended.state is RunState.RUNNING else ended.state}")
    return ExitStatus.DONE if ended.state is RunState.COMPLETE else ExitStatus.RUN_INCOMPLETE


def _cancel_what_is_left(
    journal: OpenJournal, run: int, plan_text: str, inventory: Inventory, output: Format
) -> ExitStatus:
    """Of a run whose process is dead."""
    from rebalancer.plan.file import parse_plan

    plan = parse_plan(plan_text, f"plan of run {run}")
    with live_cluster(inventory, ignore_unreachable=True) as live:
        return carry_on(live, plan, journal, run, output, stop=2)
