"""How even hosts can be where all sizes are multiples of one: eight domains of 4 GiB are never even on three hosts."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heapreplace

import numpy as np

from rebalancer.placement.primitives import FloatArray, IntArray

__all__ = ["cheapest", "highest_trough", "lowest_peak", "unit_of"]

_PARTS = (1, 10, 100, 1000)
"""Of the base unit, that sizes may be multiples of."""
_MOST_STEPS = 50
"""For each host, in filling up or taking away; more means that the sum is far from the best, which other bounds say."""
_HALVINGS = 60
_SLACK = 1e-9


def unit_of(demand: FloatArray) -> float | None:
    """The largest number that all sizes are multiples of.

    >>> unit_of(np.array([1.5, 0.0, 4.5]))
    1.5
    """
    positive = demand[demand > 0]
    for parts in _PARTS:
        scaled = positive * parts
        whole = np.round(scaled)
        if (
            len(positive)
            and whole.max() < 2**53
            and np.array_equal(np.round(whole / parts, 12), np.round(positive, 12))
        ):
            return float(np.gcd.reduce(whole.astype(np.int64))) / parts
    return None


def cheapest(cost: Callable[[FloatArray, IntArray], FloatArray], best: FloatArray, units: int) -> float | None:
    """The least Σ_h cost_h(n_h) over whole n_h ≥ 0 with Σ n_h = units, by exchange at the least marginal costs.

    ``cost``: from numbers and the hosts that they are for to what each costs, convex for each host; ``best``: float[H],
    where each has its minimum, any number. None: that would take too long.
    """
    hosts = np.arange(len(best))
    low = np.maximum(np.floor(best), 0.0)
    number = np.where(cost(low + 1.0, hosts) < cost(low, hosts), low + 1.0, low)
    missing = units - int(number.sum())
    step = 1.0 if missing > 0 else -1.0
    if abs(missing) > _MOST_STEPS * len(number):
        return None
    now, after = cost(number, hosts), cost(np.maximum(number + step, 0.0), hosts)
    heap = [(float(more) if number[h] + step >= 0 else np.inf, h) for h, more in enumerate(after - now)]
    heapify(heap)
    total = float(now.sum())
    for _ in range(abs(missing)):
        more, host = heap[0]
        if more == np.inf:
            return None
        total += more
        number[host] += step
        pair = cost(number[host] + np.array([0.0, max(step, -number[host])]), np.array([host, host]))
        heapreplace(heap, (float(pair[1] - pair[0]) if number[host] + step >= 0 else np.inf, host))
    return total


def lowest_peak(size: FloatArray, unit: float, units: int) -> float:
    """No way to share out so many units leaves the fullest host below this utilisation."""
    low, high = 0.0, units * unit / float(size.min())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if np.floor(middle * size / unit + _SLACK).sum() < units:
            low = middle
        else:
            high = middle
    return low * (1 - _SLACK)


def highest_trough(size: FloatArray, unit: float, units: int) -> float:
    """No way to share out so many units leaves the emptiest host above this utilisation."""
    low, high = 0.0, units * unit / float(size.min()) + 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if np.ceil(middle * size / unit - _SLACK).sum() > units:
            high = middle
        else:
            low = middle
    return high * (1 + _SLACK)
