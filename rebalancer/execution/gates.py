"""Gates: what keeps steps from being started for a while, whatever hosts and links could bear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rebalancer.plan.model import Step

__all__ = ["Gate", "Gates"]


class Gate(Protocol):
    """Asked by the run's loop; none of it waits."""

    def due(self) -> bool:
        """Whether something may start now that could not when it was last asked."""

    def hindrance(self, step: Step) -> str | None:
        """Why a step cannot start now, in words; None: it may."""

    @property
    def waiting(self) -> bool:
        """Whether a hindrance of its will pass by itself, so that it is worth waiting for with nothing under way."""


class Gates:
    """All of them must be open."""

    def __init__(self, gates: Sequence[Gate]) -> None:
        self._gates = tuple(gates)

    def due(self) -> bool:
        # Each is asked, as some look around when they are.
        return sum(gate.due() for gate in self._gates) > 0

    def hindrance(self, step: Step) -> str | None:
        return next((why for gate in self._gates if (why := gate.hindrance(step)) is not None), None)

    @property
    def waiting(self) -> bool:
        return any(gate.waiting for gate in self._gates)
