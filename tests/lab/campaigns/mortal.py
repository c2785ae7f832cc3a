"""The command line, which kills itself with SIGKILL around the first of some commits to the journal.

`python -m tests.lab.campaigns.mortal WANTED MET apply …`: WANTED holds one boundary a line, such as `before intent s3`;
all that are met are added to MET, the last one being where it died.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rebalancer.cli import main
from rebalancer.execution.journal import Journal


def arm(wanted: frozenset[str], met: Path) -> None:
    def pass_by(boundary: str) -> None:
        with met.open("a") as told:
            told.write(boundary + "\n")
        if boundary in wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    def mortal(write: Callable[..., Any], name: str) -> Callable[..., Any]:
        def around(self: Journal, *arguments: Any, **options: Any) -> Any:
            what = f"{name} {_subject(name, arguments)}".strip()
            pass_by(f"before {what}")
            result = write(self, *arguments, **options)
            pass_by(f"after {what}")
            return result

        return around

    for name in ("start_run", "take_over", "intent", "outcome", "event", "finish_run"):
        setattr(Journal, name, mortal(getattr(Journal, name), name))


def _subject(name: str, arguments: tuple[Any, ...]) -> str:
    """Which step it is about, or what kind of event it is."""
    if name == "intent":
        return str(arguments[1].id)
    if name == "outcome":
        return str(arguments[1].step)
    return str(arguments[1]) if name == "event" else ""


if __name__ == "__main__":
    arm(frozenset(Path(sys.argv[1]).read_text().splitlines()), Path(sys.argv[2]))
    sys.argv = ["rebalance", *sys.argv[3:]]
    main()
