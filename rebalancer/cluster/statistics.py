"""Which figure of a load is meant: ``requested``, ``p95``, ``mean@1h``…

===============  =====================================================================================
``requested``    what the domain was promised: its virtual CPUs, its maximum memory
``allocated``    what its host has set aside for it now: shares, a balloon's size
``used``         what it takes, at one moment
``mean``         of what it took over a window; so are ``max``, ``last`` and percentiles, ``p50`` to ``p99.9``
``forecast``     what it is expected to take
``pressure``     what it would have taken besides, had it not had to wait
===============  =====================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Collection

from rebalancer.cluster.text import shown
from rebalancer.cluster.units import parse_duration

__all__ = ["find_statistic", "parse_statistic"]

_PLAIN = ("requested", "allocated", "used", "pressure", "mean", "max", "last", "forecast")
_PERCENTILE = re.compile(r"p([1-9]\d?(?:\.\d{1,3})?)")
_UNITS = {"d": 86400, "h": 3600, "min": 60}
_HELP = (
    f"a statistic is one of {', '.join(_PLAIN)}, or a percentile such as p95; the window it was taken over may follow, "
    "as in p95@7d"
)


def parse_statistic(text: str) -> str:
    """Its one spelling, ``p95@1h`` for ``p95 @ 60 min``; raises ValueError with what to write instead."""
    name, at, window = text.partition("@")
    name = name.strip()
    if name not in _PLAIN and not _PERCENTILE.fullmatch(name):
        near = "; write max" if name in ("worst", "peak", "maximum", "p100") else ""
        near = near or ("; write mean" if name in ("average", "avg") else "")
        raise ValueError(f"{shown(text)} is not known{near}; {_HELP}")
    if not at:
        return name
    seconds = parse_duration(window)
    if seconds <= 0:
        raise ValueError(f"the window of {shown(text)} must be longer than 0")
    unit, length = next(((unit, length) for unit, length in _UNITS.items() if seconds % length == 0), ("s", 1))
    return f"{name}@{repr(seconds / length).removesuffix('.0')}{unit}"


def find_statistic(wanted: str, known: Collection[str]) -> str | None:
    """Which of the ``known`` statistics answers to the one wanted: itself; without a window, the longest there is."""
    if wanted in known or "@" in wanted:
        return wanted if wanted in known else None
    windows = [name for name in known if name.partition("@")[0] == wanted]
    return max(windows, key=lambda name: parse_duration(name.partition("@")[2]), default=None)
