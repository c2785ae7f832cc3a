"""What NumPy has, where its own way costs more than the work."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.primitives import IntArray

__all__ = ["distinct"]


def distinct(numbers: IntArray) -> IntArray:
    """Each once, in order. ``np.unique`` of one array imports ``numpy.ma``, which takes a short command longer than
    this takes the largest."""
    return np.array(sorted(set(numbers.tolist())), dtype=np.int64)
