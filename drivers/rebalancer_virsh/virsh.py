"""``virsh`` on one host: single commands as argument lists, and several reading commands in one round trip.

A batch is one line that virsh itself splits. It must hold no name that came from a host, only UUIDs and words of ours:
:func:`uuid_of` checks that. Before each command, virsh's ``echo`` prints a mark that nobody can guess, on both
outputs, so that one command that fails does not spoil the others.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from rebalancer.cluster.units import Seconds
from rebalancer.drivers.audit import tell
from rebalancer.drivers.commands import Completed, RunningCommand, Transport, printable
from rebalancer.errors import HostAnswerInvalid, HostError, HostUnreachable

__all__ = ["Answer", "Virsh", "answer_of", "first_error", "uuid_of"]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_WORDS = re.compile(r"[A-Za-z0-9_.,-]+( [A-Za-z0-9_.,-]+)*")
_LONGEST_LINE = 60_000
"""Characters of one batch: Linux takes 128 KiB in one argument."""
_KEEPALIVE_DRIVERS = frozenset({"qemu", "xen", "lxc", "ch", "bhyve"})
"""Drivers in a daemon, to which a connection can be kept alive; the others refuse the option."""
ANSWER = 1000
"""Characters of an answer that are kept for the record of a run."""
_NO_CONNECTION = "failed to connect to the hypervisor"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command of a batch printed. ``error`` is empty where it succeeded."""

    command: str
    output: bytes
    error: str

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace").strip("\n")


def uuid_of(text: str) -> str:
    """The UUID in the form in which it can be part of a command; raises ValueError for anything else."""
    uuid = text.strip().lower()
    if not _UUID.fullmatch(uuid):
        raise ValueError(f"{printable(text)!r} is not a UUID")
    return uuid


def first_error(stderr: bytes | str) -> str:
    """libvirt's words: all lines of an error in one, without ``error:``."""
    text = stderr.decode("utf-8", "replace") if isinstance(stderr, bytes) else stderr
    lines = [line.removeprefix("error:").strip() for line in text.splitlines()]
    return printable("; ".join(line for line in lines if line), 400)


def answer_of(completed: Completed) -> str:
    """For the record: what it printed, or why it failed."""
    if completed.exit_status == 0:
        return printable(completed.stdout, ANSWER)
    return f"status {completed.exit_status}: {first_error(completed.stderr)}"


class Virsh:
    """The client of one host. Safe for several threads."""

    def __init__(self, transport: Transport, uri: str) -> None:
        self.host = transport.host
        self.uri = uri
        self._transport = transport
        kind = uri.partition(":")[0].partition("+")[0]
        keepalive = ("-k", "5", "-K", "5") if kind in _KEEPALIVE_DRIVERS else ()
        # C.UTF-8 would be nicer to names, but not every host has it; virsh passes bytes on as they are.
        self._start = ("env", "LC_ALL=C", "virsh", "-q", *keepalive, "-c", uri)

    def run(self, *arguments: str, timeout: Seconds | None = None, told: bool = True) -> Completed:
        """One command. Raises HostUnreachable if virsh or its daemon cannot be reached, never for a mere failure.

        ``told``: for the record of a run.
        """
        try:
            completed = self._transport.run([*self._start, *arguments], timeout=timeout)
        except HostError as error:
            tell(self.host, self.shown(*arguments), f"no answer: {error.message}")
            raise
        if told:
            tell(self.host, self.shown(*arguments), answer_of(completed))
        self._require_connection(completed)
        return completed

    def start(self, *arguments: str) -> RunningCommand:
        """One command that takes its time; it has no time limit of its own."""
        tell(self.host, self.shown(*arguments), "started")
        return self._transport.start([*self._start, *arguments])

    def shown(self, *arguments: str) -> str:
        """A command for the record."""
        return shlex.join(["virsh", "-c", self.uri, *arguments])

    def batch(self, commands: Sequence[str], *, timeout: Seconds | None = None) -> list[Answer]:
        """Runs commands one after the other, whatever fails; in as few round trips as their length allows."""
        answers: list[Answer] = []
        part: list[str] = []
        size = 0
        for command in commands:
            if not _WORDS.fullmatch(command):
                raise ValueError(f"{command!r} must not be part of a batch")
            size += len(command) + 110
            if size > _LONGEST_LINE and part:
                answers += self._batch(part, timeout)
                part, size = [], len(command) + 110
            part.append(command)
        return answers + (self._batch(part, timeout) if part else [])

    def _batch(self, commands: Sequence[str], timeout: Seconds | None) -> list[Answer]:
        secret = secrets.token_hex(12)
        marks = [f"{secret}.{number}." for number in range(len(commands) + 1)]
        marked = [f"echo {mark}; echo --err {mark}" for mark in marks]
        line = "; ".join(part for pair in zip(marked, commands, strict=False) for part in pair) + f"; {marked[-1]}"
        try:
            completed = self._transport.run([*self._start, line], timeout=timeout)
            self._require_connection(completed)
        except HostError as error:
            tell(self.host, self.shown("; ".join(commands)), f"no answer: {error.message}")
            raise
        outputs = _split(completed.stdout, secret)
        errors = _split(completed.stderr, secret)
        if len(commands) not in outputs:
            self._explain(commands, outputs, completed)
        answers = [
            Answer(command, outputs[number], first_error(errors.get(number, b"")))
            for number, command in enumerate(commands)
        ]
        for answer in answers:
            tell(self.host, self.shown(*answer.command.split()), answer.error or printable(answer.text, ANSWER))
        return answers

    def _explain(self, commands: Sequence[str], outputs: dict[int, bytes], completed: Completed) -> None:
        """Some commands have no answer: virsh ended early, or it is not virsh that answered."""
        if not outputs:
            shown = printable(completed.stdout) or first_error(completed.stderr) or "nothing"
            raise HostAnswerInvalid(self.host, f"virsh answered nonsense to {commands[0]!r}: {shown}")
        last = commands[min(max(outputs), len(commands) - 1)]
        said = first_error(re.sub(rb"error: [0-9a-f]{24}\.[0-9]+\.\s", b"", completed.stderr)) or "nothing"
        raise HostUnreachable(self.host, f"virsh ended in the middle of {last!r} ({said})")

    def _require_connection(self, completed: Completed) -> None:
        if completed.exit_status == 0:
            return
        said = first_error(completed.stderr)
        if completed.exit_status == 127:
            raise HostUnreachable(self.host, f"it has no virsh: install libvirt's clients there ({said})")
        if _NO_CONNECTION in said:
            raise HostUnreachable(self.host, f"libvirt at {self.uri} does not answer ({said})")


def _split(output: bytes, secret: str) -> dict[int, bytes]:
    """What follows each mark, by its number; what comes before the first one is nobody's."""
    parts = re.split(rb"(?:error: )?" + secret.encode() + rb"\.([0-9]{1,9})\.\n?", output)
    return {int(number): text for number, text in zip(parts[1::2], parts[2::2], strict=True)}
