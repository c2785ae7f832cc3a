"""The stage of all campaigns: guests on four real hosts, two arrangements of them, and runs from one to the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from rebalancer.execution import Journal, RunState

from ..cluster import Lab
from ..guest import Guest, assert_never_reset
from ..host import LabHost
from ..shell import LabError

GUESTS: Final = 12
MEMORY: Final = 64
WORKING_SET: Final = 16
"""MiB of each guest that hold something: some seconds of copying within the cap of the links."""
CAP: Final = "100 Mbit/s"
TIMEOUT: Final = 300.0
"""Seconds for one command."""


@dataclass(frozen=True)
class Command:
    """How one command of the command line ended; `status` is negative where a signal ended it."""

    status: int
    said: str

    @property
    def result(self) -> dict[str, Any] | None:
        """Of a run with `--format json`; None: it printed none."""
        start, end = self.said.find("{\n"), self.said.rfind("}")
        return json.loads(self.said[start : end + 1]) if 0 <= start < end else None


@dataclass
class Stage:
    """`Stage(lab, directory).set_up()`; each `target()` is the arrangement that the guests are not in."""

    lab: Lab
    directory: Path
    count: int = GUESTS
    guests: list[Guest] = field(default_factory=list)
    shifted: bool = False
    """Which of the two arrangements they are in."""
    may_restart: Counter[str] = field(default_factory=Counter)
    """Guests that were switched off, and how often."""
    _sent: Counter[str] = field(default_factory=Counter)
    _gone: Counter[str] = field(default_factory=Counter)
    """`migrations()` and `departures()` when the last run was started."""

    def set_up(self) -> Stage:
        self.directory.mkdir(parents=True, exist_ok=True)
        capacity = {host.name: {"memory": "4 GiB"} for host in self.lab.hosts}
        self.inventory = self.lab.write_inventory(
            self.directory / "inventory.yaml", link_capacity="1 Gbit/s", capacity=capacity
        )
        for number in range(self.count):
            host = self.lab[self.place(number, shifted=False)]
            self.guests.append(
                self.lab.start_guest(host, f"g{number}", MEMORY, dirty_mib_per_s=0.5, working_set_mib=WORKING_SET)
            )
        for shifted in (False, True):
            self._policy(shifted=shifted).write_text(self._rules(shifted=shifted))
        return self

    @property
    def state(self) -> Path:
        """Where the journal is."""
        return self.directory / "state"

    # The command line

    def apply(self, *arguments: str | Path, mortal: Sequence[str | Path] = ()) -> subprocess.Popen[str]:
        """Starts a run to the other arrangement."""
        self._sent, self._gone = self.migrations(), self.departures()
        policy = self._policy(shifted=not self.shifted)
        return self.start("apply", "-p", policy, "--yes", *arguments, mortal=mortal)

    def start(self, command: str, *arguments: str | Path, mortal: Sequence[str | Path] = ()) -> subprocess.Popen[str]:
        module = ["tests.lab.campaigns.mortal", *mortal] if mortal else ["rebalancer"]
        log = (self.directory / "said").open("w+")
        process = subprocess.Popen(
            [sys.executable, "-m", *module, command, "-i", self.inventory, *arguments],
            cwd=Path(__file__).parents[3],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("REBALANCE")},
                "XDG_STATE_HOME": str(self.state),
                "NO_COLOR": "1",
                "COLUMNS": "160",
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        log.close()
        return process

    def finish(self, process: subprocess.Popen[str], timeout: float = TIMEOUT) -> Command:
        try:
            status = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        said = (self.directory / "said").read_text()
        assert "Traceback" not in said, said
        return Command(status, said)

    def resume(self) -> Command:
        return self.finish(self.start("resume"))

    def forget(self) -> None:
        """A new journal; the last run is complete or is not gone on with."""
        for path in (self.state / "rebalancer").glob("*"):
            path.unlink()

    def has_open_run(self) -> bool:
        """Whether the journal has a run that is not complete."""
        journal = self.state / "rebalancer/journal.sqlite"
        if not journal.exists():
            return False
        with Journal(journal) as opened:
            return any(run.state is not RunState.COMPLETE for run in opened.list_runs())

    # What must hold

    def check(self, arrived: bool = True, *, held: bool = False) -> int:
        """Every guest runs exactly once and has never been reset; with `arrived`, where the run was to take it, and
        nothing is left of it anywhere else. Without, remains may stand still beside it, or a definition, which a run
        that is resumed removes. With `held`, it may stand still alone: QEMU may hold it until its last bytes have
        found their way over a link that has just been mended, or a run that is resumed lets it go on. Returns how many
        do so.
        """
        if arrived:
            self.shifted = not self.shifted
        standing = 0
        found: dict[str, dict[str, str]] = {guest.uuid: {} for guest in self.guests}
        for host in self.lab.hosts:
            for domain in host.domains():
                found[domain.uuid][host.name] = domain.state
        for number, guest in enumerate(self.guests):
            places = found[guest.uuid]
            states = sorted(places.values(), reverse=True)
            remains = [state for state in states if state != "running"]
            if held and states == ["paused"]:
                standing += 1
                continue
            assert states.count("running") == 1, (guest.name, places)
            assert not remains or (remains in (["paused"], ["shut off"]) and not arrived), (guest.name, places)
            assert not arrived or list(places) == [self.place(number, shifted=self.shifted)], (guest.name, places)
            assert guest.is_counting(timeout=60), f"{guest.name} does not count"
            self._assert_never_reset(guest)
        return standing

    def migrations(self) -> Counter[str]:
        """How often the hosts say that they began to send each guest, since they came up."""
        return self._logged("initiating migration")

    def departures(self) -> Counter[str]:
        """How often the hosts say that a guest has gone to another host."""
        return self._logged("shutting down, reason=migrated")

    def moving(self) -> list[Guest]:
        """Guests that the run has begun to move and that have not gone yet."""
        sent, gone = self.migrations() - self._sent, self.departures() - self._gone
        return [guest for guest in self.guests if sent[guest.name] and not gone[guest.name]]

    def ends(self, guests: Sequence[Guest]) -> list[LabHost]:
        """The hosts that guests go from or to."""
        numbers = [number for number, guest in enumerate(self.guests) if guest in guests]
        names = {self.place(number, shifted=shifted) for number in numbers for shifted in (False, True)}
        return [host for host in self.lab.hosts if host.name in names]

    def start_again(self, guest: Guest) -> None:
        """Where it was switched off, unless it runs or arrives somewhere."""
        found = {
            host: domain.state for host in self.lab.hosts for domain in host.domains() if domain.uuid == guest.uuid
        }
        if set(found.values()) == {"shut off"}:
            for host in found:
                with suppress(LabError):
                    host.virsh("start", guest.uuid)
                    return

    def place(self, number: int, *, shifted: bool) -> str:
        return f"h{(number + shifted) % len(self.lab.hosts) + 1}"

    # Inside

    def _logged(self, words: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for host in self.lab.hosts:
            for guest in self.guests:
                log = host.directory / "var/log/libvirt/qemu" / f"{guest.name}.log"
                if log.exists():
                    found[guest.name] += log.read_text(errors="replace").count(words)
        return found

    def _assert_never_reset(self, guest: Guest) -> None:
        """But for the times that it was switched off."""
        counters = guest.counters()
        starts = [index for index, number in enumerate(counters) if number == 1 and index]
        assert len(starts) <= self.may_restart[guest.name], f"{guest.name} was reset"
        for start, end in pairwise([0, *starts, len(counters)]):
            assert_never_reset(counters[start:end])

    def _policy(self, *, shifted: bool) -> Path:
        return self.directory / f"{'there' if shifted else 'back'}.yaml"

    def _rules(self, *, shifted: bool) -> str:
        pins = "".join(
            f"  - pin: {{select: \"name == 'g{number}'\", hosts: [{self.place(number, shifted=shifted)}]}}\n"
            for number in range(self.count)
        )
        return (
            f"apiVersion: rebalancer/v1\nkind: Policy\nmetadata: {{name: campaign}}\nrules:\n{pins}"
            f'links:\n  - {{select: "true", most: {CAP}}}\n'
        )
