"""What marks a kernel: compiled by Numba in the process that compiles, a plain function everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rebalancer.native import compiling

__all__ = ["kernel"]

_Function = TypeVar("_Function", bound=Callable[..., object])


def kernel(function: _Function) -> _Function:
    """One source, two speeds: the same function over NumPy arrays (compiled) and over lists (interpreted)."""
    if not compiling.active:
        return function
    compiled: _Function = compiling.compiled(function)
    return compiled
