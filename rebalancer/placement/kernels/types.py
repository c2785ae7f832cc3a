"""The arrays of kernels: NumPy's when compiled, lists when interpreted; and when two costs are the same."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["TOLERANCE", "Floats", "Ints"]

Ints: TypeAlias = list[int]
Floats: TypeAlias = list[float]

TOLERANCE = 1e-9
