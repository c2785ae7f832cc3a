"""What every evaluator answers."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rebalancer.placement.primitives import FloatArray

__all__ = ["Evaluator"]


class Evaluator(ABC):
    """Mutable: follows a placement from ``start`` on."""

    @abstractmethod
    def cost(self) -> float: ...

    @abstractmethod
    def shift(self, domain: int, source: int) -> FloatArray: ...

    def worsen(self, domain: int, source: int) -> FloatArray | None:  # noqa: ARG002
        """float[H]: the change of :meth:`worsening`; None: no host makes any difference."""
        return None

    def worsening(self) -> float:
        return 0.0

    @abstractmethod
    def apply(self, domain: int, source: int, destination: int) -> None: ...
