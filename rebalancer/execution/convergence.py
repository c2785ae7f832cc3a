"""Whether a live migration under way will ever end, judged from what its iterations leave to send. Pure.

Pre-copy ends when what is left can be sent within the allowed downtime (QEMU's rule, ``migration_iteration_run``). A
guest that writes as fast as it is sent leaves as much with every iteration as with the one before.
"""

from __future__ import annotations

from collections import deque

from rebalancer.cluster.units import BytesPerSecond, Seconds, format_bytes, format_rate
from rebalancer.drivers import Progress
from rebalancer.values import dataclass

__all__ = ["ROUNDS", "STALLED", "THROTTLED_ROUNDS", "Trend"]

ROUNDS = 3
"""Iterations in a row that leave no less than the best before them, after which none is expected to."""
THROTTLED_ROUNDS = 20
"""The same where the hypervisor slows the guest down: QEMU does so by a tenth every other iteration."""
STALLED = 60.0
"""Seconds without a byte sent after which its link is taken to be dead: twice libvirt's own keepalive."""

_LESS = 0.9
"""An iteration that leaves more than this share of the best before it has not come nearer."""
_AS_FAST = 0.95
"""A guest that writes this share of what is sent in the same time is not caught up with."""
_WINDOW = 5.0
"""Seconds over which the rate of sending is averaged."""


@dataclass(slots=True)
class _Round:
    number: int
    left: float
    """Bytes to send when it was first seen."""
    outrun: bool = False
    """The guest writes as fast as it is sent."""


class Trend:
    """``max_downtime``: what is left once must be sent within this time."""

    def __init__(self, max_downtime: Seconds) -> None:
        self._max_downtime = max_downtime
        self._rounds: list[_Round] = []
        self._needed = ROUNDS
        self._sent: deque[tuple[float, int]] = deque()
        self._moved_at: float | None = None
        self._latest = Progress()

    def see(self, now: float, progress: Progress) -> None:
        """Takes in what the driver says; the same may be said again."""
        self._latest = progress
        if progress.processed is not None and (not self._sent or progress.processed != self._sent[-1][1]):
            self._sent.append((now, progress.processed))
            self._moved_at = now
            while len(self._sent) > 2 and now - self._sent[1][0] >= _WINDOW:
                self._sent.popleft()
        if progress.iteration is None or progress.remaining is None:
            return
        if not self._rounds or progress.iteration != self._rounds[-1].number:
            self._rounds.append(_Round(progress.iteration, float(progress.remaining)))
        rate = self.rate
        if rate is not None and progress.dirty_rate is not None:
            self._rounds[-1].outrun = progress.dirty_rate >= rate * _AS_FAST

    def start_over(self, *, throttled: bool = False) -> None:
        """Something was done about it: iterations from here on are judged by themselves."""
        # The present one is half done; it counts as the pass over all memory does at the start.
        self._rounds = self._rounds[-1:]
        self._needed = THROTTLED_ROUNDS if throttled else ROUNDS

    @property
    def rate(self) -> BytesPerSecond | None:
        """What it is sent at, on average over the last seconds; None: not known yet."""
        if len(self._sent) < 2 or self._sent[-1][0] - self._sent[0][0] < 1.0:
            return None
        (began, before), (ended, after) = self._sent[0], self._sent[-1]
        return BytesPerSecond((after - before) / (ended - began))

    def hopeless(self) -> str | None:
        """Why it will not end by itself, in words; None: it may."""
        # In the first iteration all memory is sent, which says nothing of what the guest writes.
        rounds, rate = self._rounds[1:], self.rate
        if len(rounds) < 2 or rate is None or rounds[-1].left <= rate * self._max_downtime:
            return None
        if self._needed == ROUNDS and all(round_.outrun for round_ in rounds[-2:]):
            written = format_rate(self._latest.dirty_rate or 0.0)
            return f"the guest writes {written} and is sent at {format_rate(rate)}"
        best, since = rounds[0].left, 0
        for round_ in rounds[1:]:
            best, since = (round_.left, 0) if round_.left <= best * _LESS else (best, since + 1)
        if since < self._needed:
            return None
        return f"its last {since} iterations left no less to send: {format_bytes(rounds[-1].left)}"

    @property
    def bounded(self) -> bool:
        """Whether it is known to be no more than so far from its end: its iterations are told, or all is sent once."""
        latest = self._latest
        once = None not in (latest.processed, latest.total) and (latest.processed or 0) <= (latest.total or 0)
        return bool(self._rounds) or once

    @property
    def sending(self) -> bool:
        """Whether any byte has been sent."""
        return bool(self._latest.processed)

    @property
    def sent(self) -> bool:
        """Whether all has been sent, so that it only remains to be brought to its end."""
        return self.sending and self._latest.remaining == 0

    def stalled(self, now: float) -> Seconds | None:
        """For how long nothing has been sent, once that is too long."""
        if self._moved_at is None or now - self._moved_at < STALLED:
            return None
        return Seconds(now - self._moved_at)

    def until_sent(self, expected: float) -> Seconds | None:
        """Seconds that are left as it is sent now; None: not known. As long as all memory is sent for the first time,
        what will have to be sent again is not known: until then it goes by the bytes that are ``expected`` in all."""
        left, latest, rate = self.time_left(None), self._latest, self.rate
        if left is None or not rate or latest.processed is None:
            return None
        first = latest.iteration is None or latest.iteration <= 1
        return Seconds(max(left, (expected - latest.processed) / rate)) if first else left

    def time_left(self, rate: BytesPerSecond | None) -> Seconds | None:
        """Seconds that it needs from now at ``rate`` (None: at the present one); None: not known.

        The geometric series of iterations against the present dirty rate; one that does not converge counts one more
        pass over what is left.
        """
        left, sending = self._latest.remaining, rate if rate is not None else self.rate
        if left is None or not sending:
            return None
        ratio = (self._latest.dirty_rate or 0.0) / sending
        return Seconds(left / sending / (1 - ratio) if ratio < _AS_FAST else 2 * left / sending)
