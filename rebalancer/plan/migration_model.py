"""How long a live migration takes: iterative pre-copy at a fixed rate against a constant dirty rate.

Round 0 sends all memory; each later round sends what was dirtied meanwhile, until what is left can be sent within the
allowed downtime (QEMU's rule, ``migration_iteration_run``; the geometric series is Liu et al., HPDC'11, section 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rebalancer.cluster import MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds

__all__ = ["ASSUMED_STREAM_RATE", "FINISH_TIME", "SETUP_TIME", "Forecast", "forecast", "switchover_burst"]

SETUP_TIME = Seconds(1.0)
"""From the request to the first byte: a connection, a started and paused receiver."""

FINISH_TIME = Seconds(0.5)
"""From the last byte to a domain that runs at its destination and is gone from its source."""

ASSUMED_STREAM_RATE = BytesPerSecond(2.0**30)
"""What one migration can send where no link limits it."""

_SWITCHOVER_TIME = Seconds(0.02)
_MOST_ROUNDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """``transfer``: seconds of sending, without setup and finish. ``bytes``: all that is sent, re-sent pages too."""

    transfer: Seconds
    downtime: Seconds
    bytes: Bytes
    converges: bool

    @property
    def duration(self) -> Seconds:
        return Seconds(SETUP_TIME + self.transfer + FINISH_TIME)


def forecast(traits: MigrationTraits, rate: BytesPerSecond, max_downtime: Seconds, *, live: bool = True) -> Forecast:
    """What migrating a domain takes at ``rate``.

    A domain that dirties memory as fast as it is sent never converges: what one pass over its memory takes is
    returned, with ``converges`` false. An unmeasured dirty rate counts as 0.
    """
    memory, dirty = float(traits.memory), float(traits.dirty_rate or 0.0)
    if not live:
        time = memory / rate
        return Forecast(
            transfer=Seconds(time),
            downtime=Seconds(time + SETUP_TIME + FINISH_TIME),
            bytes=Bytes(round(memory)),
            converges=True,
        )
    ratio, stop_at = dirty / rate, rate * max_downtime
    if ratio >= 1 and memory > stop_at:
        return Forecast(
            transfer=Seconds(memory / rate), downtime=max_downtime, bytes=Bytes(round(memory)), converges=False
        )
    left, sent, rounds = memory, 0.0, 0
    while left > stop_at and rounds < _MOST_ROUNDS:
        sent += left
        left = min(left * ratio, memory)
        rounds += 1
    sent += left
    return Forecast(
        transfer=Seconds(sent / rate),
        downtime=Seconds(left / rate + _SWITCHOVER_TIME),
        bytes=Bytes(math.ceil(sent)),
        converges=rounds < _MOST_ROUNDS,
    )


def switchover_burst(traits: MigrationTraits) -> Bytes:
    """What may be sent unthrottled when the domain is stopped, beyond what its rate sends within the allowed downtime:
    what it dirties between the last look at its memory and its stop (taken as one second)."""
    return Bytes(round(min(float(traits.dirty_rate or 0.0), float(traits.memory))))
