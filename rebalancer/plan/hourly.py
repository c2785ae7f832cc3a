"""How many migrations may start in any hour (``limits: {per_hour: …}``), those of other runs counted."""

from __future__ import annotations

from collections.abc import Iterable

from rebalancer.cluster.units import Seconds

__all__ = ["HOUR", "HourlyStarts", "last_start"]

HOUR = Seconds(3600.0)


class HourlyStarts:
    """Mutable. ``lately``: how long before the plan's start others have started, in seconds."""

    def __init__(self, per_hour: int | None, lately: Iterable[float] = ()) -> None:
        self._most = per_hour
        self._starts = sorted(-ago for ago in lately)

    def opens(self, time: float) -> float:
        """When the next may start, not before this time."""
        if self._most is None or len(self._starts) < self._most:
            return time
        return max(time, self._starts[-self._most] + HOUR)

    def start(self, time: float) -> None:
        """No earlier than any other so far."""
        self._starts.append(time)

    def take_back(self) -> None:
        """The last one was not started after all."""
        self._starts.pop()


def last_start(number: int, per_hour: int | None, lately: Iterable[float] = ()) -> float:
    """The earliest time at which the last of so many can start.

    >>> last_start(5, 2, lately=[600.0])
    6600.0
    """
    starts, time = HourlyStarts(per_hour, lately), 0.0
    for _ in range(number):
        time = starts.opens(time)
        starts.start(time)
    return time
