"""The evaluator of room for a failure: what the worst loss of some zones would leave without a place."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.evaluators.base import Evaluator
from rebalancer.placement.evaluators.groups import own_zones
from rebalancer.placement.primitives import BoolArray, Failover, FloatArray, IntArray

__all__ = ["FailoverEvaluator"]


class FailoverEvaluator(Evaluator):
    """Evaluates each candidate placement anew: O(R · H · sizes of domains) a host, for clusters, not for fleets."""

    def __init__(self, primitive: Failover, start: IntArray) -> None:
        self.demand, self.limit, self.tolerate = primitive.demand, primitive.limit, primitive.tolerate
        # Without gaps: no zone is empty.
        self.zone: IntArray = np.unique(own_zones(primitive.zone), return_inverse=True)[1].reshape(-1).astype(np.int64)
        self.zones = int(self.zone.max(initial=-1)) + 1
        self.placement = start.copy()
        positive = np.where(self.limit > 0, self.limit, np.nan)
        mean = np.array([np.nanmean(row) if np.isfinite(row).any() else 1.0 for row in positive])
        self.scale = mean
        self.load = np.array([np.bincount(start, weights=row, minlength=len(self.zone)) for row in self.demand])
        self.sizes, size = np.unique(self.demand, axis=1, return_inverse=True)
        """float[R, U]: the different sizes of domains; ``size``: int[D], which each has."""
        self.size: IntArray = np.asarray(size, dtype=np.int64).reshape(-1)
        self.by_zone = np.argsort(self.zone, kind="stable")
        self.first = np.unique(self.zone[self.by_zone], return_index=True)[1]
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
        # [U, H]: of each size of domain, where it fits.
        room = (free + 1e-9 * self.scale[:, None])[:, None, :]
        fits: BoolArray = np.asarray((self.sizes[:, :, None] <= room).all(axis=0), dtype=np.bool_)
        open_zones: BoolArray = (
            np.logical_or.reduceat(fits[:, self.by_zone], self.first, axis=1) if self.zones else fits
        )
        own = open_zones[self.size, self.zone[self.placement]]
        return float((open_zones.sum(axis=1)[self.size] - own < self.tolerate).sum())

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

    def stand(self, placement: IntArray) -> float:
        """What a whole placement costs."""
        self.placement = placement.copy()
        self.load = np.array([np.bincount(placement, weights=row, minlength=len(self.zone)) for row in self.demand])
        self.total = self._cost()
        return self.total

    def _move(self, domain: int, source: int, destination: int) -> None:
        self.load[:, source] -= self.demand[:, domain]
        self.load[:, destination] += self.demand[:, domain]
        self.placement[domain] = destination

    def apply(self, domain: int, source: int, destination: int) -> None:
        self._move(domain, source, destination)
        self.total = self._cost()
