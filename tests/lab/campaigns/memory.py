"""Too little memory for what a process starts from now on: a control group of its own, version 1 or 2."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
ROOM: Final = 12 << 20
"""Bytes, less than any guest takes; what the processes have already is counted where they were."""


def starve(pids: Sequence[int]) -> Callable[[], None]:
    """Their future children share what is left with them; the kernel ends who takes more. Undone by what it returns."""
    old, new = ROOT / "memory", ROOT
    parent, limit = (old, "memory.limit_in_bytes") if old.is_dir() else (new, "memory.max")
    group = parent / f"rebalancer-lab-{os.getpid()}-{time.monotonic_ns()}"
    group.mkdir()
    before = [(pid, _group_of(pid, parent)) for pid in pids]
    (group / limit).write_text(str(ROOM))
    for pid in pids:
        (group / "cgroup.procs").write_text(str(pid))

    def undo() -> None:
        for path in before:
            with suppress(OSError):
                (path[1] / "cgroup.procs").write_text(str(path[0]))
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (parent / "cgroup.procs").write_text(pid)
        for _ in range(50):
            with suppress(OSError):
                group.rmdir()
                return
            time.sleep(0.1)

    return undo


def _group_of(pid: int, parent: Path) -> Path:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("memory", ""):
            return parent / path.strip("/")
    return parent
