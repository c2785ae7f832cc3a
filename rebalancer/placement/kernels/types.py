"""The arrays of kernels: NumPy's when compiled, lists when interpreted."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["Floats", "Ints"]

Ints: TypeAlias = list[int]
Floats: TypeAlias = list[float]
