"""How a domain writes to its memory: a hot set that it rewrites again and again, and the rest."""

from __future__ import annotations

from typing import NamedTuple

from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.values import dataclass

__all__ = ["Window", "Writes", "fit_writes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """In any ``t`` seconds it writes ``hot * min(1, t / period) + cold * t`` distinct bytes.

    Writable working sets as in Clark et al., NSDI'05, section 3: pages that are written so often that it does not pay
    to send them before the end, and pages that change slowly.
    """

    hot: Bytes = Bytes(0)
    """The bytes of the hot set."""
    period: Seconds = Seconds(1.0)
    """How long it takes to rewrite all of it."""
    cold: BytesPerSecond = BytesPerSecond(0.0)

    def within(self, seconds: float) -> float:
        """Distinct bytes written.

        >>> Writes(hot=Bytes(96), period=Seconds(2.0), cold=BytesPerSecond(3.0)).within(4.0)
        108.0
        """
        return self.hot * min(1.0, seconds / self.period) + self.cold * seconds


class Window(NamedTuple):
    """A measurement: distinct bytes written in so many seconds, as bytes per second."""

    seconds: float
    rate: float


def fit_writes(short: Window, long: Window) -> Writes:
    """What explains both measurements: what was written in the short window already, is hot.

    A hot set that is rewritten faster than the short window lasts looks like one that takes just as long.

    >>> fit_writes(Window(1.0, 32.0), Window(5.0, 8.0))
    Writes(hot=30, period=1.0, cold=2.0)
    """
    first, second = short.seconds * short.rate, long.seconds * long.rate
    cold = max(second - first, 0.0) / (long.seconds - short.seconds)
    hot = first - cold * short.seconds
    if hot <= 0:
        # As fast in the long window as in the short one: nothing is written twice.
        return Writes(cold=BytesPerSecond(max(short.rate, long.rate)))
    return Writes(hot=Bytes(round(hot)), period=Seconds(short.seconds), cold=BytesPerSecond(cold))
