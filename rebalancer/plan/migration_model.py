"""What a migration takes: seconds, bytes and downtime. Live (pre-copy), offline, post-copy, throttled, with disks.

Setup, transfer and finish are apart, as only the transfer uses the links. What a domain writes is in its traits; what
hosts take for setup and finish is learnt (:mod:`~rebalancer.plan.experience`) or assumed here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rebalancer.cluster import MigrationTraits, Writes
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds, format_rate
from rebalancer.plan.precopy import HEADROOM, Copy, precopy, remedy
from rebalancer.policy.model import Rung
from rebalancer.values import dataclass

__all__ = ["ASSUMED_STREAM_RATE", "FINISH_TIME", "SETUP_TIME", "Forecast", "forecast", "hindrance", "switchover_burst"]

SETUP_TIME = Seconds(1.0)
"""From the request to the first byte: a connection, a started and paused receiver."""

FINISH_TIME = Seconds(0.5)
"""From the last byte to a domain that runs at its destination and is gone from its source."""

ASSUMED_STREAM_RATE = BytesPerSecond(2.0**30)
"""What one migration can send where no link limits it."""

_SWITCHOVER_TIME = Seconds(0.02)
_THROTTLES = (0.0, 0.0, *(0.2 + 0.1 * step for step in range(8)), 0.99)
"""Auto-converge: after two rounds in which too much was written 20 % of the guest's time, then 10 % more each time
(QEMU's ``migration_trigger_throttle``), to 99 % at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """``transfer``: seconds of sending, without setup and finish. ``bytes``: all that is sent, re-sent pages too.
    ``rung``: what of the policy's ladder it needs to end; None: nothing."""

    transfer: Seconds
    downtime: Seconds
    bytes: Bytes
    converges: bool
    rung: Rung | None = None

    @property
    def duration(self) -> Seconds:
        return Seconds(SETUP_TIME + self.transfer + FINISH_TIME)


def forecast(
    traits: MigrationTraits,
    rate: BytesPerSecond,
    max_downtime: Seconds,
    *,
    live: bool = True,
    ladder: Sequence[Rung] = (),
) -> Forecast:
    """What migrating a domain takes at ``rate``.

    A domain that does not converge takes the first rung of the ladder that ends it. Without one, what one pass over
    its memory takes is returned, with ``converges`` false. What was not measured counts as 0.
    """
    memory, writes = float(traits.memory), traits.writing
    if traits.disk:
        return _with_disks(traits, rate, max_downtime, live=live, ladder=ladder)
    if not live:
        time = memory / rate
        return Forecast(
            transfer=Seconds(time),
            downtime=Seconds(time + SETUP_TIME + FINISH_TIME),
            bytes=Bytes(round(memory)),
            converges=True,
        )
    found = precopy(memory, writes, rate, max_downtime)
    if found.converges:
        return _live(found, rate)
    for rung in ladder:
        match rung:
            case Rung.AUTO_CONVERGE:
                slowed = _live(_throttled(memory, writes, rate, max_downtime), rate)
                if slowed.converges:
                    return replace(slowed, rung=rung)
            case Rung.POST_COPY:
                return _post_copy(memory, found.left, rate)
            case Rung.PAUSE:
                return replace(_live(found, rate), converges=True, rung=rung)
            case _:
                pass
    return Forecast(transfer=Seconds(memory / rate), downtime=max_downtime, bytes=Bytes(round(memory)), converges=False)


def _live(copy: Copy, rate: float) -> Forecast:
    sent = copy.sent + copy.left
    return Forecast(
        transfer=Seconds(sent / rate),
        downtime=Seconds(copy.left / rate + _SWITCHOVER_TIME),
        bytes=Bytes(math.ceil(sent)),
        converges=copy.converges,
    )


def _post_copy(memory: float, left: float, rate: float) -> Forecast:
    """One pass while it runs at its source, then it goes on at its destination and what it wrote follows."""
    return Forecast(
        transfer=Seconds((memory + left) / rate),
        downtime=_SWITCHOVER_TIME,
        bytes=Bytes(math.ceil(memory + left)),
        converges=True,
        rung=Rung.POST_COPY,
    )


def _throttled(memory: float, writes: Writes, rate: float, max_downtime: float) -> Copy:
    """The guest gets less and less of its time until it converges."""
    left, sent, rounds, stop_at = memory, 0.0, 0, rate * max_downtime
    for throttle in _THROTTLES:
        sent += left
        left = min(writes.within(left / rate * (1 - throttle)), memory)
        rounds += 1
        if left <= stop_at:
            return Copy(sent=sent, left=left, rounds=rounds, converges=True)
    slow = replace(writes, period=Seconds(writes.period * 100), cold=BytesPerSecond(writes.cold / 100))
    rest = precopy(left, slow, rate, max_downtime)
    return replace(rest, sent=sent + rest.sent, rounds=rounds + rest.rounds)


def _with_disks(
    traits: MigrationTraits, rate: float, max_downtime: Seconds, *, live: bool, ladder: Sequence[Rung]
) -> Forecast:
    """Disks are mirrored first, and what is written to them goes over at once until the end; then memory gets what the
    mirror leaves of the rate. Where they are written as fast as they are sent, only a pause ends it."""
    memory, mirror = replace(traits, disk=Bytes(0)), float(traits.disk_writes) if live else 0.0
    if rate < mirror * HEADROOM:
        if Rung.PAUSE in ladder:
            return replace(_with_disks(traits, rate, max_downtime, live=False, ladder=()), rung=Rung.PAUSE)
        return replace(forecast(memory, BytesPerSecond(rate), max_downtime), converges=False)
    copied = traits.disk / (rate - mirror)
    found = forecast(memory, BytesPerSecond(rate - mirror), max_downtime, live=live, ladder=ladder)
    time = copied + found.transfer
    downtime = found.downtime if live else Seconds(found.downtime + copied)
    return replace(
        found,
        transfer=Seconds(time),
        downtime=downtime,
        bytes=Bytes(math.ceil(found.bytes + traits.disk + mirror * time)),
    )


def hindrance(traits: MigrationTraits, rate: float, max_downtime: Seconds) -> str:
    """For a domain that does not converge at a rate: why, and what would make it, in numbers."""
    written = float(traits.disk_writes) if traits.disk else 0.0
    if rate < written * HEADROOM:
        return (
            f"its disks are written at {format_rate(written)}, and can be copied at {format_rate(rate)}; "
            f"it would converge at {format_rate(written * HEADROOM)}, or with pause or live: false"
        )
    why = remedy(float(traits.memory), traits.writing, rate - written, max_downtime)
    return f"{why}; the {format_rate(written)} that its disks are written at come on top" if written else why


def switchover_burst(traits: MigrationTraits) -> Bytes:
    """What may be sent unthrottled when the domain is stopped, beyond what its rate sends within the allowed downtime:
    what it dirties between the last look at its memory and its stop (taken as one second)."""
    return Bytes(round(min(traits.writing.within(1.0), float(traits.memory))))
