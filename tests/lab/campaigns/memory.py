"""Too little memory for what a process starts from now on: a control group of its own, version 1 or 2."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
ROOM: Final = 12 << 20
"""Bytes, less than any guest takes; what the processes have already is counted where they were."""


@dataclass(frozen=True)
class Starved:
    group: Path
    before: Sequence[tuple[int, Path]]
    """Process → the group that it was in."""

    def killed(self) -> int:
        """How many processes the kernel has ended for want of memory."""
        for name in ("memory.oom_control", "memory.events"):
            with suppress(OSError):
                words = (self.group / name).read_text().split()
                return int(words[words.index("oom_kill") + 1])
        return 0

    def end(self) -> None:
        for pid, group in self.before:
            with suppress(OSError):
                (group / "cgroup.procs").write_text(str(pid))
        for pid in (self.group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (self.group.parent / "cgroup.procs").write_text(pid)
        for _ in range(50):
            with suppress(OSError):
                self.group.rmdir()
                return
            time.sleep(0.1)


def starve(pids: Sequence[int]) -> Starved:
    """Their future children share what is left with them; the kernel ends who takes more."""
    old, new = ROOT / "memory", ROOT
    parent, limit = (old, "memory.limit_in_bytes") if old.is_dir() else (new, "memory.max")
    group = parent / f"rebalancer-lab-{os.getpid()}-{time.monotonic_ns()}"
    group.mkdir()
    starved = Starved(group, [(pid, _group_of(pid, parent)) for pid in pids])
    (group / limit).write_text(str(ROOM))
    for pid in pids:
        (group / "cgroup.procs").write_text(str(pid))
    return starved


def _group_of(pid: int, parent: Path) -> Path:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("memory", ""):
            return parent / path.strip("/")
    return parent
