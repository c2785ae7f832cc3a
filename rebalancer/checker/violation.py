"""What does not hold."""

from __future__ import annotations

from rebalancer.cluster.units import Seconds
from rebalancer.values import dataclass

__all__ = ["Violation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """``invariant``: ``capacity``, ``rule``, ``name``, ``place``, ``link``, ``concurrency``, ``limit`` or ``order``;
    ``time``: seconds after the start of the run, as far as it matters."""

    invariant: str
    text: str
    time: Seconds = Seconds(0.0)

    def __str__(self) -> str:
        return f"{self.invariant} at {self.time:.1f} s: {self.text}"
