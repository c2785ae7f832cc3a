"""How much work may go into one plan, counted, so that a plan does not depend on the machine that makes it."""

from __future__ import annotations

from collections.abc import Callable

from rebalancer.values import dataclass

__all__ = ["Budget"]

_LONG = 180
"""Migrations of a plan in which each counts twice."""


@dataclass(slots=True)
class Budget:
    """``looks``: how many states may still be looked at for an order; ``starts``: how many migrations may still be
    placed in time to shorten a plan, those of long plans counting more, as a try takes longer there and gains less.
    A stop signal (a time limit, Ctrl-C) may end both early."""

    looks: int = 300_000
    starts: int = 20_000
    stop: Callable[[], bool] = lambda: False

    def look(self, number: int = 1) -> bool:
        """Spends looks; whether there were any left."""
        self.looks = 0 if self.stop() else max(self.looks - number, 0)
        return self.looks > 0

    def place(self, number: int) -> bool:
        """Spends what one try with so many migrations costs; whether there was enough left."""
        price = number + number * number // _LONG
        if self.stop() or price > self.starts:
            self.starts = 0
            return False
        self.starts -= price
        return True
