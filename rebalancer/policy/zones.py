"""Bounds of zones, from what is known of their hosts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rebalancer.placement.primitives import FloatArray, IntArray
from rebalancer.policy.view import View

__all__ = ["lower_bound", "upper_bound"]


def upper_bound(zone: IntArray, limit: FloatArray) -> FloatArray:
    """float[Z]: the limits of a zone's hosts, summed; infinite where one of them has none."""
    number = int(zone.max(initial=-1)) + 1
    counted = zone >= 0
    total = np.bincount(zone[counted], weights=limit[counted], minlength=number).astype(np.float64)
    # A zone without hosts is nobody's.
    return np.where(np.bincount(zone[counted], minlength=number) > 0, total, np.inf)


def lower_bound(zone: IntArray, view: View, wanted: Callable[[IntArray], float]) -> FloatArray:
    """float[Z]: what is wanted of the hosts of a zone that accept domains (indices); 0 where there are none."""
    least = np.zeros(int(zone.max(initial=-1)) + 1)
    for each in range(len(least)):
        hosts = np.flatnonzero((zone == each) & view.accepting)
        if len(hosts):
            least[each] = wanted(hosts)
    return least
