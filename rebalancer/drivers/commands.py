"""Commands on a host: always a list of arguments, never a line for a shell.

In: argument lists. Out: :class:`Completed`, with a bounded amount of output, within a bounded time. A
:class:`Transport` is where the commands run: :class:`LocalTransport` here,
:class:`~rebalancer.drivers.ssh.SshTransport` on another machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Protocol

from rebalancer.cluster.units import Bytes, Seconds
from rebalancer.errors import HostAnswerInvalid, HostUnreachable
from rebalancer.values import dataclass

__all__ = [
    "COMMAND_TIMEOUT",
    "OUTPUT_LIMIT",
    "Completed",
    "LocalTransport",
    "RunningCommand",
    "Transport",
    "printable",
]

COMMAND_TIMEOUT = Seconds(60.0)
OUTPUT_LIMIT = Bytes(64 * 2**20)
"""A host that answers more than this is not understood rather than believed until memory is full."""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended. ``exit_status`` is negative where a signal ended it."""

    stdout: bytes
    stderr: bytes
    exit_status: int


class RunningCommand(Protocol):
    """A command that was started: a job to look at. None of its methods but ``result`` waits."""

    def done(self) -> bool: ...

    def result(self, timeout: Seconds | None = None) -> Completed:
        """Waits at most ``timeout`` for the end; raises HostUnreachable or HostAnswerInvalid."""

    def close(self) -> None:
        """Stops listening to it; whether it goes on on its host is not known."""


class Transport(Protocol):
    """Runs commands on one host. Safe for several threads."""

    host: str

    def run(self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: Seconds | None = None) -> Completed:
        """Runs a command to its end; raises HostUnreachable or HostAnswerInvalid, never for its exit status."""

    def start(self, argv: Sequence[str]) -> RunningCommand:
        """Starts a command and returns at once; it has no time limit of its own."""

    def close(self) -> None: ...


def printable(text: bytes | str, limit: int = 80) -> str:
    """The beginning of what a host answered, on one line, fit for a message."""
    if isinstance(text, bytes):
        text = text[: 4 * limit].decode("utf-8", "replace")
    shown = "".join(char if char.isprintable() else " " for char in text[: 4 * limit])
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def describe(argv: Sequence[str]) -> str:
    """A command's name for messages, e.g. ``virsh capabilities``."""
    return printable(" ".join(argv))


class LocalTransport:
    """Runs commands on the machine that the tool runs on, without a shell."""

    def __init__(self, host: str, *, timeout: Seconds = COMMAND_TIMEOUT, output_limit: Bytes = OUTPUT_LIMIT) -> None:
        self.host = host
        self._timeout = timeout
        self._output_limit = output_limit

    def run(self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: Seconds | None = None) -> Completed:
        command = _LocalCommand(self.host, argv, stdin, self._output_limit)
        try:
            return command.result(self._timeout if timeout is None else timeout)
        finally:
            command.kill()

    def start(self, argv: Sequence[str]) -> RunningCommand:
        return _LocalCommand(self.host, argv, None, self._output_limit)

    def close(self) -> None:
        """Nothing is kept open."""


class _LocalCommand:
    """A child process; a thread for each of its pipes, so that it never waits for us."""

    def __init__(self, host: str, argv: Sequence[str], given: bytes | None, limit: Bytes) -> None:
        self._host = host
        self._name = describe(argv)
        self._limit = limit
        self._too_much = False
        self._output: tuple[list[bytes], list[bytes]] = ([], [])
        try:
            # A session of its own: Ctrl-C stops the tool, which then decides, and not what it started.
            self._process = subprocess.Popen(  # noqa: S603 - an argument list, no shell
                list(argv),
                stdin=subprocess.PIPE if given is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            # What a shell answers on a remote host: both cases are then one for the caller.
            raise HostUnreachable(host, f"there is no command {printable(argv[0])!r} on it") from error
        except (OSError, ValueError) as error:
            raise HostUnreachable(host, f"cannot start {self._name!r}: {error}") from error
        pipes = (self._process.stdout, self._process.stderr)
        self._threads = [
            threading.Thread(target=self._read, args=(pipe, chunks), daemon=True)
            for pipe, chunks in zip(pipes, self._output, strict=True)
            if pipe is not None
        ]
        if given is not None:
            self._threads.append(threading.Thread(target=self._write, args=(given,), daemon=True))
        for thread in self._threads:
            thread.start()

    def done(self) -> bool:
        return self._process.poll() is not None and not any(thread.is_alive() for thread in self._threads)

    def result(self, timeout: Seconds | None = None) -> Completed:
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise HostUnreachable(self._host, f"{self._name!r} did not end within {timeout:g} s") from error
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.1, deadline - time.monotonic()))
        if self._too_much:
            raise HostAnswerInvalid(self._host, f"{self._name!r} answered more than {self._limit} bytes")
        if any(thread.is_alive() for thread in self._threads):
            raise HostUnreachable(self._host, f"{self._name!r} left its output open beyond {timeout} s")
        return Completed(b"".join(self._output[0]), b"".join(self._output[1]), self._process.returncode)

    def close(self) -> None:
        """The process goes on: what it asked for is not undone by no longer listening."""

    def kill(self) -> None:
        """Ends the process, if it still runs, and what it started; closes the pipes."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for thread in self._threads:
            thread.join(1.0)

    def _read(self, pipe: IO[bytes], chunks: list[bytes]) -> None:
        size = 0
        with pipe, suppress(OSError, ValueError):
            while chunk := pipe.read1(2**16):  # type: ignore[attr-defined]
                size += len(chunk)
                if size > self._limit:
                    self._too_much = True
                    self._process.kill()
                    return
                chunks.append(chunk)

    def _write(self, given: bytes) -> None:
        if self._process.stdin is not None:
            with suppress(OSError), self._process.stdin as pipe:
                pipe.write(given)
