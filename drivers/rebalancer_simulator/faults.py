"""What goes wrong in a simulated world, and when: hosts that do not answer, migrations that break, cut links."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Breakdown", "Cut", "Faults", "Outage", "OutageKind"]

FOREVER = float("inf")


class OutageKind(StrEnum):
    UNREACHABLE = "unreachable"
    """We cannot reach the host; its migrations go on without us."""
    GARBAGE = "garbage"
    """The host answers what cannot be understood."""
    DAEMON = "daemon"
    """The host's daemon dies: it does not answer, and migrations from and to it break."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A host misbehaves from ``since`` to ``until`` (seconds of the world's clock)."""

    host: str
    kind: OutageKind = OutageKind.UNREACHABLE
    since: float = 0.0
    until: float = FOREVER

    def active(self, now: float) -> bool:
        return self.since <= now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The ``nth`` migration of the world (from 1) breaks when ``fraction`` of its memory has been sent.

    With ``hangs`` it does not end but stands still for ever, deaf to being cancelled. With ``doubles`` its destination
    starts the domain all the same, as libvirt's does whose daemon stood still for longer than its peer waited for it:
    ``late`` seconds after the source has taken it back, in which it does not answer.
    """

    nth: int
    fraction: float = 0.5
    hangs: bool = False
    doubles: bool = False
    late: float = 0.0
    message: str = "operation failed: migration out job: unexpectedly failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A link carries nothing from ``since`` to ``until``."""

    link: str
    since: float = 0.0
    until: float = FOREVER

    def active(self, now: float) -> bool:
        return self.since <= now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    outages: tuple[Outage, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    cuts: tuple[Cut, ...] = ()
    keeps_definition: frozenset[int] = frozenset()
    """Migrations of the world (from 1) whose source goes on listing the domain as shut off."""

    def outage(self, host: str, now: float) -> OutageKind | None:
        """What is wrong with a host now."""
        return next((o.kind for o in self.outages if o.host == host and o.active(now)), None)

    def breakdown(self, nth: int) -> Breakdown | None:
        return next((b for b in self.breakdowns if b.nth == nth), None)

    def cut(self, now: float) -> frozenset[str]:
        """The names of the links that are cut now."""
        return frozenset(cut.link for cut in self.cuts if cut.active(now))

    def daemon_dead(self, now: float) -> frozenset[str]:
        return frozenset(o.host for o in self.outages if o.kind is OutageKind.DAEMON and o.active(now))

    def next_change(self, now: float) -> float:
        """When any fault next begins or ends; infinity: never."""
        faults: tuple[Outage | Cut, ...] = (*self.outages, *self.cuts)
        times = [time for fault in faults for time in (fault.since, fault.until)]
        return min((time for time in times if time > now), default=FOREVER)
