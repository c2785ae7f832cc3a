"""To which hosts a domain can ever go: a list where they are few, so that they need not be met by chance."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.primitives import BoolArray, FloatArray, IntArray

__all__ = ["reachable"]

_MOST = 128
"""Hosts in a list; where there are more, one that is drawn by chance is found soon."""
_AT_ONCE = 1 << 22
"""Pairs of domains and hosts looked at together."""


def reachable(
    start: IntArray, row: IntArray, forbidden: BoolArray, need: FloatArray, room: FloatArray
) -> tuple[IntArray, IntArray, BoolArray]:
    """The lists one after another; where the list of each domain begins there and how many hosts are on it, int[D, 2],
    -1 for any; and which domains can go anywhere at all, bool[D].

    ``start``, ``row``: int[D]; ``forbidden``: bool[S, H], by row; ``need``: float[D, K]; ``room``: float[H, K], the
    most that there can ever be. Where a domain stands at the start is on its list.
    """
    domains, hosts = len(start), len(room)
    found = np.full((domains, 2), -1, dtype=np.int64)
    movable = np.ones(domains, dtype=np.bool_)
    tight = [k for k in range(need.shape[1]) if domains and need[:, k].max() > room[:, k].min()]
    if not tight and not forbidden.any():
        return np.zeros(0, dtype=np.int64), found, movable
    parts, size = [], 0
    step = max(_AT_ONCE // max(hosts, 1), 1)
    for first in range(0, domains, step):
        some = np.arange(first, min(first + step, domains))
        open_ = ~forbidden[row[some]]
        for k in tight:
            wants = need[some, k]
            open_ &= (wants[:, None] <= room[None, :, k]) | (wants[:, None] <= 0.0)
        open_[np.arange(len(some)), start[some]] = True
        number = open_.sum(axis=1)
        movable[some] = number > 1
        listed = number <= min(_MOST, hosts - 1)
        found[some[listed], 0] = size + np.cumsum(number[listed]) - number[listed]
        found[some[listed], 1] = number[listed]
        parts.append(np.nonzero(open_[listed])[1])
        size += len(parts[-1])
    return np.concatenate(parts).astype(np.int64), found, movable
