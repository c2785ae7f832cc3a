"""The command line as a user runs it on the lab, and what to look at afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cluster import Lab
from .guest import Guest, assert_never_reset
from .inventory import Link


class Rebalance:
    """Runs the command line as a user would, in a directory of its own."""

    def __init__(self, directory: Path, inventory: Path) -> None:
        self.directory = directory
        self.inventory = inventory
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("REBALANCE")},
            "XDG_STATE_HOME": str(directory / "state"),
            "NO_COLOR": "1",
            "COLUMNS": "120",
        }

    def start(self, command: str, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "rebalancer", command, "-i", self.inventory, *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, command: str, *arguments: str | Path, status: int = 0, timeout: float = 120) -> str:
        """What it prints, errors too; fails unless it ends with this status and without a traceback."""
        process = self.start(command, *arguments)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
        assert "Traceback" not in err, err
        assert process.returncode == status, f"status {process.returncode}, not {status}:\n{out}\n{err}"
        return out + err

    def record(self, run: int = 1) -> dict[str, Any]:
        """What the journal holds of a run."""
        ended = subprocess.run(
            [sys.executable, "-m", "rebalancer", "runs", "show", str(run), "--format", "json"],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    def policy(self, name: str, text: str) -> Path:
        path = self.directory / f"{name}.yaml"
        path.write_text(f"apiVersion: rebalancer/v1\nkind: Policy\nmetadata: {{name: {name}}}\n{text}")
        return path

    def plan(self, *policies: str | Path, arguments: Sequence[str] = ()) -> dict[str, object]:
        chosen = [argument for policy in policies for argument in ("-p", policy)]
        process = self.start("plan", *chosen, "--format", "json", *arguments)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        found: dict[str, object] = json.loads(out)
        return found


def capacity(hosts: int, **memory: str) -> dict[str, dict[str, str]]:
    return {f"h{i}": {"memory": memory.get(f"h{i}", "2 GiB")} for i in range(1, hosts + 1)}


def assert_each_runs_once(lab: Lab, guests: Sequence[Guest]) -> None:
    for guest in guests:
        places = lab.where(guest)
        assert list(places.values()) == ["running"], (guest.name, places)
    for guest in guests:
        assert guest.is_counting(), guest.name
        assert_never_reset(guest.counters())


def names_on(lab: Lab, host: str) -> set[str]:
    return set(lab[host].running())


def wide(host: str) -> list[Link]:
    """A link that is never the bottleneck."""
    return [Link(f"{host}-nic", (host, "switch"), "10 Gbit/s")]
