"""Evaluators of what stands on each host in sum: capacity, evenness, proportion, hosts in use, room for a failure."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.evaluators.base import Evaluator
from rebalancer.placement.primitives import Capacity, Evenness, FloatArray, HostsInUse, IntArray, Ratio

__all__ = ["CapacityEvaluator", "EvennessEvaluator", "HostsInUseEvaluator", "RatioEvaluator"]


class CapacityEvaluator(Evaluator):
    def __init__(self, primitive: Capacity, start: IntArray) -> None:
        self.demand = primitive.demand
        self.start = start
        self.both_ends = primitive.both_ends
        self.load = np.bincount(start, weights=primitive.demand, minlength=len(primitive.limit)).astype(np.float64)
        finite = primitive.limit[np.isfinite(primitive.limit) & (primitive.limit > 0)]
        mean = float(finite.mean()) if len(finite) else 1.0
        self.scale = mean if primitive.scale is None else primitive.scale
        # A little slack, so that sums of floats in another order are not taken for an overload; none for whole numbers.
        whole = bool((np.mod(primitive.demand, 1) == 0).all())
        self.slack = 0.0 if whole and primitive.scale is not None else 1e-9 * mean
        self.limit = np.where(np.isfinite(primitive.limit), primitive.limit + self.slack, np.inf)
        self.bound = np.maximum(self.limit, self.load + self.slack)

    def _change(self, bound: FloatArray, domain: int, source: int) -> FloatArray:
        demand, home = self.demand[domain], self.start[domain]
        excess = np.maximum(self.load - bound, 0.0)
        change = np.maximum(self.load + demand - bound, 0.0) - excess
        if self.both_ends:
            change[home] = 0.0
        if not (self.both_ends and source == home):
            change += max(self.load[source] - demand - bound[source], 0.0) - excess[source]
        change[source] = 0.0
        return np.asarray(change / self.scale, dtype=np.float64)

    def cost(self) -> float:
        return float(np.maximum(self.load - self.limit, 0.0).sum() / self.scale)

    def shift(self, domain: int, source: int) -> FloatArray:
        return self._change(self.limit, domain, source)

    def worsen(self, domain: int, source: int) -> FloatArray | None:
        return self._change(self.bound, domain, source)

    def worsening(self) -> float:
        return float(np.maximum(self.load - self.bound, 0.0).sum() / self.scale)

    def apply(self, domain: int, source: int, destination: int) -> None:
        home = self.start[domain] if self.both_ends else -1
        if source != home:
            self.load[source] -= self.demand[domain]
        if destination != home:
            self.load[destination] += self.demand[domain]


class EvennessEvaluator(Evaluator):
    def __init__(self, primitive: Evenness, start: IntArray) -> None:
        self.primitive = primitive
        self.counted = primitive.counted
        self.capacity = np.where(self.counted, primitive.capacity, 1.0)
        self.load = np.bincount(start, weights=primitive.demand, minlength=len(self.capacity)).astype(np.float64)
        self.number = max(int(self.counted.sum()), 1)
        self.total = float(self._squares(self.load).sum())

    def _squares(self, load: FloatArray) -> FloatArray:
        outside = np.abs(load / self.capacity - self.primitive.target) - self.primitive.tolerance
        return np.where(self.counted, np.maximum(outside, 0.0) ** 2, 0.0)

    def _of(self, total: FloatArray | float) -> FloatArray:
        return np.asarray(100.0 * np.sqrt(np.maximum(total, 0.0) / self.number), dtype=np.float64)

    def cost(self) -> float:
        return float(self._of(self.total))

    def shift(self, domain: int, source: int) -> FloatArray:
        demand = self.primitive.demand[domain]
        if demand == 0.0:
            return np.zeros(len(self.capacity))
        squares = self._squares(self.load)
        change = self._squares(self.load + demand) - squares
        change += self._squares(self.load - demand)[source] - squares[source]
        change[source] = 0.0
        return self._of(self.total + change) - self._of(self.total)

    def apply(self, domain: int, source: int, destination: int) -> None:
        self.load[source] -= self.primitive.demand[domain]
        self.load[destination] += self.primitive.demand[domain]
        self.total = float(self._squares(self.load).sum())


class RatioEvaluator(Evaluator):
    def __init__(self, primitive: Ratio, start: IntArray) -> None:
        self.target = primitive.target
        self.first, self.second = primitive.first, primitive.second
        hosts = len(primitive.first_capacity)
        self.first_free = primitive.first_capacity - np.bincount(start, weights=self.first, minlength=hosts)
        self.second_free = primitive.second_capacity - np.bincount(start, weights=self.second, minlength=hosts)

    def _costs(self, first: FloatArray, second: FloatArray) -> FloatArray:
        return np.asarray(np.maximum(self.target * first - second, 0.0), dtype=np.float64)

    def cost(self) -> float:
        return float(self._costs(self.first_free, self.second_free).sum())

    def shift(self, domain: int, source: int) -> FloatArray:
        first, second = self.first[domain], self.second[domain]
        now = self._costs(self.first_free, self.second_free)
        change = self._costs(self.first_free - first, self.second_free - second) - now
        change += self._costs(self.first_free + first, self.second_free + second)[source] - now[source]
        change[source] = 0.0
        return change

    def apply(self, domain: int, source: int, destination: int) -> None:
        for free, amount in ((self.first_free, self.first[domain]), (self.second_free, self.second[domain])):
            free[source] += amount
            free[destination] -= amount


class HostsInUseEvaluator(Evaluator):
    def __init__(self, primitive: HostsInUse, start: IntArray) -> None:
        self.demand = primitive.demand
        self.capacity = np.where(primitive.capacity > 0, primitive.capacity, np.inf)
        hosts = len(self.capacity)
        self.load = np.bincount(start, weights=primitive.demand, minlength=hosts).astype(np.float64)
        self.count = np.bincount(start, minlength=hosts)

    def _full(self, load: FloatArray) -> FloatArray:
        return np.minimum(load / self.capacity, 1.0) ** 2 / len(self.capacity)

    def cost(self) -> float:
        return max(float((self.count > 0).sum() - self._full(self.load).sum()), 0.0)

    def shift(self, domain: int, source: int) -> FloatArray:
        demand = self.demand[domain]
        full = self._full(self.load)
        change = (self.count == 0) - (self._full(self.load + demand) - full)
        change = change - float(self.count[source] == 1) - (self._full(self.load - demand)[source] - full[source])
        change[source] = 0.0
        return np.asarray(change, dtype=np.float64)

    def apply(self, domain: int, source: int, destination: int) -> None:
        self.load[source] -= self.demand[domain]
        self.load[destination] += self.demand[domain]
        self.count[source] -= 1
        self.count[destination] += 1
