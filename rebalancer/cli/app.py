"""All commands, by name. What a command needs beyond its arguments it imports when it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from rebalancer import __version__
from rebalancer.cli import (
    apply,
    cancel,
    check,
    demo,
    drivers,
    evacuate,
    hosts,
    import_,
    place,
    plan,
    policy,
    resume,
    rollback,
    runs,
    simulate,
    snapshot,
)
from rebalancer.cli.status import ExitStatus

__all__ = ["app", "with_optional_values"]

app = typer.Typer(
    help="Rebalance virtual machines over hosts: policies in, reviewed plans out, safe live migrations.",
    epilog="Exit status: 0 done or nothing to do, 1 error, 2 the plan has steps (--detailed-exitcode), 3 a rule is"
    " broken (check) or something finds no place (place, simulate), 4 a run ended incomplete.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COMMANDS = (
    ("demo", demo.demo, "The whole pipeline on a simulated cluster."),
    ("check", check.check, "Is the cluster well placed? Score and broken rules."),
    ("plan", plan.plan, "What would make it better, and why; changes nothing."),
    ("apply", apply.apply, "Carry out a plan, from a file or made now."),
    ("evacuate", evacuate.evacuate, "Empty hosts, keeping the rest well placed."),
    ("resume", resume.resume, "Go on with a run that was interrupted or is incomplete."),
    ("cancel", cancel.cancel, "Stop a run of another process."),
    ("rollback", rollback.rollback, "Bring back what a run has moved."),
    ("place", place.place, "The best hosts for new domains."),
    ("simulate", simulate.simulate, "What if hosts fail or domains are added?"),
    ("hosts", hosts.hosts, "The hosts, and what each can do."),
    ("snapshot", snapshot.snapshot, "Save what the hosts say now."),
    ("import", import_.import_, "Ganeti's or ProxLB's state and settings as ours."),
    ("drivers", drivers.drivers, "The installed drivers."),
)

for name, command, summary in _COMMANDS:
    app.command(name, short_help=summary)(command)
app.add_typer(runs.app, name="runs")
app.add_typer(policy.app, name="policy")

_OPTIONAL_VALUES = {"--dirty-rate": "5s"}


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"rebalance {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _without_command(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None and not version:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(ExitStatus.ERROR)


def with_optional_values(arguments: Sequence[str]) -> list[str]:
    """The arguments, with the default of each option whose value may be left out (typer knows no such options)."""
    found: list[str] = []
    for index, argument in enumerate(arguments):
        following = arguments[index + 1] if index + 1 < len(arguments) else "-"
        bare = argument in _OPTIONAL_VALUES and not following[:1].isdigit()
        found.append(f"{argument}={_OPTIONAL_VALUES[argument]}" if bare else argument)
    return found
