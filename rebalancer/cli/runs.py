"""``rebalance runs …``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rebalancer.cli.options import Format, Journal, OutputFormat, RunNumber
from rebalancer.cli.status import ExitStatus

__all__ = ["app"]

OutputFile = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it here; default: standard output.")
]
ExportedFile = Annotated[Path, typer.Argument(metavar="FILE", help="Made by 'runs export'.")]

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
    from rebalancer.execution.journal import undone_by
    from rebalancer.execution.journal.location import journal_location
    from rebalancer.execution.journal.opening import opened_run
    from rebalancer.report.runs import print_record, record_json

    with opened_run(journal_location(journal), number) as (opened, record):
        alive, undone = bool(opened.leases(number)), undone_by(number, opened.list_runs())
    if output is Format.JSON:
        print(record_json(record, alive=alive, undone=undone), end="")
    else:
        print_record(record, alive=alive, undone=undone)
    return ExitStatus.DONE


@app.command("export")
def export(number: Annotated[int, RunNumber], file: OutputFile = None, journal: Journal = None) -> ExitStatus:
    """One run as JSON Lines: who, when, the plan, every command and its answer, every decision and its reason."""
    from rebalancer.execution.audit import export_lines
    from rebalancer.execution.journal.location import journal_location
    from rebalancer.execution.journal.opening import opened_run
    from rebalancer.files import write_atomically

    with opened_run(journal_location(journal), number) as (_, record):
        lines = "".join(export_lines(record))
    if file is None:
        print(lines, end="")
    else:
        write_atomically(file, lines)
    return ExitStatus.DONE


@app.command("replay")
def replay(file: ExportedFile, output: OutputFormat = Format.TEXT) -> ExitStatus:
    """An exported run, as 'runs show' shows it: worked out anew from its events, without the journal."""
    from rebalancer.execution.audit import replay as replayed
    from rebalancer.files import read_text
    from rebalancer.report.runs import print_record, record_json

    record = replayed(read_text(file).splitlines(), str(file))
    if output is Format.JSON:
        print(record_json(record, alive=False), end="")
    else:
        print_record(record, alive=False)
    return ExitStatus.DONE
