"""Rules on what hosts hold in sum, beyond what the ledger books for each single host."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import inf, prod

import numpy as np

from rebalancer.placement.evaluators.failover import FailoverEvaluator
from rebalancer.placement.primitives import Failover, IntArray, Pool
from rebalancer.plan.watches.base import Watch, Zones

__all__ = ["PoolWatch", "RoomWatch"]

_MOST_IMAGINED = 256
"""Combinations of ends that are looked at one by one: eight domains on the move."""


class PoolWatch(Watch):
    """What zones hold: for the upper bound a moving domain counts at both ends, for the lower one at neither.

    Elements 0 … Z - 1 are the zones' upper bounds, Z … 2 Z - 1 their lower ones, of which all is negative.
    """

    def __init__(self, rule: Pool, start: IntArray) -> None:
        super().__init__(np.zeros(len(rule.demand), dtype=np.int64), rule.zone, start, 1)
        self._rule = rule
        self._number = len(rule.most)

    def elements(self, domain: int, zones: Zones) -> Iterable[int]:
        uncertain = self.places.zones[domain] - zones
        return (*(zones - {-1}), *(self._number + zone for zone in uncertain - {-1}))

    def left(self, domain: int, source: int) -> Iterable[int]:
        # What has left somewhere has arrived somewhere else, and counts there for certain.
        lower = (self._number + zone for zone in self.places.zones[domain] - {-1})
        return (*(self.zones((source,)) - {-1}), *lower)

    def everything(self) -> set[int]:
        return set(range(2 * self._number))

    def _load(self, domains: Iterable[int]) -> float:
        rule, present = self._rule, list(domains)
        if rule.group is None or rule.presence is None:
            return float(rule.demand[present].sum())
        sums: dict[int, float] = {}
        for domain in present:
            group = int(rule.group[domain])
            sums[group] = sums.get(group, 0.0) + float(rule.demand[domain])
        alone = sums.pop(-1, 0.0)
        return alone + sum(max(used, float(rule.presence[group])) for group, used in sums.items())

    def worst(self, element: int) -> float:
        where = self.places.zones
        if element < self._number:
            return self._load(domain for domain, zones in enumerate(where) if element in zones)
        certain = frozenset((element - self._number,))
        return -self._load(domain for domain, zones in enumerate(where) if zones == certain)

    def limit(self, element: int) -> float:
        upper = element < self._number
        bound = float(self._rule.most[element] if upper else -self._rule.least[element - self._number])
        # Sums of floats in another order are not taken for a breach.
        return bound + 1e-9 * max(abs(bound), 1.0) if np.isfinite(bound) else bound


class RoomWatch(Watch):
    """What a loss of hosts would leave without a place, whichever end each moving domain is at.

    Beyond eight domains on the move at once it is taken not to hold: then others wait.
    """

    def __init__(self, rule: Failover, start: IntArray) -> None:
        super().__init__(np.zeros(len(start), dtype=np.int64), np.arange(len(rule.zone)), start, 1)
        self._cost = FailoverEvaluator(rule, start)

    def worst(self, element: int) -> float:  # noqa: ARG002
        ends = [sorted(zones) for zones in self.places.zones]
        moving = [domain for domain, hosts in enumerate(ends) if len(hosts) > 1]
        if prod(len(ends[domain]) for domain in moving) > _MOST_IMAGINED:
            return inf
        placement = np.array([hosts[0] for hosts in ends], dtype=np.int64)
        worst = 0.0
        for chosen in product(*(ends[domain] for domain in moving)):
            placement[moving] = chosen
            worst = max(worst, self._cost.stand(placement))
        return worst

    def limit(self, element: int) -> float:  # noqa: ARG002
        return 1e-9
