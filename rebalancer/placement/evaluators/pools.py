"""The evaluator of what the hosts of a zone hold together, between two bounds."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.evaluators.base import Evaluator
from rebalancer.placement.primitives import FloatArray, IntArray, Pool

__all__ = ["PoolEvaluator"]


class PoolEvaluator(Evaluator):
    def __init__(self, primitive: Pool, start: IntArray) -> None:
        self.demand, self.scale = primitive.demand, primitive.scale
        # Hosts that are not looked at are in one more zone, without bounds.
        number = len(primitive.most) + 1
        self.zone = np.where(primitive.zone < 0, number - 1, primitive.zone)
        self.group = np.full(len(self.demand), -1, dtype=np.int64) if primitive.group is None else primitive.group
        self.presence = np.zeros(0) if primitive.presence is None else primitive.presence
        self.lone = np.zeros(number)
        """float[Z]: the demands of the domains of no group."""
        self.sums = np.zeros((len(self.presence), number))
        self.counts = np.zeros((len(self.presence), number), dtype=np.int64)
        for domain, host in enumerate(start):
            self._put(domain, int(self.zone[host]), 1)
        self.most, self.least = np.append(primitive.most, np.inf), np.append(primitive.least, 0.0)
        bounds = np.concatenate([self.most[np.isfinite(self.most)], self.least, self.demand])
        # Sums of floats in another order are not taken for a breach.
        self.slack = 1e-9 * float(np.abs(bounds).max())
        self.load = self._loads()
        self.upper, self.lower = np.maximum(self.most, self.load), np.minimum(self.least, self.load)

    def _put(self, domain: int, zone: int, step: int) -> None:
        group = int(self.group[domain])
        if group < 0:
            self.lone[zone] += step * self.demand[domain]
            return
        self.counts[group, zone] += step
        self.sums[group, zone] += step * self.demand[domain]
        if self.counts[group, zone] == 0:
            self.sums[group, zone] = 0.0

    def _shares(self, group: int) -> FloatArray:
        """float[Z]: what a group counts for."""
        counted = np.maximum(self.sums[group], self.presence[group])
        return np.where(self.counts[group] > 0, counted, 0.0)

    def _loads(self) -> FloatArray:
        return np.asarray(self.lone + sum(self._shares(group) for group in range(len(self.presence))), dtype=np.float64)

    def _cost(self, load: FloatArray, least: FloatArray, most: FloatArray) -> FloatArray:
        over, under = load - most, least - load
        return np.where(over > self.slack, over, 0.0) + np.where(under > self.slack, under, 0.0)

    def _after(self, domain: int) -> tuple[FloatArray, FloatArray]:
        """float[Z] each: the loads if the domain arrived, and if it left."""
        group, demand = int(self.group[domain]), float(self.demand[domain])
        if group < 0:
            return self.load + demand, self.load - demand
        share, presence = self._shares(group), self.presence[group]
        more = np.maximum(self.sums[group] + demand, presence)
        less = np.where(self.counts[group] > 1, np.maximum(self.sums[group] - demand, presence), 0.0)
        return self.load - share + more, self.load - share + less

    def _change(self, domain: int, source: int, least: FloatArray, most: FloatArray) -> FloatArray:
        here = int(self.zone[source])
        arriving, leaving = self._after(domain)
        now = self._cost(self.load, least, most)
        change = (self._cost(arriving, least, most) - now)[self.zone]
        change += self._cost(leaving, least, most)[here] - now[here]
        change[self.zone == here] = 0.0
        return np.asarray(change / self.scale, dtype=np.float64)

    def cost(self) -> float:
        return float(self._cost(self.load, self.least, self.most).sum() / self.scale)

    def shift(self, domain: int, source: int) -> FloatArray:
        return self._change(domain, source, self.least, self.most)

    def worsen(self, domain: int, source: int) -> FloatArray | None:
        return self._change(domain, source, self.lower, self.upper)

    def worsening(self) -> float:
        return float(self._cost(self.load, self.lower, self.upper).sum() / self.scale)

    def apply(self, domain: int, source: int, destination: int) -> None:
        self._put(domain, int(self.zone[source]), -1)
        self._put(domain, int(self.zone[destination]), 1)
        self.load = self._loads()
