"""Evaluators of what stands on each host in sum: capacity, evenness, proportion, hosts in use, room for a failure."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.evaluators.base import Evaluator
from rebalancer.placement.primitives import BoolArray, Capacity, Evenness, FloatArray, HostsInUse, IntArray, Ratio

__all__ = ["CapacityEvaluator", "EvennessEvaluator", "ExtremesEvaluator", "HostsInUseEvaluator", "RatioEvaluator"]


class CapacityEvaluator(Evaluator):
    def __init__(self, primitive: Capacity, start: IntArray) -> None:
        self.demand = primitive.demand
        self.start = start
        self.both_ends = primitive.both_ends
        self.load = np.bincount(start, weights=primitive.demand, minlength=len(primitive.limit)).astype(np.float64)
        finite = primitive.limit[np.isfinite(primitive.limit) & (primitive.limit > 0)]
        mean = float(finite.mean()) if len(finite) else 1.0
        self.scale = mean if primitive.scale is None else primitive.scale
        # Sums of floats in another order are not taken for an overload; whole numbers need no such tolerance.
        whole = bool((np.mod(primitive.demand, 1) == 0).all())
        self.slack = 0.0 if whole and primitive.scale is not None else 1e-9 * mean
        self.limit = np.asarray(primitive.limit, dtype=np.float64)
        self.bound = np.maximum(self.limit, self.load)
        self.unbroken = bool((self.bound == self.limit).all())
        self.excess = self._over(self.load, self.limit)
        self.worse = self._over(self.load, self.bound)
        self.shifted: tuple[int, int, FloatArray] | None = None

    def _over(self, load: FloatArray, bound: FloatArray) -> FloatArray:
        over = load - bound
        return np.where(over > self.slack, over, 0.0)

    def _change(self, bound: FloatArray, excess: FloatArray, domain: int, source: int) -> FloatArray:
        demand, home = self.demand[domain], self.start[domain]
        change = self._over(self.load + demand, bound) - excess
        if self.both_ends:
            change[home] = 0.0
        if not (self.both_ends and source == home):
            less = float(self.load[source] - demand - bound[source])
            change += (less if less > self.slack else 0.0) - excess[source]
        change[source] = 0.0
        change /= self.scale
        return change

    def cost(self) -> float:
        return float(self.excess.sum() / self.scale)

    def shift(self, domain: int, source: int) -> FloatArray:
        change = self._change(self.limit, self.excess, domain, source)
        self.shifted = (domain, source, change)
        return change

    def worsen(self, domain: int, source: int) -> FloatArray | None:
        # A search asks for both, this after the other; they only differ where a host was beyond its limit.
        if self.unbroken and self.shifted is not None and self.shifted[:2] == (domain, source):
            return self.shifted[2]
        return self._change(self.bound, self.worse, domain, source)

    def worsening(self) -> float:
        return float(self.worse.sum() / self.scale)

    def apply(self, domain: int, source: int, destination: int) -> None:
        home = self.start[domain] if self.both_ends else -1
        if source != home:
            self.load[source] -= self.demand[domain]
        if destination != home:
            self.load[destination] += self.demand[domain]
        self.shifted = None
        touched = [source, destination]
        self.excess[touched] = self._over(self.load[touched], self.limit[touched])
        self.worse[touched] = self._over(self.load[touched], self.bound[touched])


class EvennessEvaluator(Evaluator):
    """Of the forms of evenness that are a sum over hosts."""

    def __init__(self, primitive: Evenness, start: IntArray) -> None:
        self.demand, self.target, self.tolerance = primitive.demand, primitive.target, primitive.tolerance
        self.form = primitive.form
        self.counted = primitive.counted
        self.capacity = np.where(self.counted, primitive.capacity, 1.0)
        self.load = np.bincount(start, weights=primitive.demand, minlength=len(self.capacity)).astype(np.float64)
        self.number = max(int(self.counted.sum()), 1)
        self.parts = self._parts(self.load, slice(None))
        self.total = float(self.parts.sum())

    def _parts(self, load: FloatArray, hosts: slice | list[int]) -> FloatArray:
        """float[len(load)]: what each of these hosts adds to the sum."""
        outside = load / self.capacity[hosts] - self.target
        if self.form != "excess":
            outside = np.abs(outside)
        outside = np.maximum(outside - self.tolerance, 0.0)
        if self.form != "excess":
            outside *= outside
        return np.where(self.counted[hosts], outside, 0.0)

    def _of(self, total: FloatArray | float) -> FloatArray:
        """The cost that a sum makes."""
        if self.form == "excess":
            return np.asarray(100.0 * np.maximum(total, 0.0), dtype=np.float64)
        mean = np.maximum(total, 0.0) / self.number
        return np.asarray(100.0 * np.sqrt(mean) if self.form == "deviation" else 10_000.0 * mean, dtype=np.float64)

    def cost(self) -> float:
        return float(self._of(self.total))

    def shift(self, domain: int, source: int) -> FloatArray:
        demand = self.demand[domain]
        if demand == 0.0:
            return np.zeros(len(self.capacity))
        change = self._parts(self.load + demand, slice(None)) - self.parts
        change += self._parts(self.load[[source]] - demand, [source])[0] - self.parts[source]
        change[source] = 0.0
        return self._of(self.total + change) - self._of(self.total)

    def apply(self, domain: int, source: int, destination: int) -> None:
        self.load[source] -= self.demand[domain]
        self.load[destination] += self.demand[domain]
        touched = [source, destination]
        self.parts[touched] = self._parts(self.load[touched], touched)
        self.total = float(self.parts.sum())


class ExtremesEvaluator(Evaluator):
    """Of the forms of evenness that only the most (and the least) utilised host decides."""

    def __init__(self, primitive: Evenness, start: IntArray) -> None:
        self.demand, self.counted = primitive.demand, primitive.counted
        self.floor = None if primitive.form == "range" else primitive.target
        self.tolerance = primitive.tolerance
        self.capacity = np.where(self.counted, primitive.capacity, np.inf)
        self.load = np.bincount(start, weights=primitive.demand, minlength=len(self.capacity)).astype(np.float64)

    def _of(self, most: FloatArray, least: FloatArray) -> FloatArray:
        spread = most - (least if self.floor is None else self.floor)
        # Without a counted host there is no most and no least.
        return np.where(np.isfinite(spread), 100.0 * np.maximum(spread - self.tolerance, 0.0), 0.0)

    def cost(self) -> float:
        used = (self.load / self.capacity)[self.counted]
        return float(self._of(used.max(initial=-np.inf), used.min(initial=np.inf)))

    def shift(self, domain: int, source: int) -> FloatArray:
        demand = self.demand[domain]
        if demand == 0.0:
            return np.zeros(len(self.capacity))
        without = self.load.copy()
        without[source] -= demand
        there = (without + demand) / self.capacity
        most, least = _of_others(without / self.capacity, self.counted)
        # A host that is not counted takes load from those that are, and gets none of the two.
        most = np.where(self.counted, np.maximum(most, there), most)
        least = np.where(self.counted, np.minimum(least, there), least)
        change = self._of(most, least) - self.cost()
        change[source] = 0.0
        return np.asarray(change, dtype=np.float64)

    def apply(self, domain: int, source: int, destination: int) -> None:
        self.load[source] -= self.demand[domain]
        self.load[destination] += self.demand[domain]


def _of_others(values: FloatArray, counted: BoolArray) -> tuple[FloatArray, FloatArray]:
    """float[H] each: the largest and the smallest counted value of all others."""
    largest, smallest = np.where(counted, values, -np.inf), np.where(counted, values, np.inf)
    top, bottom = int(largest.argmax()), int(smallest.argmin())
    most, least = np.full(len(values), largest[top]), np.full(len(values), smallest[bottom])
    most[top] = np.delete(largest, top).max(initial=-np.inf)
    least[bottom] = np.delete(smallest, bottom).min(initial=np.inf)
    return most, least


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

    def _guide(self, load: FloatArray) -> FloatArray:
        """float[H]: what a host costs beside the half for being in use."""
        used = np.minimum(load / self.capacity, 1.0)
        return np.asarray(used - used * used / 2.0, dtype=np.float64)

    def cost(self) -> float:
        return max(float((self.count > 0).sum() / 2.0 + self._guide(self.load).sum()), 0.0)

    def shift(self, domain: int, source: int) -> FloatArray:
        demand = self.demand[domain]
        now = self._guide(self.load)
        change = (self.count == 0) / 2.0 + self._guide(self.load + demand) - now
        change += self._guide(self.load - demand)[source] - now[source] - float(self.count[source] == 1) / 2.0
        change[source] = 0.0
        return np.asarray(change, dtype=np.float64)

    def apply(self, domain: int, source: int, destination: int) -> None:
        self.load[source] -= self.demand[domain]
        self.load[destination] += self.demand[domain]
        self.count[source] -= 1
        self.count[destination] += 1
