"""The fault campaign: whatever breaks in a run, every domain runs exactly once, and the operator is told why."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..guest import Guest
from ..host import LabHost
from ..ledger import processes_in
from ..shell import LabError, run
from .memory import starve
from .stage import Command, Stage

DISK: Final = "16m"
"""The size of the journal's disk."""
LATE: Final = 30.0
"""Seconds that a slow host keeps silent for."""


@dataclass(frozen=True)
class Injected:
    """What was broken. `heal` puts it right; `bit`: whether anything was harmed, asked right before it is put right."""

    bit: Callable[[], bool]
    heal: Callable[[], object] = lambda: None


Inject = Callable[[Stage, Sequence[Guest], random.Random], Injected]
"""Breaks something that the guests given need; a LabError: could not be done, as another fault was in its way."""


@dataclass(frozen=True)
class Fault:
    """`moment`: before, during or after a copy, whose guests `inject` is given."""

    name: str
    inject: Inject
    moment: str = "during"
    lasts: float = 5.0
    """Seconds until it is put right; infinity: when the command has ended."""
    told: str = ""
    """Only a run that says this has come to harm by it."""


def _host(stage: Stage, guests: Sequence[Guest], chance: random.Random) -> LabHost:
    """One that some of the guests go from or to."""
    return chance.choice(stage.ends(guests))


def kill_libvirtd(stage: Stage, guests: Sequence[Guest], chance: random.Random) -> Injected:
    """Every host is the source of some steps and the destination of others."""
    host = _host(stage, guests, chance)
    found = bool(host.processes("libvirtd"))
    host.kill_libvirtd()
    return Injected(lambda: found, host.start_libvirtd)


def cut(stage: Stage, guests: Sequence[Guest], chance: random.Random) -> Injected:
    host = _host(stage, guests, chance)
    whole = not host.is_cut()
    host.cut()
    return Injected(lambda: whole, host.mend)


def drop_ssh(stage: Stage, guests: Sequence[Guest], chance: random.Random) -> Injected:
    dropped = 0
    for pid in processes_in(_host(stage, guests, chance).namespace):
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sshd: root"):
                os.kill(pid, signal.SIGKILL)
                dropped += 1
    return Injected(lambda: dropped > 0)


def answer_late(stage: Stage, guests: Sequence[Guest], chance: random.Random) -> Injected:
    stopped = _host(stage, guests, chance).processes("libvirtd")
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)

    def go_on() -> None:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    return Injected(lambda: bool(stopped), go_on)


def run_out_of_memory(stage: Stage, guests: Sequence[Guest], chance: random.Random) -> Injected:
    """What is received from now on finds no room, and the kernel kills it."""
    starved = starve(_host(stage, guests, chance).processes("libvirtd"))
    return Injected(lambda: starved.killed() > 0, starved.end)


def fill_the_disk(stage: Stage, _: Sequence[Guest], __: random.Random) -> Injected:
    filler = stage.state / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    return Injected(lambda: True, lambda: filler.unlink(missing_ok=True))


def shut_down(stage: Stage, guests: Sequence[Guest], chance: random.Random) -> Injected:
    """A guest goes off by itself: its QEMU is told to end, as it does when a guest switches its machine off."""
    guest = chance.choice(guests)
    ended = 0
    for host in stage.lab.hosts:
        if guest.uuid in host.running().values():
            for pid in host.processes("qemu-system"):
                with suppress(OSError):
                    if guest.uuid.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGTERM)
                        stage.may_restart[guest.name] += 1
                        ended += 1
    return Injected(lambda: ended > 0, lambda: stage.start_again(guest))


def move_by_hand(stage: Stage, guests: Sequence[Guest], chance: random.Random) -> Injected:
    guest = chance.choice(guests)
    for host in stage.lab.hosts:
        if guest.uuid in host.running().values():
            there = chance.choice([other for other in stage.lab.hosts if other is not host])
            arguments = ["--p2p", "--live", "--persistent", "--undefinesource", guest.uuid, there.peer]
            host.virsh("migrate", *arguments, timeout=60)
            return Injected(lambda: True)
    return Injected(lambda: False)


FAULTS: Final = (
    *(Fault(f"libvirtd killed {moment} the copy", kill_libvirtd, moment) for moment in ("before", "during", "after")),
    Fault("link cut for 5 s", cut),
    Fault("link cut for good", cut, lasts=float("inf")),
    Fault("destination out of memory", run_out_of_memory, "before", lasts=10.0),
    Fault("journal's disk full", fill_the_disk, told="full"),
    Fault("ssh connections dropped", drop_ssh),
    Fault("host answers 30 s late", answer_late, lasts=LATE),
    Fault("guest shuts itself down", shut_down),
    Fault("guest moved by hand", move_by_hand, "before"),
)


@dataclass
class Figures:
    rounds: int = 0
    wanted: int = 0
    """Faults that were to bite."""
    faults: dict[str, int] = field(default_factory=dict)
    """Those that bit, by name."""
    harmless: dict[str, int] = field(default_factory=dict)
    """Those that found nothing to harm, as another had stopped it already or the run had passed by."""
    missed: int = 0
    """Faults whose moment did not come, as the run had ended."""
    told: dict[str, list[str]] = field(default_factory=dict)
    """Fault → the reasons that runs gave for what they did not do, some of them."""
    held: int = 0
    """Guests that stood still when a run had ended and all was put right, before it was resumed."""
    resumed: int = 0
    planned_anew: int = 0
    failures: list[str] = field(default_factory=list)
    """Rounds in which something did not hold, in words."""
    seconds: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.faults.values())


@dataclass
class _Broken:
    fault: Fault
    injected: Injected
    bit: bool = False

    def put_right(self) -> None:
        # Another fault may be in its way; what matters is put right once more at the end.
        with suppress(LabError, OSError):
            self.bit = self.injected.bit()
        with suppress(LabError, OSError):
            self.injected.heal()


def one_round(stage: Stage, faults: list[Fault], chance: random.Random, figures: Figures) -> None:
    """One run from one arrangement to the other with these faults, one after another; then, healed, to its end."""
    stage.forget()
    process = stage.apply("--format", "json")
    broken: list[_Broken] = []
    healing: list[threading.Timer] = []
    try:
        for fault in faults:
            guests = _moment(stage, fault.moment, process, chance)
            if not guests:
                figures.missed += 1
                continue
            try:
                injected = fault.inject(stage, guests, chance)
            except LabError:
                injected = Injected(lambda: False)
            broken.append(one := _Broken(fault, injected))
            if fault.lasts != float("inf"):
                healing.append(timer := threading.Timer(fault.lasts, one.put_right))
                timer.start()
        ended = stage.finish(process, timeout=600)
    finally:
        process.kill()
        for timer in healing:
            timer.join()
        for one in broken:
            if one.fault.lasts == float("inf"):
                one.put_right()
    bit = [one.fault.name for one in broken if one.bit and one.fault.told in ended.said]
    _note(ended, [one.fault.name for one in broken], bit, figures)
    _put_all_right(stage)
    _go_on_to_the_end(stage, ended, bit, figures)
    for one in broken:
        counted = figures.faults if one.fault.name in bit else figures.harmless
        counted[one.fault.name] = counted.get(one.fault.name, 0) + 1
    figures.rounds += 1


def _put_all_right(stage: Stage) -> None:
    """Once more, as a fault may have been in the way of putting another one right."""
    for host in stage.lab.hosts:
        host.start_libvirtd()
    for guest in stage.guests:
        if stage.may_restart[guest.name]:
            stage.start_again(guest)


def _go_on_to_the_end(stage: Stage, ended: Command, bit: list[str], figures: Figures) -> None:
    """Resumed, and planned anew where a guest is where no step of the run expects it."""
    history = ", ".join(bit) or "nothing bit"
    for attempt in range(4):
        figures.held += stage.check(arrived=False, held=ended.status != 0)
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


def _moment(stage: Stage, moment: str, process: subprocess.Popen[str], chance: random.Random) -> list[Guest]:
    """Waits for it; the guests whose copy is to begin, under way or just over. None: the run had ended by then."""
    deadline = time.monotonic() + 120
    gone = stage.departures()
    while process.poll() is None and time.monotonic() < deadline:
        if moment == "before" and stage.has_open_run():
            return stage.guests
        if moment == "during" and stage.moving():
            time.sleep(chance.uniform(0.0, 1.5))
            return stage.moving() if process.poll() is None else []
        if moment == "after" and (left := stage.departures() - gone):
            return [guest for guest in stage.guests if guest.name in left] if process.poll() is None else []
        time.sleep(0.05)
    return []


def _note(ended: Command, broken: list[str], bit: list[str], figures: Figures) -> None:
    """What the operator is told, by fault where there was only one."""
    reasons = stage_reasons(ended)
    if ended.status != 0:
        assert reasons, f"{broken}: status {ended.status} and no reason: {ended.said}"
    if len(broken) == 1 and bit:
        known = figures.told.setdefault(bit[0], [])
        known += [reason for reason in reasons if reason not in known][: max(0, 3 - len(known))]


def stage_reasons(ended: Command) -> list[str]:
    """Of what was not done or not seen: the steps' own, the run's, or the message of a command that did not begin."""
    result = ended.result
    if result is None:
        return [line for line in ended.said.splitlines() if line.startswith("error")]
    undone = [str(step["reason"]) for step in result["steps"] if step["outcome"] != "done" and step["reason"]]
    return undone + [str(problem) for problem in result["problems"]]


@contextmanager
def small_disk(stage: Stage) -> Iterator[None]:
    """The journal on a disk of its own, which can be full."""
    stage.state.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "journal", str(stage.state)])
    try:
        yield
    finally:
        run(["umount", str(stage.state)])


@dataclass
class Campaign:
    """Rounds until so many faults have bitten. Every kind comes up as often as every other."""

    seed: int
    faults: int
    at_once: int = 3
    figures: Figures = field(default_factory=Figures)

    def __post_init__(self) -> None:
        self.figures.wanted = self.faults
        self._chance = random.Random(self.seed)
        self._waiting: list[Fault] = []
        self._alone = list(FAULTS)

    def rounds(self, stage: Stage) -> Iterator[None]:
        """Yields after each; goes on where it was, should a round have failed."""
        began = time.monotonic() - self.figures.seconds
        while self.figures.total < self.faults:
            try:
                one_round(stage, self._next(), self._chance, self.figures)
            finally:
                self.figures.seconds = time.monotonic() - began
            yield

    def _next(self) -> list[Fault]:
        if self._alone:
            return [self._alone.pop()]  # first each by itself, so that it is seen what is said of it
        while len(self._waiting) < self.at_once:
            self._waiting += self._chance.sample(FAULTS, len(FAULTS))
        chosen, self._waiting = self._waiting[: self.at_once], self._waiting[self.at_once :]
        return chosen
