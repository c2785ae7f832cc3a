"""``domstats`` twice: what a domain uses of its host. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

from rebalancer.cluster import DomainState
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.cluster.writes import Window

__all__ = [
    "Sample",
    "balloon_size",
    "dirty_rate",
    "is_measuring",
    "parse_sample",
    "parse_stats",
    "rates",
    "resident_memory",
    "state_of",
    "stats_command",
    "unrounded",
    "windows",
]

_NUMBER = re.compile(r"[0-9]{1,20}")
_STATES = {
    "1": DomainState.RUNNING,
    "2": DomainState.RUNNING,  # blocked, waiting for something
    "3": DomainState.PAUSED,
    "4": DomainState.IN_SHUTDOWN,
    "5": DomainState.SHUT_OFF,
    "6": DomainState.CRASHED,
    "7": DomainState.SUSPENDED,
}
_MEASURING, _MEASURED = "1", "2"
"""``dirtyrate.calc_status`` while it is measured, and once there is a result."""


_WORTH_TWO = 3
_SAMPLED_MIB = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters of one domain at one moment. Units: seconds of CPU time, bytes."""

    at: float
    cpu_time: float | None
    net: int
    disk: int


def stats_command(uuid: str) -> str:
    """``--nowait``: a domain that is busy with a job of its own is told of without what it cannot tell now."""
    return f"domstats --raw --state --cpu-total --balloon --interface --block --nowait {uuid}"


def parse_stats(answer: str) -> Mapping[str, str]:
    """``key=value`` lines; the first one of a key counts, as values (names of files) may hold line ends."""
    found: dict[str, str] = {}
    for line in answer.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator:
            found.setdefault(key, value)
    return found


def state_of(stats: Mapping[str, str]) -> DomainState | None:
    """None where the stats do not tell."""
    return _STATES.get(stats.get("state.state", ""))


def parse_sample(stats: Mapping[str, str], at: float) -> Sample:
    """``at`` is when it was asked for, in seconds of any clock."""
    cpu = _number(stats, "cpu.time")
    return Sample(
        at=at,
        cpu_time=None if cpu is None else cpu / 1e9,
        net=_sum(stats, "net", ("rx.bytes", "tx.bytes")),
        disk=_sum(stats, "block", ("rd.bytes", "wr.bytes")),
    )


def rates(before: Sample, after: Sample) -> dict[str, float]:
    """``{"cpu": 1.2, "net": 5000.0, "disk_io": 0.0}``: cores and bytes per second; empty where nothing was counted."""
    time = after.at - before.at
    if time <= 0 or before.cpu_time is None or after.cpu_time is None:
        return {}
    # A counter that goes back has begun anew: the domain was started again in between.
    return {
        "cpu": max(0.0, after.cpu_time - before.cpu_time) / time,
        "net": max(0, after.net - before.net) / time,
        "disk_io": max(0, after.disk - before.disk) / time,
    }


def resident_memory(stats: Mapping[str, str]) -> Bytes | None:
    """Bytes of the hypervisor's process that are in memory; None where unknown."""
    found = _number(stats, "balloon.rss")
    return Bytes(found * 1024) if found else None


def balloon_size(stats: Mapping[str, str]) -> Bytes | None:
    """Bytes that the guest has now, as its balloon leaves it; None where unknown."""
    found = _number(stats, "balloon.current")
    return Bytes(found * 1024) if found else None


def dirty_rate(stats: Mapping[str, str]) -> BytesPerSecond | None:
    """The result of a measurement, None before there is one. libvirt rounds to whole MiB/s, down."""
    found = _number(stats, "dirtyrate.megabytes_per_second")
    if found is None or stats.get("dirtyrate.calc_status") != _MEASURED:
        return None
    return BytesPerSecond(float(found * 2**20))


def windows(longest: Seconds | None) -> tuple[int, ...]:
    """How long to measure dirty rates, in whole seconds as libvirt takes them: over one second first, which tells what
    is written again and again from what is not; a second window that hardly differs would tell nothing."""
    if longest is None:
        return ()
    seconds = max(1, min(60, round(longest)))
    return (1, seconds) if seconds >= _WORTH_TWO else (seconds,)


def unrounded(window: Window) -> Window:
    """The middle of what libvirt rounds down to the same number of MiB/s; 0 stays 0.

    Each sampled page stands for 2 MiB (QEMU takes 512 of each GiB), so over one second or two only whole MiB/s are
    found, and over five only multiples of 0.4:

    >>> unrounded(Window(5.0, 3.0 * 2**20)).rate / 2**20
    3.4
    """
    steps = round(window.seconds) // gcd(round(window.seconds), _SAMPLED_MIB)
    return Window(window.seconds, window.rate + (1 - 1 / max(steps, 1)) * 2**19 if window.rate else 0.0)


def is_measuring(stats: Mapping[str, str]) -> bool:
    """Whether a dirty rate is still being measured."""
    return stats.get("dirtyrate.calc_status") == _MEASURING


def _sum(stats: Mapping[str, str], group: str, counters: tuple[str, ...]) -> int:
    count = min(_number(stats, f"{group}.count") or 0, 1024)
    return sum(_number(stats, f"{group}.{i}.{counter}") or 0 for i in range(count) for counter in counters)


def _number(stats: Mapping[str, str], key: str) -> int | None:
    value = stats.get(key, "")
    return int(value) if _NUMBER.fullmatch(value) else None
