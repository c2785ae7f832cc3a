"""One simulated migration: pre-copy in rounds as QEMU does it, switchover, post-copy.

A round sends what is left at the present rate while the guest goes on writing; what it wrote is the next round. When
what is left fits into the allowed downtime, the guest stops and the rest goes unthrottled, as QEMU lifts its own
limit then (``migration_completion``). A guest that writes at least as fast as it is sent never gets there.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import StrEnum

from rebalancer.cluster import DomainState

__all__ = ["FINISH", "SETUP", "Phase", "Transfer"]

SETUP = 1.0
"""Seconds from the call to the first byte: the destination's process starts."""
FINISH = 0.5
"""Seconds from the last byte to the end of the call: the source's process goes, definitions are stored."""
SWITCH = 0.02
"""Seconds that a switchover takes besides sending what is left."""
PAGE = 4096
FOREVER = float("inf")


class Phase(StrEnum):
    SETUP = "setup"
    COPY = "copy"
    SWITCHOVER = "switchover"
    POST_COPY = "post-copy"
    FINISH = "finish"
    ENDED = "ended"


SENDING = (Phase.COPY, Phase.SWITCHOVER, Phase.POST_COPY)


@dataclass(kw_only=True)
class Transfer:
    """The state of a migration; bytes, bytes per second, seconds of the world's clock."""

    number: int
    """Counts from 1, in the order of being started."""
    uuid: str
    source: str
    destination: str
    name: str
    """Its name on the destination."""
    memory: float
    dirty_rate: float
    max_downtime: float
    cap: float
    path: tuple[Hashable, ...] = ()
    """What it shares with others: directed links, or its hosts' adapters."""
    started: float
    state_before: DomainState
    auto_converge: bool = False
    post_copy_allowed: bool = False
    breaks_at: float = FOREVER
    """Bytes sent at which it breaks."""
    hangs: bool = False
    doubles: bool = False
    late: float = 0.0
    """Seconds after its end that its destination starts the domain, where it ``doubles``."""
    break_message: str = ""
    suspended: bool = False
    """The guest stands still at its source, by ``live: false`` or by :meth:`suspend`."""

    phase: Phase = Phase.SETUP
    left: float = SETUP
    """Bytes still to be sent in this round, or seconds in a phase that only takes time."""
    sent: float = 0.0
    dirtied: float = 0.0
    round_sent: float = 0.0
    round: int = 0
    throttle: float = 0.0
    """Share of its time that auto-converge takes from the guest."""
    downtime: float = 0.0
    ended: float | None = None
    error: str | None = None
    silent_since: float | None = None
    hung: bool = False
    _busy_rounds: int = field(default=0, repr=False)

    @property
    def done(self) -> bool:
        return self.phase is Phase.ENDED

    @property
    def writing(self) -> float:
        """Bytes per second that the guest writes now."""
        return 0.0 if self.suspended or self.phase is not Phase.COPY else self.dirty_rate * (1 - self.throttle)

    @property
    def ceiling(self) -> float:
        """The rate that it would take if nobody else sent."""
        if self.phase not in SENDING or self.hung:
            return 0.0
        return FOREVER if self.phase is Phase.SWITCHOVER else self.cap

    @property
    def remaining(self) -> float:
        """Bytes known to be still to send."""
        if self.phase is Phase.SETUP:
            return self.memory
        return self.left + self.dirtied if self.phase in SENDING else 0.0

    def time_left(self, rate: float) -> float:
        """Seconds until :meth:`turn` is due, sending at ``rate``."""
        if self.hung:
            return FOREVER
        if self.phase not in SENDING:
            return self.left
        return min(self.left, max(self.breaks_at - self.sent, 0.0)) / rate if rate > 0 else FOREVER

    def elapse(self, seconds: float, rate: float) -> None:
        """Lets time go by that holds no event but perhaps at its end."""
        if self.phase not in SENDING:
            self.left = max(self.left - seconds, 0.0)
            return
        moved = min(rate * seconds, self.left)
        self.left -= moved
        self.sent += moved
        self.round_sent += moved
        self.dirtied = min(self.dirtied + self.writing * seconds, self.memory)
        if self.suspended or self.phase is Phase.SWITCHOVER:
            self.downtime += seconds

    def turn(self, now: float, rate: float) -> None:
        """What happens when a phase or round is over; ``rate`` is what it was sent with."""
        if self.phase in (Phase.COPY, Phase.SWITCHOVER) and self.sent >= self.breaks_at - 1:
            self._break(now)
        elif self.phase is Phase.SETUP:
            self.phase, self.left = Phase.COPY, self.memory
            if self.breaks_at <= 0:
                self._break(now)
        elif self.phase is Phase.COPY:
            self._next_round(rate)
        elif self.phase in (Phase.SWITCHOVER, Phase.POST_COPY):
            self.downtime += SWITCH if self.phase is Phase.SWITCHOVER else 0.0
            self.phase, self.left = Phase.FINISH, FINISH
        elif self.phase is Phase.FINISH:
            self.phase, self.ended = Phase.ENDED, now

    def fits_downtime(self, rate: float) -> bool:
        """Whether what is left can be sent while the guest stands still."""
        return self.left <= max(rate * self.max_downtime, PAGE)

    def switch_over(self) -> None:
        self.phase = Phase.SWITCHOVER

    def fail(self, now: float, message: str) -> None:
        self.phase, self.ended, self.error, self.hung = Phase.ENDED, now, message, False

    def suspend(self) -> None:
        self.suspended = True

    def start_post_copy(self) -> None:
        """The guest goes on at the destination at once; what is left follows."""
        self.phase, self.left, self.dirtied = Phase.POST_COPY, self.left + self.dirtied, 0.0
        self.downtime += SWITCH
        self.suspended = False

    def _break(self, now: float) -> None:
        if self.hangs:
            self.hung = True
        else:
            self.fail(now, self.break_message)

    def _next_round(self, rate: float) -> None:
        self._converge()
        self.left, self.dirtied, self.round_sent = self.dirtied, 0.0, 0.0
        self.round += 1
        if self.fits_downtime(rate):
            self.switch_over()

    def _converge(self) -> None:
        """QEMU's rule: written more than half of what was sent, twice: 20 %, then 10 % more each time."""
        if not self.auto_converge or self.dirtied <= self.round_sent / 2:
            return
        self._busy_rounds += 1
        if self._busy_rounds >= 2:
            self._busy_rounds = 0
            self.throttle = min(self.throttle + 0.1, 0.99) if self.throttle else 0.2
