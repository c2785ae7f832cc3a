"""Beside a run's own loop: renews its leases, and hears what others ask of it through the journal.

A thread of its own, as the loop waits for hosts, and some take long to answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from rebalancer.errors import RunError
from rebalancer.execution.journal import Journal, RunLostError
from rebalancer.execution.journal.leases import LEASE
from rebalancer.execution.stop import StopSignal

__all__ = ["Keeper"]

LOOK = 1.0
"""Seconds between two looks whether somebody asks the run to stop."""
RENEW = LEASE / 4


class Keeper:
    """``lost`` is told, once, why the run is no longer ours."""

    def __init__(self, journal: Journal, run: int, stop: StopSignal, lost: Callable[[str], None]) -> None:
        self._journal = journal
        self._run = run
        self._stop = stop
        self._lost = lost
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"run {run}", daemon=True)

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _keep(self) -> None:
        looks = 0
        while not self._end.wait(LOOK):
            looks += 1
            try:
                self._stop.raise_to(self._journal.stop_requested(self._run))
                if looks % round(RENEW / LOOK) == 0:
                    self._journal.renew(self._run)
            except RunLostError as error:
                self._lost(str(error))
                return
            except RunError:
                # A journal that cannot be written now lets nobody else take the leases either; what is started needs
                # the journal again and is refused there.
                continue
