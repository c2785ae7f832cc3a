"""Times that come again and again: ``{cron: "0 22 * * 6", duration: 4 h, zone: Europe/Berlin}``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from rebalancer.cluster.units import Seconds, format_duration
from rebalancer.documents import DurationField, Model
from rebalancer.values import dataclass

__all__ = ["Opening", "WindowEntry", "opening", "time_of"]

_LONGEST = 366 * 86400.0


def _cron(text: str) -> str:
    from cronsim import CronSim, CronSimError

    if len(text.split()) != 5:
        raise ValueError("must have five parts: minute, hour, day of the month, month, day of the week ('0 22 * * 6')")
    try:
        next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(f"is no time: {str(error)[:1].lower()}{str(error)[1:]}; write e.g. '0 22 * * 6'") from error
    except StopIteration:
        raise ValueError("is a time that never comes") from None
    return text


def _duration(value: Seconds) -> Seconds:
    if not 60 <= value <= _LONGEST:
        raise ValueError("must be between 1 minute and 366 days")
    return value


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"'{text}' is no time zone that is known here; write e.g. Europe/Berlin or UTC") from None
    return text


class WindowEntry(Model):
    """A time that comes again and again."""

    cron: Annotated[str, AfterValidator(_cron)]
    """When it begins, as cron has it: minute, hour, day of the month, month, day of the week: ``0 22 * * 6``."""
    duration: Annotated[DurationField, AfterValidator(_duration)]
    """How long it stays open: ``4 h``."""
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """The time zone of ``cron``, e.g. ``Europe/Berlin``."""

    def _starts(self, after: datetime) -> Iterator[datetime]:
        from cronsim import CronSim

        return iter(CronSim(self.cron, after.astimezone(ZoneInfo(self.zone))))

    def last_end(self, now: datetime) -> datetime | None:
        """When the window closes that is open now; None: none is."""
        length = timedelta(seconds=self.duration)
        # A minute more: it yields what comes after the time that it is given.
        begun = takewhile(lambda start: start <= now, self._starts(now - length - timedelta(minutes=1)))
        ends = [start + length for start in begun if start + length > now]
        return max(ends, default=None)

    def next_start(self, now: datetime) -> datetime | None:
        return next(self._starts(now), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Whether some windows are open at a moment: until when, or when the next one opens."""

    until: datetime | None
    next: datetime | None

    @property
    def is_open(self) -> bool:
        return self.until is not None

    def words(self, now: datetime) -> str:
        """``open until 2026-11-29 02:00 CET (for 2 h 10 min)``, ``closed until 2026-11-28 22:00 CET (for 3 d)``"""
        time = self.until or self.next
        if time is None:
            return "closed for good"
        left = format_duration((time - now).total_seconds())
        return f"{'open' if self.is_open else 'closed'} until {time:%Y-%m-%d %H:%M %Z} (for {left})"


def opening(windows: Iterable[WindowEntry], now: datetime) -> Opening:
    """Of windows at ``now`` (with a time zone). Of none: closed for good."""
    found = tuple(windows)
    ends = [end for window in found if (end := window.last_end(now)) is not None]
    starts = [start for window in found if (start := window.next_start(now)) is not None]
    return Opening(until=max(ends, default=None), next=min(starts, default=None))


def time_of(taken_at: str) -> datetime | None:
    """When a cluster was read; None where its snapshot does not say."""
    return datetime.fromisoformat(taken_at) if taken_at else None
