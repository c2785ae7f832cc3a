"""Steps whose host was out of reach for a moment, so that nothing was begun: tried again, but not for ever."""

from __future__ import annotations

from collections import Counter

from rebalancer.drivers import Clock

__all__ = ["MOST", "Retries"]

MOST = 5
"""Times that one step is tried again."""
FIRST_DELAY = 1.0
"""Seconds; each further one is twice as long: half a minute in all."""


class Retries:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tried: Counter[str] = Counter()
        self._at: dict[str, float] = {}

    @property
    def waiting(self) -> bool:
        return bool(self._at)

    def postpone(self, step: str) -> float | None:
        """Seconds until the step may be tried again; None: it was tried often enough."""
        if self._tried[step] >= MOST:
            return None
        delay = FIRST_DELAY * 2.0 ** self._tried[step]
        self._tried[step] += 1
        self._at[step] = self._clock.now() + delay
        return delay

    def due(self) -> bool:
        """Whether the time has come for one; it does not wait any longer then."""
        now = self._clock.now()
        due = [step for step, at in self._at.items() if at <= now]
        for step in due:
            del self._at[step]
        return bool(due)

    def hindrance(self, step: str) -> str | None:
        """Why it cannot start now."""
        return "its host was out of reach, and it is tried again later" if step in self._at else None
