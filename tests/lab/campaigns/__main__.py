"""Runs a whole campaign and prints its figures: `python -m tests.lab.campaigns kills --seed 1 --randoms 100`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from ..cluster import Lab
from . import faults, kills
from .stage import Stage


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
    stop_at = None if chosen.minutes is None else time.monotonic() + 60 * chosen.minutes
    with Lab(hosts=4) as lab, ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        stage = Stage(lab, Path(directory), count=chosen.guests).set_up()
        figures: object = None
        if chosen.campaign == "faults":
            stack.enter_context(faults.small_disk(stage))
        rounds = (
            kills.campaign(stage, seed=chosen.seed, randoms=chosen.randoms)
            if chosen.campaign == "kills"
            else faults.campaign(stage, seed=chosen.seed, faults=chosen.faults)
        )
        for figures in rounds:
            print(figures, file=sys.stderr, flush=True)
            if chosen.output is not None:
                chosen.output.write_text(json.dumps(asdict(figures), indent=1, ensure_ascii=False) + "\n")
            if stop_at is not None and time.monotonic() > stop_at:
                break


if __name__ == "__main__":
    main()
