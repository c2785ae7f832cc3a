"""Who carries a run out: one process on one machine, and whether it is known to be dead."""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from rebalancer.values import dataclass

__all__ = ["Controller", "is_known_dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """``id``: of this controller alone, so that two in one process are two. ``birth``: tells the process from a later
    one with the same number; empty where that cannot be known."""

    who: str
    """``user@machine``"""
    machine: str
    process: int
    birth: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def this_process(cls) -> Controller:
        machine = socket.gethostname()
        return cls(who=f"{_user()}@{machine}", machine=machine, process=os.getpid(), birth=_birth(os.getpid()))


def is_known_dead(machine: str, process: int, birth: str) -> bool:
    """Whether a process has ended for sure; only those of this machine (and this container) can be known."""
    if machine != socket.gethostname() or not birth or _place(birth) != _place(_birth(os.getpid())):
        return False
    return _birth(process) != birth


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return str(os.getuid())


def _birth(process: int) -> str:
    """``boot id, process namespace, start``; empty where the process has ended or the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 (it leads nowhere: only its name is wanted)
        # The name of a program may hold spaces and parentheses: what counts is behind the last one.
        fields = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        if fields[0] not in ("Z", "X"):
            return f"{boot} {namespace} {fields[19]}"
    return ""


def _place(birth: str) -> str:
    return birth.rpartition(" ")[0]
