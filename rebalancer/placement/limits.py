"""How much one plan may move: amounts that the moved domains use up, and moves in and out of each host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rebalancer.placement.primitives import BoolArray, FloatArray, IntArray

__all__ = ["Budget", "MoveLimits", "Tally"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Budget:
    """The domains of one bucket that move use at most ``most`` together.

    ``amount``: float[D], what a domain uses when it moves; ``bucket``: int[D], -1 for none. ``unit``: what counts as
    one when surpluses of different kinds are added.
    """

    name: str
    amount: FloatArray
    bucket: IntArray
    most: float
    unit: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MoveLimits:
    """``per_host``: how many domains may leave and enter one host, together; None for any number."""

    budgets: tuple[Budget, ...] = ()
    per_host: int | None = None


class Tally:
    """What a placement has used up of each limit, move by move. All is 0 where every domain stands at its start."""

    def __init__(self, limits: MoveLimits, start: IntArray, hosts: int) -> None:
        self._limits = limits
        self._start = start
        self._used = [np.zeros(int(budget.bucket.max(initial=-1)) + 1) for budget in limits.budgets]
        self._through = np.zeros(hosts, dtype=np.int64)

    def surplus(self) -> float:
        """How far all limits together are exceeded."""
        total = 0.0
        for budget, used in zip(self._limits.budgets, self._used, strict=True):
            total += float(np.maximum(used - budget.most, 0.0).sum()) / budget.unit
        return total + float(self._excess(self._through).sum())

    def shift(self, domain: int, source: int) -> FloatArray:
        """float[H]: what moving the domain to each host would change of the surplus."""
        home = int(self._start[domain])
        change = np.zeros(len(self._through))
        away = np.arange(len(self._through)) != home
        for budget, used in zip(self._limits.budgets, self._used, strict=True):
            bucket = int(budget.bucket[domain])
            if bucket < 0:
                continue
            others = used[bucket] - (budget.amount[domain] if source != home else 0.0)
            now, out, back = (max(x - budget.most, 0.0) for x in (used[bucket], others + budget.amount[domain], others))
            change += np.where(away, out - now, back - now) / budget.unit
        return change if self._limits.per_host is None else change + self._shift_through(source, home, away)

    def _shift_through(self, source: int, home: int, away: BoolArray) -> FloatArray:
        before = float(self._excess(self._through).sum())
        through = self._through.copy()
        if source != home:
            through[[home, source]] -= 1
        back = float(self._excess(through).sum())
        arriving = self._excess(through + 1) - self._excess(through)
        through[home] += 1
        left = float(self._excess(through).sum())
        return np.where(away, left + arriving, back) - before

    def apply(self, domain: int, source: int, destination: int) -> None:
        home = int(self._start[domain])
        change = int(destination != home) - int(source != home)
        for budget, used in zip(self._limits.budgets, self._used, strict=True):
            if change and budget.bucket[domain] >= 0:
                used[budget.bucket[domain]] += change * budget.amount[domain]
        self._through[home] += change
        if source != home:
            self._through[source] -= 1
        if destination != home:
            self._through[destination] += 1

    def _excess(self, through: IntArray) -> FloatArray:
        most = self._limits.per_host
        return np.zeros(len(through)) if most is None else np.maximum(through - most, 0).astype(np.float64)
