"""``rebalance demo``"""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from collections.abc import Sequence
from importlib.abc import Traversable
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from rebalancer.cli.inputs import tell
from rebalancer.cli.status import ExitStatus
from rebalancer.errors import RebalancerError

__all__ = ["COMMANDS", "demo", "example_files"]

_POLICY = ("-i", "inventory.yaml", "-p", "./policy.yaml")
_RUN = ("apply", "plan.json", "-i", "inventory.yaml", "--journal", "journal.sqlite", "--yes")

COMMANDS: tuple[tuple[str, Sequence[str], ExitStatus], ...] = (
    ("How well is it placed?", ("check", *_POLICY), ExitStatus.RULE_BROKEN),
    ("What would make it better?", ("plan", *_POLICY, "-o", "plan.json"), ExitStatus.DONE),
    ("Do it. The simulation makes a minute pass in a second.", _RUN, ExitStatus.DONE),
    ("Planned again, there is nothing left to do.", ("plan", *_POLICY, "--detailed-exitcode"), ExitStatus.DONE),
)
"""What is shown, and how it has to end."""

Directory = Annotated[
    Path | None, typer.Argument(metavar="[DIRECTORY]", help="Put the example here and keep it, to try more.")
]


def demo(directory: Directory = None) -> ExitStatus:
    """The whole pipeline on a simulated cluster: check, plan, apply, and plan again."""
    if directory is not None:
        return _play(directory)
    with tempfile.TemporaryDirectory(prefix="rebalancer-demo-") as temporary:
        status = _play(Path(temporary))
    tell("")
    tell("The simulated cluster is gone. To keep one and try more: rebalance demo DIRECTORY")
    return status


def example_files() -> Traversable:
    """The simulated cluster of the examples."""
    installed = files("rebalancer") / "examples" / "quickstart"
    # In a checkout they stand beside the package.
    return installed if installed.is_dir() else Path(__file__).parents[2] / "examples" / "quickstart"


def _play(directory: Path) -> ExitStatus:
    from rebalancer.cli.main import run

    _copy_to(directory)
    with contextlib.chdir(directory):
        for title, arguments, expected in COMMANDS:
            print(f"\n# {title}\n$ {shlex.join(['rebalance', *arguments])}", flush=True)
            if run(arguments) != expected:
                return ExitStatus.ERROR
    return ExitStatus.DONE


def _copy_to(directory: Path) -> None:
    from rebalancer.files import write_atomically

    try:
        directory.mkdir(parents=True, exist_ok=True)
        there = any(directory.iterdir())
    except OSError as error:
        raise RebalancerError(f"cannot make the directory {directory}: {error.strerror}") from error
    if there:
        raise RebalancerError(f"{directory} is not empty; name a new directory")
    for file in example_files().iterdir():
        if file.is_file():
            write_atomically(directory / file.name, file.read_text("utf-8"), 0o644)
