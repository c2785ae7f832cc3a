"""Iterative pre-copy: each round sends what was written in the last, until the rest fits into the allowed downtime.

Round 0 sends all memory; round i sends what was written during round i - 1; when what is left is at most what the rate
sends within the allowed downtime, the guest is stopped (QEMU's ``migration_iteration_run``). With the hot-set model of
:class:`~rebalancer.cluster.writes.Writes` (W bytes every T seconds, and c bytes per second besides) and the rate b,

- what is left tends to 0 if W/T + c < b,
- else it stays at W·b/(b - c) if c < b, which the allowed downtime τ must have room for: W·b/(b - c) ≤ b·τ,
- else nothing is ever gained.

(With one rate and no hot set: the geometric series of Liu et al., HPDC'11, section 3.)
"""

from __future__ import annotations

from math import ceil, inf

from rebalancer.cluster import Writes
from rebalancer.cluster.units import format_bytes, format_duration, format_rate
from rebalancer.values import dataclass

__all__ = ["HEADROOM", "Copy", "least_rate", "precopy", "remedy"]

HEADROOM = 1.1
"""A guest is taken to converge at this many times the rate at which it just would not."""

_MOST_ROUNDS = 10_000
_ENOUGH = 1e-3
"""A round that leaves this share less than the one before has gained nothing that is worth the wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """``sent``: bytes in all rounds but the last; ``left``: bytes for which the guest stands still."""

    sent: float
    left: float
    rounds: int
    converges: bool


def precopy(memory: float, writes: Writes, rate: float, max_downtime: float) -> Copy:
    """The rounds, as they would be at a steady rate (bytes per second). Where they would never end: the first only."""
    left, sent, rounds, stop_at = memory, 0.0, 0, rate * max_downtime
    while left > stop_at:
        sent += left
        following = min(writes.within(left / rate), memory)
        rounds += 1
        if (rounds > 1 and following > left * (1 - _ENOUGH) and following > stop_at) or rounds > _MOST_ROUNDS:
            return Copy(sent=memory, left=following, rounds=rounds, converges=False)
        left = following
    return Copy(sent=sent, left=left, rounds=rounds, converges=True)


def least_rate(memory: float, writes: Writes, max_downtime: float) -> float:
    """The rate (bytes per second) that it needs to converge, :data:`HEADROOM` included where it is a limit.

    >>> least_rate(4e9, Writes(hot=Bytes(96), period=Seconds(2.0), cold=BytesPerSecond(3.0)), 4.0)
    27.0
    """
    vanishing = (writes.hot / writes.period + writes.cold) * HEADROOM
    if max_downtime <= 0:
        return vanishing
    lasting = max(writes.cold + writes.hot / max_downtime, writes.cold * HEADROOM) if writes.hot else inf
    return min(vanishing, lasting, memory / max_downtime)


def remedy(memory: float, writes: Writes, rate: float, max_downtime: float) -> str:
    """For a domain that does not converge at a rate: why, and what would make it, in numbers.

    >>> remedy(4000e6, Writes(hot=Bytes(96_000_000), period=Seconds(2.0), cold=BytesPerSecond(3e6)), 27.8e6, 0.3)
    "it writes 91.6 MiB again every 2 s and 24 Mbit/s besides, and can be sent at 222.4 Mbit/s; it would converge at
    448.8 Mbit/s, with max_downtime: 3.9 s, or with auto_converge or post_copy"
    """
    written = f"it writes {format_rate(writes.cold)}"
    if writes.hot:
        besides = f" and {format_rate(writes.cold)} besides" if writes.cold else ""
        written = f"it writes {format_bytes(writes.hot)} again every {format_duration(writes.period)}{besides}"
    ways = [f"at {format_rate(least_rate(memory, writes, max_downtime))}"]
    if writes.hot and writes.cold < rate:
        ways.append(f"with max_downtime: {format_duration(ceil(10 * writes.hot / (rate - writes.cold)) / 10)}")
    ways.append("or with auto_converge or post_copy")
    return f"{written}, and can be sent at {format_rate(rate)}; it would converge {', '.join(ways)}"
