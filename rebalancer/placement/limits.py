"""How much one plan may move: amounts that the moved domains use up, and moves in and out of each host."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.primitives import BoolArray, FloatArray, IntArray
from rebalancer.values import dataclass

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
    """``per_host``: how many domains may leave and enter one host, together; ``arrivals_per_host``: how many may enter
    one; None for any number."""

    budgets: tuple[Budget, ...] = ()
    per_host: int | None = None
    arrivals_per_host: int | None = None


class Tally:
    """What a placement has used up of each limit, move by move. All is 0 where every domain stands at its start."""

    def __init__(self, limits: MoveLimits, start: IntArray, hosts: int) -> None:
        self._limits = limits
        self._start = start
        self._used = [np.zeros(int(budget.bucket.max(initial=-1)) + 1) for budget in limits.budgets]
        self._through = np.zeros(hosts, dtype=np.int64)
        self._arrived = np.zeros(hosts, dtype=np.int64)

    def surplus(self) -> float:
        """How far all limits together are exceeded."""
        total = 0.0
        for budget, used in zip(self._limits.budgets, self._used, strict=True):
            total += float(np.maximum(used - budget.most, 0.0).sum()) / budget.unit
        total += float(_excess(self._arrived, self._limits.arrivals_per_host).sum())
        return total + float(_excess(self._through, self._limits.per_host).sum())

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
        if self._limits.arrivals_per_host is not None:
            change += self._shift_arrived(source, home, away)
        if self._limits.per_host is not None:
            change += self._shift_through(source, home, away)
        return change

    def _shift_arrived(self, source: int, home: int, away: BoolArray) -> FloatArray:
        most, arrived = self._limits.arrivals_per_host, self._arrived.copy()
        before = float(_excess(arrived, most).sum())
        if source != home:
            arrived[source] -= 1
        back = float(_excess(arrived, most).sum())
        return np.where(away, back + _excess(arrived + 1, most) - _excess(arrived, most), back) - before

    def _shift_through(self, source: int, home: int, away: BoolArray) -> FloatArray:
        most = self._limits.per_host
        before = float(_excess(self._through, most).sum())
        through = self._through.copy()
        if source != home:
            through[[home, source]] -= 1
        back = float(_excess(through, most).sum())
        arriving = _excess(through + 1, most) - _excess(through, most)
        through[home] += 1
        left = float(_excess(through, most).sum())
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
            self._arrived[source] -= 1
        if destination != home:
            self._through[destination] += 1
            self._arrived[destination] += 1


def _excess(number: IntArray, most: int | None) -> FloatArray:
    return np.zeros(len(number)) if most is None else np.maximum(number - most, 0).astype(np.float64)
