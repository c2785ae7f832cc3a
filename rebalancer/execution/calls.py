"""Asking or telling somebody outside: a command with JSON on its standard input, or JSON posted to a URL.

Both are bounded in time and in what they may answer. A command is an argument list and gets no shell.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Thread
from typing import Protocol
from urllib.parse import urlsplit

from rebalancer.cluster.text import printable
from rebalancer.cluster.units import Bytes, Seconds
from rebalancer.drivers.commands import LocalTransport
from rebalancer.errors import HostError
from rebalancer.inventory.safeguards import Call
from rebalancer.values import dataclass

__all__ = ["Answer", "Caller", "Pending", "call_now", "in_background"]

MOST = Bytes(64 * 2**10)
"""What an answer may be long."""
GRACE = 2.0
"""Seconds beyond its own time limit that a call has to come back: a server may send a byte now and then."""
SHOWN = 300
"""Characters of an answer that get into messages."""


@dataclass(frozen=True, slots=True)
class Answer:
    consents: bool
    text: str = ""
    """What was said, on one line; why not, where it does not consent."""


class Pending:
    """A call that has been made; asked again and again whether there is an answer.

    Its time is real time, whatever clock the hosts have: who is asked lives outside of their world.
    """

    def __init__(self, call: Call, future: Future[Answer]) -> None:
        self._call = call
        self._future = future
        self._until = time.monotonic() + call.timeout + GRACE

    def answer(self) -> Answer | None:
        """None: not yet. Silence is an answer once it has lasted."""
        if self._future.done():
            return self._future.result()
        if time.monotonic() < self._until:
            return None
        return Answer(consents=False, text=f"no answer within {self._call.timeout:g} s")


class Caller(Protocol):
    """Makes a call somewhere else and returns at once; the future has an :class:`Answer` and no error."""

    def __call__(self, call: Call, message: Mapping[str, object]) -> Future[Answer]: ...


def in_background(call: Call, message: Mapping[str, object]) -> Future[Answer]:
    """A thread for each call: one that hangs keeps nobody waiting beyond its own time."""
    future: Future[Answer] = Future()
    Thread(target=lambda: future.set_result(call_now(call, message)), name=f"call {call.name}", daemon=True).start()
    return future


def call_now(call: Call, message: Mapping[str, object]) -> Answer:
    """Waits for the answer, for as long as the call may take. Never raises."""
    data = json.dumps(message, ensure_ascii=False, sort_keys=True, default=str).encode()
    try:
        return _post(call, data) if call.url else _run(call, data)
    except TimeoutError:
        return Answer(consents=False, text=f"no answer within {call.timeout:g} s")
    except (OSError, ValueError, http.client.HTTPException, HostError) as error:
        return Answer(consents=False, text=printable(str(error) or repr(error), SHOWN))


def _run(call: Call, data: bytes) -> Answer:
    completed = LocalTransport(call.name, output_limit=MOST).run(call.command, stdin=data, timeout=call.timeout)
    said = _shown(completed.stdout) or _shown(completed.stderr)
    if completed.exit_status == 0:
        return Answer(consents=True, text=said)
    return Answer(consents=False, text=said or f"{call.name} ended with status {completed.exit_status}")


def _post(call: Call, data: bytes) -> Answer:
    parts = urlsplit(call.url)
    kind: Callable[..., http.client.HTTPConnection] = (
        http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    )
    connection = kind(parts.hostname, parts.port, timeout=_whole(call.timeout))
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body=data, headers={"Content-Type": "application/json"})
        response = connection.getresponse()
        said = _shown(response.read(MOST))
        if 200 <= response.status < 300:
            return Answer(consents=True, text=said)
        return Answer(consents=False, text=said or f"{call.url} answered {response.status} {response.reason}")
    finally:
        connection.close()


def _whole(timeout: Seconds) -> float:
    return max(float(timeout), 0.001)


def _shown(output: bytes) -> str:
    lines = [line for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    return printable(lines[0], SHOWN) if lines else ""
