"""Whether this process is the one that compiles kernels, and with what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["active", "compiled", "use"]

active = False
_compiler: Callable[[Any], Any] | None = None


def use(compiler: Callable[[Any], Any]) -> None:
    """From now on functions marked as kernels are compiled; to be called before they are imported."""
    global active, _compiler
    active, _compiler = True, compiler


def compiled(function: Any) -> Any:
    """The function, compiled."""
    return function if _compiler is None else _compiler(function)
