"""The evaluator of what talks to each other over a distance."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.evaluators.base import Evaluator
from rebalancer.placement.primitives import FloatArray, IntArray, Traffic

__all__ = ["TrafficEvaluator"]


class TrafficEvaluator(Evaluator):
    def __init__(self, primitive: Traffic, start: IntArray) -> None:
        self.distance = np.asarray(primitive.distance, dtype=np.float64)
        self.place = start.copy()
        self.partners: dict[int, list[tuple[int, float, bool]]] = {}
        """Of each domain: the other one of a pair, at which rate, and whether the domain is the pair's first."""
        for (first, second), rate in zip(primitive.pairs.tolist(), primitive.rate.tolist(), strict=True):
            self.partners.setdefault(first, []).append((second, rate, True))
            self.partners.setdefault(second, []).append((first, rate, False))
        hosts = start[primitive.pairs] if len(primitive.pairs) else np.zeros((0, 2), dtype=np.int64)
        self.total = float((primitive.rate * self.distance[hosts[:, 0], hosts[:, 1]]).sum())

    def cost(self) -> float:
        return self.total

    def _costs(self, domain: int) -> FloatArray:
        """float[H]: what the domain's pairs cost with the domain on each host."""
        costs = np.zeros(len(self.distance))
        for other, rate, first in self.partners.get(domain, ()):
            there = int(self.place[other])
            costs += rate * (self.distance[:, there] if first else self.distance[there])
        return costs

    def shift(self, domain: int, source: int) -> FloatArray:
        costs = self._costs(domain)
        return np.asarray(costs - costs[source], dtype=np.float64)

    def apply(self, domain: int, source: int, destination: int) -> None:
        costs = self._costs(domain)
        self.total += float(costs[destination] - costs[source])
        self.place[domain] = destination
