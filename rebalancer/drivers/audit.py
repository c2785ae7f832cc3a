"""What drivers ask of hosts and what these answer, for whoever keeps a record.

A driver tells each command with :func:`tell`; a run listens with :func:`overheard`. Nothing is kept where nobody
listens. What is told must hold no secrets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Listener", "overheard", "tell"]

Listener = Callable[[str, str, str], None]
"""(host, command, answer)"""

_listeners: list[Listener] = []
_lock = threading.Lock()


def tell(host: str, command: str, answer: str) -> None:
    """From any thread; returns at once."""
    with _lock:
        listening = tuple(_listeners)
    for listener in listening:
        listener(host, command, answer)


@contextmanager
def overheard(listener: Listener) -> Iterator[None]:
    """The listener hears everything inside the block; it must return at once and raise nothing."""
    with _lock:
        _listeners.append(listener)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)
