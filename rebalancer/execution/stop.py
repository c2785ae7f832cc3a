"""Asking a run to stop: once, it finishes what runs; twice, it cancels what runs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopSignal", "stop_on_signals"]


class StopSignal:
    """Requests are only counted, so that any thread and any signal handler may make one."""

    def __init__(self) -> None:
        self._requests = 0

    def request(self) -> None:
        self._requests += 1

    def raise_to(self, requests: int) -> None:
        """As if at least so many had been made."""
        self._requests = max(self._requests, requests)

    @property
    def requested(self) -> bool:
        """Start nothing more."""
        return self._requests >= 1

    @property
    def cancelled(self) -> bool:
        """Cancel what runs, too."""
        return self._requests >= 2


@contextmanager
def stop_on_signals(stop: StopSignal | None = None) -> Iterator[StopSignal]:
    """Ctrl-C and SIGTERM become requests to stop inside the block. For the main thread only."""
    asked = stop or StopSignal()

    def handle(_number: int, _frame: FrameType | None) -> None:
        asked.request()

    # A terminal that goes away (SIGHUP) must not leave migrations alone, unless somebody said that it does not matter.
    wanted = [signal.SIGINT, signal.SIGTERM]
    wanted += [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []
    before = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
