"""Running command lines in tests: inside this process, or in one of their own, on a copy of the quickstart example."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["EXAMPLE", "ROOT", "copy_example", "read_until", "rebalance"]

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "examples" / "quickstart"


def copy_example(folder: Path, *, speed: int = 10_000) -> Path:
    """A simulated cluster of its own, with faster time."""
    shutil.copytree(EXAMPLE, folder)
    inventory = folder / "inventory.yaml"
    inventory.write_text(re.sub(r"speed=\d+", f"speed={speed}", inventory.read_text("utf-8")), "utf-8")
    return folder


def read_until(process: subprocess.Popen[str], word: str) -> str:
    """What a process has said on standard error, up to the line with the word."""
    assert process.stderr is not None
    seen = ""
    while word not in seen:
        line = process.stderr.readline()
        assert line, f"it ended without {word!r}:\n{seen}"
        seen += line
    return seen


def rebalance(*arguments: str, folder: Path, columns: int = 80, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command line in a process of its own, as a pipe reads it."""
    return subprocess.run(
        [sys.executable, "-m", "rebalancer", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": str(columns), "XDG_STATE_HOME": str(folder / "state"), **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
