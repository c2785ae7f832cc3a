"""The commands, by name. What a command needs beyond its arguments it imports when it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from typing import Annotated

import typer

from rebalancer import __version__
from rebalancer.cli.status import ExitStatus

__all__ = ["app_for", "with_optional_values"]

_COMMANDS = {
    "demo": "The whole pipeline on a simulated cluster.",
    "check": "Is the cluster well placed? Score and broken rules.",
    "plan": "What would make it better, and why; changes nothing.",
    "apply": "Carry out a plan, from a file or made now.",
    "evacuate": "Empty hosts, keeping the rest well placed.",
    "resume": "Go on with a run that was interrupted or is incomplete.",
    "cancel": "Stop a run of another process.",
    "rollback": "Bring back what a run has moved.",
    "place": "The best hosts for new domains.",
    "simulate": "What if hosts fail or domains are added?",
    "hosts": "The hosts, and what each can do.",
    "snapshot": "Save what the hosts say now.",
    "import": "Ganeti's or ProxLB's state and settings as ours.",
    "drivers": "The installed drivers.",
}
"""Each is the function of its name in the module of its name."""
_GROUPS = ("runs", "policy")

_OPTIONAL_VALUES = {"--dirty-rate": "5s"}


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"rebalance {__version__}")
        raise typer.Exit


def _without_command(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None and not version:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(ExitStatus.ERROR)


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """The command that the arguments begin with, alone, as building the others takes longer than many a command does;
    all of them where it is none of those."""
    app = typer.Typer(
        help="Rebalance virtual machines over hosts: policies in, reviewed plans out, safe live migrations.",
        epilog="Exit status: 0 done or nothing to do, 1 error, 2 the plan has steps (--detailed-exitcode), 3 a rule is"
        " broken (check) or something finds no place (place, simulate), 4 a run ended incomplete.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_without_command)
    every = (*_COMMANDS, *_GROUPS)
    for name in arguments[:1] if arguments and arguments[0] in every else every:
        if name in _GROUPS:
            app.add_typer(import_module(f"rebalancer.cli.{name}").app, name=name)
        else:
            module = f"{name}_" if iskeyword(name) else name
            command = getattr(import_module(f"rebalancer.cli.{module}"), module)
            app.command(name, short_help=_COMMANDS[name])(command)
    return app


def with_optional_values(arguments: Sequence[str]) -> list[str]:
    """The arguments, with the default of each option whose value may be left out (typer knows no such options)."""
    found: list[str] = []
    for index, argument in enumerate(arguments):
        following = arguments[index + 1] if index + 1 < len(arguments) else "-"
        bare = argument in _OPTIONAL_VALUES and not following[:1].isdigit()
        found.append(f"{argument}={_OPTIONAL_VALUES[argument]}" if bare else argument)
    return found
