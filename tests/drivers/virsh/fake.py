"""A host whose virsh answers from a table: what real ones have answered, and what a broken one might."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rebalancer_virsh.pressure import PRESSURE_COMMAND

from rebalancer.cluster.units import Seconds
from rebalancer.drivers.commands import Completed, RunningCommand
from rebalancer.errors import HostError, HostUnreachable

ANSWERS = Path(__file__).with_name("answers")
ALPHA = "5ddfd0e8-1d11-464e-871f-176ac2611b91"

Answer = str | bytes | HostError | Callable[[], str]


def saved(name: str) -> bytes:
    return (ANSWERS / name).read_bytes()


@dataclass
class FakeCommand:
    """One that ends when it is told to."""

    completed: Completed | None = None
    error: HostUnreachable | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def end(self, status: int = 0, stderr: str = "") -> None:
        self.completed = Completed(b"", stderr.encode(), status)
        self.ended.set()

    def lose(self) -> None:
        self.error = HostUnreachable("h1", "the connection was lost")
        self.ended.set()

    def done(self) -> bool:
        return self.ended.is_set()

    def result(self, timeout: Seconds | None = None) -> Completed:
        assert self.ended.wait(10)
        if self.error is not None:
            raise self.error
        assert self.completed is not None
        return self.completed

    def close(self) -> None:
        pass


class FakeTransport:
    """``answers`` by command; one that begins with ``error:`` goes to the other output, as a HostError is raised."""

    host = "h1"

    def __init__(self, answers: Mapping[str, Answer], *, marks_errors: bool = True) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []
        self.started: list[tuple[str, ...]] = []
        self.command = FakeCommand()
        self.trips = 0
        self.closed = False
        self._marks_errors = marks_errors

    def run(self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: Seconds | None = None) -> Completed:
        if tuple(argv) == PRESSURE_COMMAND:
            return Completed(*self._answer("pressure"), 0)
        assert argv[:4] == ["env", "LC_ALL=C", "virsh", "-q"]
        self.trips += 1
        arguments = list(argv[argv.index("-c") + 2 :])
        lines = arguments[0].split("; ") if len(arguments) == 1 else [" ".join(arguments)]
        stdout, stderr, status = b"", b"", 0
        for line in lines:
            if line.startswith("echo --err "):
                stderr += (line.replace("echo --err ", "error: ") + "\n").encode() if self._marks_errors else b""
            elif line.startswith("echo "):
                stdout += line.removeprefix("echo ").encode()
            else:
                out, err = self._answer(line)
                status = 1 if err else 0
                stdout, stderr = stdout + out, stderr + err
        return Completed(stdout, stderr, status)

    def start(self, argv: Sequence[str]) -> RunningCommand:
        self.started.append(tuple(argv[argv.index("-c") + 2 :]))
        return self.command

    def close(self) -> None:
        self.closed = True

    def _answer(self, command: str) -> tuple[bytes, bytes]:
        self.asked.append(command)
        answer = self.answers.get(command, "error: unknown command")
        if callable(answer):
            answer = answer()
        if isinstance(answer, HostError):
            raise answer
        if isinstance(answer, str):
            answer = answer.encode()
        return (b"", answer + b"\n") if answer.startswith(b"error:") else (answer + b"\n", b"")


def host_answers() -> dict[str, Answer]:
    """What a real host with one running domain, alpha, answered."""
    return {
        "capabilities": saved("capabilities.xml"),
        "pressure": saved("pressure.txt"),
        "version": saved("version.txt"),
        "nodeinfo": saved("nodeinfo.txt"),
        "net-list --name": "default\nbr prod\n",
        "pool-list --name": "",
        "pool-list --type netfs,gluster,rbd,iscsi,iscsi-direct,sheepdog,vstorage --uuid": "",
        "nodedev-list --cap net": saved("nodedev-list.txt"),
        "nodedev-dumpxml net_eth0_4a_1b_78_fd_50_78": saved("nodedev-eth0.xml"),
        "domcapabilities --virttype kvm": saved("domcapabilities-kvm.xml"),
        "domcapabilities --virttype qemu": saved("domcapabilities-qemu.xml"),
        "list --all --uuid": f"{ALPHA}\n",
        "list --all --persistent --uuid": "",
        "list --all --with-snapshot --uuid": "",
        "list --all --with-checkpoint --uuid": "",
        f"domstats --raw --state --cpu-total --balloon --interface --block --nowait {ALPHA}": saved("domstats.txt"),
        f"dominfo {ALPHA}": saved("dominfo.txt"),
        f"dumpxml {ALPHA}": saved("domain-running.xml"),
        f"domname {ALPHA}": "alpha\n",
        f"domstate {ALPHA} --reason": "running (migrated)\n",
        f"domjobinfo {ALPHA}": "Job type:         None        \n",
        f"domjobinfo --rawstats {ALPHA}": saved("jobinfo-running-raw.txt"),
        f"migrate-getspeed {ALPHA}": "8796093022207\n",
        f"migrate-getmaxdowntime {ALPHA}": "300\n",
    }
