"""Options that several commands share, each described once."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rebalancer.cluster.units import Seconds, parse_duration

__all__ = [
    "Batch",
    "DetailedExitcode",
    "DirtyRate",
    "Effort",
    "EmptyBy",
    "Format",
    "IgnoreUnreachable",
    "Inventory",
    "Journal",
    "Now",
    "OptionalRun",
    "OutputFormat",
    "Policies",
    "Return",
    "RunNumber",
    "Seed",
    "Snapshot",
    "TimeLimit",
    "Yes",
    "duration",
    "time_until",
]


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def duration(value: str) -> Seconds:
    """The value of an option that is a duration."""
    try:
        return parse_duration(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def time_until(value: str, now: datetime) -> Seconds:
    """Seconds to the end of a duration (``30 min``), to the next time of that name (``22:00``), or to a date and time
    (``2026-11-26T22:00``, with a zone or in that of ``now``). ValueError says what to write instead."""
    text = value.strip()
    try:
        return parse_duration(text)
    except ValueError as error:
        problem = error
    try:
        if "-" not in text:
            then = datetime.combine(now.date(), datetime.strptime(text, "%H:%M").time(), now.tzinfo)
            return Seconds((then - now).total_seconds() % timedelta(days=1).total_seconds())
        then = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{problem}; or a time such as 22:00 or 2026-11-26T22:00") from None
    left = ((then if then.tzinfo else then.replace(tzinfo=now.tzinfo)) - now).total_seconds()
    if left <= 0:
        raise ValueError(f"{text} has passed")
    return Seconds(left)


def _until(value: str) -> Seconds:
    try:
        return time_until(value, datetime.now().astimezone())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Inventory = Annotated[
    Path | None,
    typer.Option("-i", "--inventory", metavar="FILE", help="The hosts. Default: $REBALANCE_INVENTORY."),
]
Snapshot = Annotated[
    Path | None, typer.Option("--snapshot", metavar="FILE", help="A cluster saved earlier, instead of an inventory.")
]
Policies = Annotated[
    list[str] | None,
    typer.Option("-p", "--policy", metavar="POLICY", help="A file or a ready-made policy; several are merged."),
]
OutputFormat = Annotated[Format, typer.Option("--format", help="For people or for machines.")]
TimeLimit = Annotated[
    Seconds | None,
    typer.Option("--time-limit", metavar="DURATION", parser=duration, help="Search no longer than this, e.g. 30s."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Another seed may find another placement.")]
Effort = Annotated[int, typer.Option("--effort", min=1, max=10, metavar="1..10", help="How hard to search.")]
DirtyRate = Annotated[
    Seconds | None,
    typer.Option(
        "--dirty-rate",
        metavar="[DURATION]",
        parser=duration,
        help="Measure how domains write to memory: over 1s, then over this time (5s) to tell what is written again.",
    ),
]
IgnoreUnreachable = Annotated[
    bool, typer.Option("--ignore-unreachable", help="Go on without hosts that cannot be read.")
]
DetailedExitcode = Annotated[
    bool, typer.Option("--detailed-exitcode", help="End with status 2 when the plan has steps.")
]
Batch = Annotated[
    int | None,
    typer.Option("--batch", min=1, metavar="N", help="At most so many hosts at once, round by round."),
]
EmptyBy = Annotated[
    Seconds | None,
    typer.Option(
        "--deadline",
        metavar="DURATION|TIME",
        parser=_until,
        help="When the hosts must be empty: in 30min, at 22:00 or at 2026-11-26T22:00, as it is predicted.",
    ),
]
Return = Annotated[bool, typer.Option("--return", help="Bring the domains back home at the end.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Now = Annotated[bool, typer.Option("--now", help="Go on though no window of the policy is open.")]
Journal = Annotated[
    str | None,
    typer.Option(
        "--journal",
        metavar="PATH|URL",
        help="Where runs are recorded: a file or postgresql://… Default: $REBALANCE_JOURNAL, or the user's own.",
    ),
]
RunNumber = typer.Argument(metavar="RUN", min=1, help="The run's number, as 'rebalance runs' lists it.")
OptionalRun = typer.Argument(metavar="[RUN]", min=1, help="The run's number, as 'rebalance runs' lists it.")
