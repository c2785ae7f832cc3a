"""``rebalance resume``"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from rebalancer.cli.carry_out import carry_on
from rebalancer.cli.inputs import live_cluster, tell
from rebalancer.cli.options import Format, Inventory, Journal, Now, OptionalRun, OutputFormat
from rebalancer.cli.status import ExitStatus
from rebalancer.cli.windows import tell_closed

if TYPE_CHECKING:
    from rebalancer.execution import Journal as OpenJournal

__all__ = ["resume"]


def resume(
    number: Annotated[int | None, OptionalRun] = None,
    inventory: Inventory = None,
    journal: Journal = None,
    now: Now = False,
    output: OutputFormat = Format.TEXT,
) -> ExitStatus:
    """Go on with a run that was interrupted or is incomplete, by default the latest one.

    Asks the hosts what became of what was under way, watches what still is, and does the rest. Harmless when repeated.
    Outside of the policy's windows nothing is started, but what was under way is settled.
    """
    from rebalancer.execution.journal.location import journal_location
    from rebalancer.execution.journal.opening import reading
    from rebalancer.plan.file import parse_plan

    with reading(journal_location(journal)) as opened:
        run = _latest(opened) if opened and number is None else number
        if opened is None or run is None:
            tell("nothing to resume: every run is complete, under way, or has been rolled back")
            return ExitStatus.DONE
        plan = parse_plan(opened.run(run).plan, f"plan of run {run}")
        if now:
            plan = replace(plan, windows=())
        tell_closed(plan)
        with live_cluster(inventory, ignore_unreachable=True) as live:
            return carry_on(live, plan, opened, run, output)


def _latest(journal: OpenJournal) -> int | None:
    """The newest run that is not complete, that nobody carries out and that has not been rolled back; None: there is
    none."""
    from rebalancer.execution import RunState
    from rebalancer.execution.journal import undone_by

    alive, runs = {lease.run for lease in journal.leases()}, journal.list_runs()
    return next(
        (
            run.id
            for run in runs
            if run.state is not RunState.COMPLETE and run.id not in alive and undone_by(run.id, runs) is None
        ),
        None,
    )
