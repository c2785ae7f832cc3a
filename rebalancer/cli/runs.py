"""``rebalance runs …``"""

from __future__ import annotations

from typing import Annotated

import typer

from rebalancer.cli.options import Format, Journal, OutputFormat, RunNumber
from rebalancer.cli.status import ExitStatus

__all__ = ["app"]

app = typer.Typer(help="What the journal knows of runs.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def list_runs(context: typer.Context, journal: Journal = None, output: OutputFormat = Format.TEXT) -> ExitStatus:
    """All runs, newest first. 'runs show RUN' tells one from its beginning to its end."""
    if context.invoked_subcommand is not None:
        return ExitStatus.DONE
    from rebalancer.execution.journal.location import journal_location
    from rebalancer.execution.journal.opening import reading
    from rebalancer.report.runs import print_runs, runs_json

    with reading(journal_location(journal)) as opened:
        found = opened.list_runs() if opened else ()
        alive = frozenset(lease.run for lease in opened.leases()) if opened else frozenset()
    if output is Format.JSON:
        print(runs_json(found, alive), end="")
    else:
        print_runs(found, alive)
    return ExitStatus.DONE


@app.command("show")
def show(number: Annotated[int, RunNumber], journal: Journal = None, output: OutputFormat = Format.TEXT) -> ExitStatus:
    """One run: its steps, and every event with time, host, bytes and downtime."""
    from rebalancer.execution.journal.location import journal_location
    from rebalancer.execution.journal.opening import opened_run
    from rebalancer.report.runs import print_record, record_json

    with opened_run(journal_location(journal), number) as (opened, record):
        alive = bool(opened.leases(number))
    if output is Format.JSON:
        print(record_json(record, alive=alive), end="")
    else:
        print_record(record, alive=alive)
    return ExitStatus.DONE
