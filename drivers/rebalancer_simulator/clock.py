"""The time of a simulated world: virtual in tests, real but faster for people."""

from __future__ import annotations

import time

from rebalancer.cluster.units import Seconds

__all__ = ["ScaledClock", "VirtualClock"]


class VirtualClock:
    """Sleeping takes no time at all; nothing depends on the machine."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def now(self) -> Seconds:
        return Seconds(self._now)

    def sleep(self, duration: Seconds) -> None:
        self._now += max(duration, 0.0)


class ScaledClock:
    """Real time, ``speed`` times as fast; starts at 0."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._base = 0.0
        self._since = time.monotonic()

    def now(self) -> Seconds:
        return Seconds(self._base + (time.monotonic() - self._since) * self.speed)

    def sleep(self, duration: Seconds) -> None:
        time.sleep(max(duration, 0.0) / self.speed)

    def change_speed(self, speed: float) -> None:
        """From now on; time never jumps."""
        self._base = self.now()
        self._since = time.monotonic()
        self.speed = speed
