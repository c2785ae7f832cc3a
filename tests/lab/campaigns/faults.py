"""The fault campaign: whatever breaks in a run, every domain runs exactly once, and the operator is told why."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..host import LabHost
from ..ledger import processes_in
from ..shell import LabError, run
from .memory import starve
from .stage import Command, Stage

Heal = Callable[[], None]
DISK: Final = "16m"
"""The size of the journal's disk."""
LATE: Final = 30.0
"""Seconds that a slow host keeps silent for."""


@dataclass(frozen=True)
class Fault:
    """`inject` breaks something and returns how it is put right; `moment`: before, during or after a copy."""

    name: str
    inject: Callable[[Stage, random.Random], Heal]
    moment: str = "during"
    lasts: float = 5.0
    """Seconds until it is put right; infinity: when the command has ended."""


def _host(stage: Stage, chance: random.Random) -> LabHost:
    return chance.choice(stage.lab.hosts)


def kill_libvirtd(stage: Stage, chance: random.Random) -> Heal:
    """Every host is the source of some steps and the destination of others."""
    host = _host(stage, chance)
    host.kill_libvirtd()
    return host.start_libvirtd


def cut(stage: Stage, chance: random.Random) -> Heal:
    host = _host(stage, chance)
    host.cut()
    return host.mend


def drop_ssh(stage: Stage, chance: random.Random) -> Heal:
    for pid in processes_in(_host(stage, chance).namespace):
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sshd: root"):
                os.kill(pid, signal.SIGKILL)
    return lambda: None


def answer_late(stage: Stage, chance: random.Random) -> Heal:
    host = _host(stage, chance)
    stopped = [pid for pid in processes_in(host.namespace) if _is_called(pid, "libvirtd")]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)

    def go_on() -> None:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    return go_on


def run_out_of_memory(stage: Stage, chance: random.Random) -> Heal:
    """What is received from now on finds no room, and the kernel kills it."""
    host = _host(stage, chance)
    return starve([pid for pid in processes_in(host.namespace) if _is_called(pid, "libvirtd")])


def fill_the_disk(stage: Stage, _: random.Random) -> Heal:
    filler = stage.state / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    return lambda: filler.unlink(missing_ok=True)


def shut_down(stage: Stage, chance: random.Random) -> Heal:
    """A guest goes off by itself: its QEMU is told to end, as it does when a guest switches its machine off."""
    guest = chance.choice(stage.guests)
    for host in stage.lab.hosts:
        if guest.uuid in host.running().values():
            for pid in processes_in(host.namespace):
                with suppress(OSError):
                    if (
                        _is_called(pid, "qemu-system")
                        and guest.uuid.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
                    ):
                        os.kill(pid, signal.SIGTERM)
                        stage.may_restart[guest.name] += 1
    return lambda: stage.start_again(guest)


def move_by_hand(stage: Stage, chance: random.Random) -> Heal:
    guest = chance.choice(
        [g for n, g in enumerate(stage.guests) if stage.is_at(n, shifted=stage.shifted)] or stage.guests
    )
    for host in stage.lab.hosts:
        if guest.uuid in host.running().values():
            there = chance.choice([other for other in stage.lab.hosts if other is not host])
            arguments = ["--p2p", "--live", "--persistent", "--undefinesource", guest.uuid, there.peer]
            with suppress(LabError):
                host.virsh("migrate", *arguments, timeout=60)
            stage.moved_by_hand[guest.name] += 1
            break
    return lambda: None


FAULTS: Final = (
    *(Fault(f"libvirtd killed {moment} the copy", kill_libvirtd, moment) for moment in ("before", "during", "after")),
    Fault("link cut for 5 s", cut),
    Fault("link cut for good", cut, lasts=float("inf")),
    Fault("destination out of memory", run_out_of_memory, "before", lasts=10.0),
    Fault("journal's disk full", fill_the_disk),
    Fault("ssh connections dropped", drop_ssh),
    Fault("host answers 30 s late", answer_late, lasts=LATE),
    Fault("guest shuts itself down", shut_down),
    Fault("guest moved by hand", move_by_hand, "before"),
)


@dataclass
class Figures:
    rounds: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    missed: int = 0
    """Faults whose moment did not come, as the run had ended."""
    told: dict[str, list[str]] = field(default_factory=dict)
    """Fault → the reasons that runs gave for what they did not do, some of them."""
    lost: int = 0
    doubled: int = 0
    resumed: int = 0
    planned_anew: int = 0
    seconds: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.faults.values())


def one_round(stage: Stage, faults: list[Fault], chance: random.Random, figures: Figures) -> None:
    """One run from one arrangement to the other with these faults, one after another; then, healed, to its end."""
    stage.forget()
    began = stage.migrations()
    process = stage.apply("--format", "json")
    done: list[str] = []
    heals: list[Heal] = []
    healing: list[threading.Timer] = []
    for fault in faults:
        if not _moment_came(stage, fault.moment, process, began, chance):
            figures.missed += 1
            continue
        heal = fault.inject(stage, chance)
        done.append(fault.name)
        if fault.lasts == float("inf"):
            heals.append(heal)
        else:
            healing.append(timer := threading.Timer(fault.lasts, _put_right, [heal]))
            timer.start()
    try:
        ended = stage.finish(process, timeout=600)
    finally:
        for timer in healing:
            timer.join()
        for heal in heals:
            _put_right(heal)
    _note(ended, done, figures)
    for host in stage.lab.hosts:
        host.start_libvirtd()
    _go_on_to_the_end(stage, ended, done, figures)
    for name in done:
        figures.faults[name] = figures.faults.get(name, 0) + 1
    figures.rounds += 1


def _put_right(heal: Heal) -> None:
    # Another fault may be in its way; what matters is put right once more at the end.
    with suppress(LabError):
        heal()


def _go_on_to_the_end(stage: Stage, ended: Command, done: list[str], figures: Figures) -> None:
    """Resumed, and planned anew where a guest is where no step of the run expects it."""
    history = ", ".join(done)
    for attempt in range(4):
        stage.check(arrived=False)
        if ended.status == 0:
            break
        if attempt < 2 and stage.has_open_run():
            ended = stage.resume()
            figures.resumed += 1
        else:
            ended = stage.finish(stage.apply())
            figures.planned_anew += 1
    assert ended.status == 0, f"{history}: {ended.said}"
    try:
        stage.check()
    except AssertionError as error:
        raise AssertionError(f"{history}: {error}\n{ended.said}") from error


def _moment_came(
    stage: Stage, moment: str, process: subprocess.Popen[str], began: Counter[str], chance: random.Random
) -> bool:
    """Waits for it; False: the run had ended by then."""
    deadline = time.monotonic() + 120
    if moment == "before":
        while process.poll() is None and not stage.has_open_run():
            time.sleep(0.1)
        return process.poll() is None
    counted = stage.migrations if moment == "during" else stage.departures
    known = counted()
    while process.poll() is None and time.monotonic() < deadline:
        if counted() != known:
            time.sleep(chance.uniform(0.0, 1.5) if moment == "during" else 0.0)
            return process.poll() is None
        time.sleep(0.05)
    return False


def _note(ended: Command, done: list[str], figures: Figures) -> None:
    """What the operator is told, by fault where there was only one."""
    reasons = stage_reasons(ended)
    if ended.status != 0:
        assert reasons, f"{done}: status {ended.status} and no reason: {ended.said}"
    if len(done) == 1:
        known = figures.told.setdefault(done[0], [])
        known += [reason for reason in reasons if reason not in known][: max(0, 3 - len(known))]


def stage_reasons(ended: Command) -> list[str]:
    """Of what was not done: the steps' own, or the message of a command that did not begin."""
    result = ended.result
    if result is None:
        return [line for line in ended.said.splitlines() if line.startswith("error")]
    return [str(step["reason"]) for step in result["steps"] if step["outcome"] != "done" and step["reason"]]


def _is_called(pid: int, name: str) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/exe").readlink().name.startswith(name)
    return False


@contextmanager
def small_disk(stage: Stage) -> Iterator[None]:
    """The journal on a disk of its own, which can be full."""
    stage.state.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "journal", str(stage.state)])
    try:
        yield
    finally:
        run(["umount", str(stage.state)])


def campaign(stage: Stage, *, seed: int, faults: int, at_once: int = 3) -> Iterator[Figures]:
    """Yields after each round, until there were so many faults. Every kind comes up as often as every other."""
    chance, figures = random.Random(seed), Figures()
    began = time.monotonic()
    waiting: list[Fault] = []
    alone = list(FAULTS)
    while figures.total < faults:
        if alone:
            chosen = [alone.pop()]  # first each by itself, so that it is seen what is said of it
        else:
            while len(waiting) < at_once:
                waiting = [*waiting, *chance.sample(FAULTS, len(FAULTS))]
            chosen, waiting = waiting[:at_once], waiting[at_once:]
        one_round(stage, chosen, chance, figures)
        figures.seconds = time.monotonic() - began
        yield figures
