"""How a domain writes to its memory, by all that was ever found of it: by samples, and by what migrations sent again.

QEMU finds out how fast a guest writes by looking at few of its pages, twice (``migration/dirtyrate.c``). Where n pages
were found written it might as well have been n ± √n, so a small guest, or one that writes little, is known badly. What
a migration sent beyond the guest's memory was written meanwhile, and counts thousands of pages; what it says is only
as good as the model. All that is found is averaged by what it is worth, until something is found that does not fit.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, sqrt
from typing import NamedTuple

from rebalancer.cluster import Writes
from rebalancer.cluster.units import Bytes, BytesPerSecond
from rebalancer.cluster.writes import Window, fit_writes
from rebalancer.plan.precopy import precopy

__all__ = ["Known", "counted", "sampled", "together"]

_LONG = 5.0
"""How many times as long as the short window of a measurement of writes the long one is."""
_SAME = 2.5
"""What differs by less than this is taken to be of one and the same."""
_SAMPLE = 2.0 * 2**20
"""Bytes that one sampled page stands for (QEMU samples 512 of each GiB, ``DIRTYRATE_DEFAULT_SAMPLE_PAGES``)."""
_SURELY = 3.0
"""Standard deviations of a count of sampled pages: by more than that two of them differ for a reason."""
_COUNTED = 100.0
"""A migration says as much of how its domain writes as so many sampled pages: to 10 %, about as good as the model is.
No measurement says more: in the next hour domains do not do just what they did in five seconds."""
_REMEMBERED = 200.0
"""All that was found before counts for no more than so many sampled pages, as domains change."""
_HALVINGS = 12


class Known(NamedTuple):
    """How a domain writes, and what that is worth: as much as if so many sampled pages had been found written."""

    writes: Writes
    pages: float


def sampled(writes: Writes, known: Known | None) -> Known:
    """What was found by looking at few pages. It counts by how many of them could be expected to be written: or finding
    fewer, by chance, would count for less than finding more, and all together for too much."""
    expected = max(_over_long(each, writes.period) for each in (writes, *([known.writes] if known else [])))
    return Known(writes, min(max(expected / _SAMPLE, 1.0), _COUNTED))


def together(known: Known | None, new: Known) -> Known:
    """What explains both, by what each has written within a short and a long window."""
    if known is None or not _agree(known.writes, new.writes):
        return new
    part = new.pages / (known.pages + new.pages)
    short, long = new.writes.period, new.writes.period * _LONG
    first, second = ((1 - part) * known.writes.within(time) + part * new.writes.within(time) for time in (short, long))
    return Known(
        fit_writes(Window(short, first / short), Window(long, second / long)),
        min(known.pages + new.pages, _REMEMBERED),
    )


def _over_long(writes: Writes, short: float) -> float:
    return writes.within(short * _LONG)


def _agree(known: Writes, new: Writes) -> bool:
    """Whether they may be the same, found twice; otherwise the domain does something else than it did."""
    one, other = sorted((_over_long(known, new.period), _over_long(new, new.period)))
    return other <= max(one * _SAME, one + _SURELY * sqrt(other * _SAMPLE))


def counted(shape: Writes, memory: float, sent: float, rate: float, max_downtime: float) -> Known | None:
    """How a domain must have written while it migrated, for so much to be sent of it: as ``shape`` says, all of it so
    many times as fast. None: that cannot be told. Bytes, bytes per second and seconds; ``memory``: what was sent at
    least once.

    >>> once = precopy(1000.0, Writes(cold=BytesPerSecond(50.0)), 100.0, 0.3)
    >>> known = counted(Writes(cold=BytesPerSecond(20.0)), 1000.0, once.sent + once.left, 100.0, 0.3)
    >>> round(known.writes.cold)
    50
    """
    if memory <= rate * max_downtime or sent <= memory:
        return None
    if not shape.within(1.0):
        shape = Writes(cold=BytesPerSecond(rate))

    def needed(times: float) -> float:
        copy = precopy(memory, _times(shape, times), rate, max_downtime)
        return copy.sent + copy.left if copy.converges else inf

    least, most = 0.0, 1.0
    while needed(most) < sent:
        least, most = most, 2 * most
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        least, most = (middle, most) if needed(middle) < sent else (least, middle)
    return Known(_times(shape, most), _COUNTED)


def _times(writes: Writes, times: float) -> Writes:
    return replace(writes, hot=Bytes(round(writes.hot * times)), cold=BytesPerSecond(writes.cold * times))
