"""Runs a whole campaign and prints its figures: `python -m tests.lab.campaigns kills --seed 1 --randoms 100`.

A round that fails is counted and told of in the figures, what was there is kept, and the campaign goes on in a new lab.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path

from ..cluster import Lab
from ..shell import LabError
from . import faults, kills
from .stage import Stage

MOST_FAILURES = 5
"""A campaign that has failed so often ends."""
FAILURES = (AssertionError, LabError, OSError, RuntimeError, subprocess.SubprocessError)
"""What is wrong with a run or a lab; anything else is wrong with the campaign, which ends."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("campaign", choices=["kills", "faults"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--randoms", type=int, default=100, help="kills at random instants")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--guests", type=int, default=12)
    parser.add_argument("--minutes", type=float, help="ends after the round that this time is over in")
    parser.add_argument("-o", "--output", type=Path, help="file for the figures, as JSON")
    chosen = parser.parse_args()
    # Told to end, it ends as with Ctrl-C: with its finalizers, so without the lab.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    campaign = (
        kills.Campaign(chosen.seed, chosen.randoms)
        if chosen.campaign == "kills"
        else faults.Campaign(chosen.seed, chosen.faults)
    )
    stop_at = float("inf") if chosen.minutes is None else time.monotonic() + 60 * chosen.minutes
    failures = campaign.figures.failures
    while len(failures) < MOST_FAILURES:
        try:
            go_on(campaign, chosen.guests, chosen.output, stop_at)
            break
        except FAILURES as error:
            traceback.print_exc()
            failures.append(f"{type(error).__name__}: {error}")
            tell(campaign, chosen.output)
    sys.exit(1 if failures else 0)


def go_on(campaign: kills.Campaign | faults.Campaign, guests: int, output: Path | None, stop_at: float) -> None:
    """In a new lab, to the end of the campaign or of the time."""
    with Lab(hosts=4) as lab, ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        stage = Stage(lab, Path(directory), count=guests).set_up()
        if isinstance(campaign, faults.Campaign):
            stack.enter_context(faults.small_disk(stage))
        try:
            for _ in campaign.rounds(stage):
                tell(campaign, output)
                if time.monotonic() > stop_at:
                    break
        except Exception:
            if output is not None:
                keep(stage, output.with_suffix(f".failure{len(campaign.figures.failures) + 1}"))
            raise


def tell(campaign: kills.Campaign | faults.Campaign, output: Path | None) -> None:
    print(campaign.figures, file=sys.stderr, flush=True)
    if output is not None:
        output.write_text(json.dumps(asdict(campaign.figures), indent=1, ensure_ascii=False) + "\n")


def keep(stage: Stage, directory: Path) -> None:
    """The journal, what the last command said, and the hosts' own logs."""
    shutil.rmtree(directory, ignore_errors=True)
    with suppress(OSError):
        shutil.copytree(stage.directory, directory, ignore=shutil.ignore_patterns("filler"))
        for host in stage.lab.hosts:
            shutil.copytree(host.directory / "var/log", directory / host.name)


if __name__ == "__main__":
    main()
