"""What one lab made, written down before it is made, so that just that is removed, if need be by a later run.

Everything carries the lab's prefix (`rbl` and six random hex digits). Outside its directory a lab makes two kinds of
things: network namespaces, and links of the machine's own namespace. Processes need no record: those to end are the
ones inside the namespaces.
"""

import fcntl
import json
import os
import re
import secrets
import select
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, Self

from .shell import LabError, run, wait_until

Kind = Literal["namespace", "link"]

_NAMESPACES: Final = Path("/run/netns")
_DIRECTORY: Final = re.compile(r"rebalancer-lab-([0-9a-f]{6})")


class Ledger:
    """The directory of one lab, the prefix of all its names, and the list of what it made."""

    def __init__(self, directory: Path, identity: str) -> None:
        self.directory = directory
        self.prefix = f"rbl{identity}"

    @classmethod
    def open_new(cls) -> Self:
        """Make the directory of a new lab, owned by this process."""
        identity = secrets.token_hex(3)
        directory = Path(tempfile.gettempdir()).resolve() / f"rebalancer-lab-{identity}"
        directory.mkdir(mode=0o700)
        (directory / "owner.json").write_text(json.dumps(_this_process()))
        return cls(directory, identity)

    def intend(self, kind: Kind, name: str) -> None:
        """Write down that `name` will be made next. Refused when it is there already: then it is not ours."""
        if name in (_namespaces() if kind == "namespace" else _links()):
            raise LabError(f"there is a {kind} {name} already")
        with (self.directory / "made").open("a") as made:
            made.write(f"{kind} {name}\n")

    def made(self) -> list[tuple[str, str]]:
        """What was written down, as (kind, name); lines that no lab would write are not believed."""
        try:
            lines = (self.directory / "made").read_text().split("\n")
        except FileNotFoundError:
            return []
        ours = re.compile(rf"(namespace|link) ({self.prefix}(-[a-z0-9]+)?)")
        return [(match[1], match[2]) for line in lines if (match := ours.fullmatch(line))]

    def remove_all(self) -> None:
        """Remove what is left: processes, links, namespaces, directory. What resists does not save the rest."""
        problems: list[str] = []
        made = self.made()
        steps: list[tuple[Callable[[str], None], str]] = [
            *((end_processes, name) for kind, name in made if kind == "namespace"),
            *((_remove_link, name) for kind, name in made if kind == "link"),
            *((_remove_namespace, name) for kind, name in made if kind == "namespace"),
        ]
        for remove, name in steps:
            try:
                remove(name)
            except (LabError, OSError) as error:
                problems.append(str(error))
        if problems:
            raise LabError(f"left behind, see {self.directory}: " + "; ".join(problems))
        with suppress(FileNotFoundError):
            shutil.rmtree(self.directory)


def remove_leftovers() -> list[str]:
    """Remove the labs whose owner is dead, and return their prefixes. What is not provably such a lab is left alone."""
    removed = []
    for directory in sorted(Path(tempfile.gettempdir()).resolve().glob("rebalancer-lab-*")):
        match = _DIRECTORY.fullmatch(directory.name)
        if match is None or not _is_private_directory(directory):
            continue
        # What resists is left to the next run, rather than that no lab comes up here any more.
        with suppress(OSError, ValueError, LabError), (directory / "owner.json").open() as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)  # or another run is removing it this moment
            if _is_dead(json.load(owner)):
                ledger = Ledger(directory, match[1])
                ledger.remove_all()
                removed.append(ledger.prefix)
    return removed


def processes_in(namespace: str) -> list[int]:
    """The processes inside a network namespace."""
    try:
        wanted = _inode(_NAMESPACES / namespace)
    except FileNotFoundError:
        return []
    return [pid for pid in _all_processes() if _is_inside(pid, wanted)]


def init_of(namespace: str) -> int | None:
    """The process inside a network namespace that is process 1 of a process namespace."""
    return next(filter(_is_first_of_its_kind, processes_in(namespace)), None)


def end_processes(namespace: str, called: str = "") -> None:
    """SIGKILL every process inside a network namespace (whose program's name starts so) and wait for their end."""
    try:
        wanted = _inode(_NAMESPACES / namespace)
    except FileNotFoundError:
        return

    def none_left() -> bool:
        found = [pid for pid in processes_in(namespace) if _program(pid).startswith(called)]
        # Process 1 first: the rest of its namespace goes with it, and it is buried by its parent while there is one.
        for pid in list(filter(_is_first_of_its_kind, found)) or found:
            with suppress(ProcessLookupError):
                _kill_if_inside(pid, wanted)
        return not found

    wait_until(none_left, lambda: f"the end of the processes {processes_in(namespace)} in {namespace}", timeout=15)


def _kill_if_inside(pid: int, namespace: tuple[int, int]) -> None:
    # Look again once the descriptor pins the process: the id may have passed to another in between.
    descriptor = os.pidfd_open(pid)
    try:
        if _is_inside(pid, namespace):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            gone = select.poll()
            gone.register(descriptor, select.POLLIN)
            gone.poll(5_000)
    finally:
        os.close(descriptor)


def _is_inside(pid: int, namespace: tuple[int, int]) -> bool:
    try:
        return _inode(Path(f"/proc/{pid}/ns/net")) == namespace
    except OSError:  # it has ended
        return False


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/exe").readlink().name
    except OSError:  # it has ended
        return ""


def _is_first_of_its_kind(pid: int) -> bool:
    """Is it process 1 of a process namespace that is not the machine's?"""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has ended
        return False
    ids = next(line.split()[1:] for line in lines if line.startswith("NSpid:"))
    return len(ids) > 1 and ids[-1] == "1"


def _inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _all_processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _namespaces() -> set[str]:
    with suppress(FileNotFoundError):
        return {path.name for path in _NAMESPACES.iterdir()}
    return set()


def _links() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def _remove_link(name: str) -> None:
    if name in _links():
        run(["ip", "link", "delete", name])


def _remove_namespace(name: str) -> None:
    if name in _namespaces():
        run(["ip", "netns", "delete", name])


def _this_process() -> dict[str, str | int]:
    return {"pid": os.getpid(), "started": _start_of(os.getpid()), **_surroundings()}


def _surroundings() -> dict[str, str | int]:
    return {
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "pid_namespace": str(Path("/proc/self/ns/pid").readlink()),
        "network_namespace": str(Path("/proc/self/ns/net").readlink()),
    }


def _start_of(pid: int) -> int:
    """When a process started, in clock ticks since boot: what tells it from a later one with the same id."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def _is_dead(owner: object) -> bool:
    if not isinstance(owner, dict) or not isinstance(pid := owner.get("pid"), int):
        return False
    here = _surroundings()
    if owner.get("boot") != here["boot"]:
        return True
    if any(owner.get(key) != value for key, value in here.items()):
        return False  # a container's: its process ids and names mean nothing here
    try:
        return _start_of(pid) != owner.get("started")
    except (FileNotFoundError, ProcessLookupError):
        return True


def _is_private_directory(path: Path) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:  # its owner, or another run, has removed it since it was listed
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o700
