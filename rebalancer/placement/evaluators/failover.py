"""The evaluator of room for a failure: what the worst loss of some zones would leave without a place."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.evaluators.base import Evaluator
from rebalancer.placement.evaluators.groups import own_zones
from rebalancer.placement.primitives import Failover, FloatArray, IntArray

__all__ = ["FailoverEvaluator"]


class FailoverEvaluator(Evaluator):
    """Evaluates each candidate placement anew: O(R · H) a host, which is right for clusters, not for fleets."""

    def __init__(self, primitive: Failover, start: IntArray) -> None:
        self.demand, self.limit, self.tolerate = primitive.demand, primitive.limit, primitive.tolerate
        self.zone = own_zones(primitive.zone)
        self.zones = int(self.zone.max(initial=-1)) + 1
        self.placement = start.copy()
        positive = np.where(self.limit > 0, self.limit, np.nan)
        mean = np.array([np.nanmean(row) if np.isfinite(row).any() else 1.0 for row in positive])
        self.scale = mean
        self.load = np.array([np.bincount(start, weights=row, minlength=len(self.zone)) for row in self.demand])
        self.total = self._cost()
        self.bound = self.total

    def _cost(self) -> float:
        free = np.maximum(self.limit - self.load, 0.0)
        short = 0.0
        for row in range(len(self.demand)):
            # Losing a zone takes its load and its free room: the worst zones are those with the most of both.
            taken = np.bincount(self.zone, weights=self.load[row] + free[row], minlength=self.zones)
            worst = np.sort(taken)[::-1][: self.tolerate].sum()
            short += max(worst - free[row].sum(), 0.0) / self.scale[row]
        return short + self._homeless(free)

    def _homeless(self, free: FloatArray) -> float:
        """Domains that fit on no survivor once their own zone and those that could best hold them are lost."""
        return float(sum(not self._has_refuge(domain, free) for domain in range(len(self.placement))))

    def _has_refuge(self, domain: int, free: FloatArray) -> bool:
        fits = (self.demand[:, domain, None] <= free + 1e-9 * self.scale[:, None]).all(axis=0)
        refuges = set(self.zone[np.flatnonzero(fits)]) - {self.zone[self.placement[domain]]}
        return len(refuges) >= self.tolerate

    def cost(self) -> float:
        return self.total

    def shift(self, domain: int, source: int) -> FloatArray:
        change = np.zeros(len(self.zone))
        for host in range(len(self.zone)):
            if host != source:
                self._move(domain, source, host)
                change[host] = self._cost() - self.total
                self._move(domain, host, source)
        return change

    def worsen(self, domain: int, source: int) -> FloatArray | None:
        after = self.total + self.shift(domain, source)
        return np.asarray(np.maximum(after - self.bound, 0.0) - max(self.total - self.bound, 0.0), dtype=np.float64)

    def worsening(self) -> float:
        return max(self.total - self.bound, 0.0)

    def _move(self, domain: int, source: int, destination: int) -> None:
        self.load[:, source] -= self.demand[:, domain]
        self.load[:, destination] += self.demand[:, domain]
        self.placement[domain] = destination

    def apply(self, domain: int, source: int, destination: int) -> None:
        self._move(domain, source, destination)
        self.total = self._cost()
