"""Evaluators of how the domains of a group stand to each other over zones (hosts, racks, …)."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.evaluators.base import Evaluator
from rebalancer.placement.primitives import (
    FloatArray,
    GroupLeast,
    GroupMost,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    IntArray,
    Near,
)

__all__ = [
    "GroupLeastEvaluator",
    "GroupMostEvaluator",
    "GroupSkewEvaluator",
    "GroupSpanEvaluator",
    "GroupsApartEvaluator",
    "NearEvaluator",
    "counted_zones",
    "own_zones",
]


def own_zones(zone: IntArray) -> IntArray:
    """The same zones, each host without one in a new zone of its own."""
    own = zone.copy()
    alone = np.flatnonzero(zone < 0)
    own[alone] = int(zone.max(initial=-1)) + 1 + np.arange(len(alone))
    return own


def counted_zones(zone: IntArray, *, alone: bool) -> tuple[IntArray, int]:
    """int[H], without -1, and how many of the zones, the first ones, are looked at: a host in no zone is a zone of its
    own if ``alone``; otherwise it is in a last one, where nobody counts."""
    own = own_zones(zone)
    if alone:
        return own, int(own.max(initial=-1)) + 1
    number = int(zone.max(initial=-1)) + 1
    return np.minimum(own, number), number


def _counts(group: IntArray, zone: IntArray, start: IntArray, groups: int | None = None) -> IntArray:
    """int[G, Z]: how many domains of each group stand in each zone."""
    number = int(group.max(initial=-1)) + 1 if groups is None else groups
    count = np.zeros((number, int(zone.max(initial=-1)) + 1), dtype=np.int64)
    places = zone[start]
    member = (group >= 0) & (places >= 0)
    np.add.at(count, (group[member], places[member]), 1)
    return count


class GroupMostEvaluator(Evaluator):
    def __init__(self, primitive: GroupMost, start: IntArray) -> None:
        self.group, self.zone, self.most = primitive.group, primitive.zone, primitive.most
        self.count = primitive.fixed.astype(np.int64)
        zone = self.zone[start]
        member = (self.group >= 0) & (zone >= 0)
        np.add.at(self.count, (self.group[member], zone[member]), 1)
        self.bound = np.maximum(self.count, self.most)

    def _change(self, bound: IntArray | int, domain: int, source: int) -> FloatArray:
        group = self.group[domain]
        if group < 0:
            return np.zeros(len(self.zone))
        count = self.count[group]
        limit = np.broadcast_to(np.asarray(bound), self.count.shape)[group]
        arriving = (count >= limit).astype(np.float64)
        change = np.where(self.zone >= 0, arriving[self.zone], 0.0)
        here = self.zone[source]
        if here >= 0:
            change -= float(count[here] > limit[here])
            change[self.zone == here] = 0.0
        change[source] = 0.0
        return change

    def cost(self) -> float:
        return float((self.count[self.count > self.most] - self.most).sum())

    def shift(self, domain: int, source: int) -> FloatArray:
        return self._change(self.most, domain, source)

    def worsen(self, domain: int, source: int) -> FloatArray | None:
        return self._change(self.bound, domain, source) if self.group[domain] >= 0 else None

    def worsening(self) -> float:
        return float(np.maximum(self.count - self.bound, 0).sum())

    def apply(self, domain: int, source: int, destination: int) -> None:
        group = self.group[domain]
        if group < 0:
            return
        for host, step in ((source, -1), (destination, 1)):
            if self.zone[host] >= 0:
                self.count[group, self.zone[host]] += step


class _Zones(Evaluator):
    """What the number of zones that each group stands in costs; ``bound`` is per group."""

    def __init__(
        self, group: IntArray, zone: IntArray, start: IntArray, groups: int | None = None, *, alone: bool = True
    ) -> None:
        self.group = group
        self.zone, self.number = counted_zones(zone, alone=alone)
        self.count = _counts(group, self.zone, start, groups)
        self.used = (self.count[:, : self.number] > 0).sum(axis=1)

    def zones_after(self, domain: int, source: int) -> IntArray:
        """int[H]: the zones that the domain's group would stand in."""
        count, here = self.count[self.group[domain]], self.zone[source]
        counted = np.arange(len(count)) < self.number
        closed, opened = int(count[here] == 1 and counted[here]), ((count == 0) & counted).astype(np.int64)
        used = self.used[self.group[domain]] - closed + opened[self.zone]
        used[self.zone == here] = self.used[self.group[domain]]
        return np.asarray(used, dtype=np.int64)

    def apply(self, domain: int, source: int, destination: int) -> None:
        group = self.group[domain]
        if group >= 0:
            self.count[group, self.zone[source]] -= 1
            self.count[group, self.zone[destination]] += 1
            self.used[group] = int((self.count[group, : self.number] > 0).sum())


class GroupSpanEvaluator(_Zones):
    def __init__(self, primitive: GroupSpan, start: IntArray) -> None:
        super().__init__(primitive.group, primitive.zone, start, alone=primitive.alone)
        self.most = primitive.most
        self.bound = np.maximum(self.used, self.most)

    def _change(self, bound: int, domain: int, source: int) -> FloatArray:
        now = max(int(self.used[self.group[domain]]) - bound, 0)
        return np.maximum(self.zones_after(domain, source) - bound, 0).astype(np.float64) - now

    def cost(self) -> float:
        return float(np.maximum(self.used - self.most, 0).sum())

    def shift(self, domain: int, source: int) -> FloatArray:
        if self.group[domain] < 0:
            return np.zeros(len(self.zone))
        return self._change(self.most, domain, source)

    def worsen(self, domain: int, source: int) -> FloatArray | None:
        group = self.group[domain]
        return self._change(int(self.bound[group]), domain, source) if group >= 0 else None

    def worsening(self) -> float:
        return float(np.maximum(self.used - self.bound, 0).sum())


class GroupLeastEvaluator(_Zones):
    def __init__(self, primitive: GroupLeast, start: IntArray) -> None:
        super().__init__(primitive.group, primitive.zone, start, len(primitive.least))
        self.least = primitive.least
        self.bound = np.minimum(self.used, self.least)

    def _change(self, bound: int, domain: int, source: int) -> FloatArray:
        now = max(bound - int(self.used[self.group[domain]]), 0)
        return np.maximum(bound - self.zones_after(domain, source), 0).astype(np.float64) - now

    def cost(self) -> float:
        return float(np.where(self.count.any(axis=1), np.maximum(self.least - self.used, 0), 0).sum())

    def shift(self, domain: int, source: int) -> FloatArray:
        group = self.group[domain]
        return self._change(int(self.least[group]), domain, source) if group >= 0 else np.zeros(len(self.zone))

    def worsen(self, domain: int, source: int) -> FloatArray | None:
        group = self.group[domain]
        return self._change(int(self.bound[group]), domain, source) if group >= 0 else None

    def worsening(self) -> float:
        return float(np.maximum(self.bound - self.used, 0).sum())


class GroupSkewEvaluator(Evaluator):
    def __init__(self, primitive: GroupSkew, start: IntArray) -> None:
        self.group, self.zone, self.most = primitive.group, primitive.zone, primitive.most
        self.count = _counts(self.group, self.zone, start)
        self.bound = np.maximum(self._skew(self.count), self.most)

    @staticmethod
    def _skew(count: IntArray) -> IntArray:
        if count.shape[-1] == 0:
            return np.zeros(count.shape[:-1], dtype=np.int64)
        return np.asarray(count.max(axis=-1) - count.min(axis=-1), dtype=np.int64)

    def _change(self, bound: int, domain: int, source: int) -> FloatArray:
        count = self.count[self.group[domain]]
        zones = len(count)
        if zones == 0:
            return np.zeros(len(self.zone))
        # One row for each zone that the domain may go to, and a last one for none at all.
        after = np.repeat(count[None, :], zones + 1, axis=0)
        after[np.arange(zones), np.arange(zones)] += 1
        if self.zone[source] >= 0:
            after[:, self.zone[source]] -= 1
        costs = np.maximum(self._skew(after) - bound, 0)
        change = costs[self.zone].astype(np.float64) - max(int(self._skew(count)) - bound, 0)
        change[self.zone == self.zone[source]] = 0.0
        return change

    def cost(self) -> float:
        return float(np.maximum(self._skew(self.count) - self.most, 0).sum())

    def shift(self, domain: int, source: int) -> FloatArray:
        if self.group[domain] < 0:
            return np.zeros(len(self.zone))
        return self._change(self.most, domain, source)

    def worsen(self, domain: int, source: int) -> FloatArray | None:
        group = self.group[domain]
        return self._change(int(self.bound[group]), domain, source) if group >= 0 else None

    def worsening(self) -> float:
        return float(np.maximum(self._skew(self.count) - self.bound, 0).sum())

    def apply(self, domain: int, source: int, destination: int) -> None:
        group = self.group[domain]
        if group >= 0:
            for host, step in ((source, -1), (destination, 1)):
                if self.zone[host] >= 0:
                    self.count[group, self.zone[host]] += step


class GroupsApartEvaluator(Evaluator):
    def __init__(self, primitive: GroupsApart, start: IntArray) -> None:
        self.group, self.zone, self.most = primitive.group, own_zones(primitive.zone), primitive.most
        self.count = _counts(self.group, self.zone, start)
        self.kinds = (self.count > 0).sum(axis=0)
        self.bound = np.maximum(self.kinds, self.most)

    def _change(self, bound: IntArray, domain: int, source: int) -> FloatArray:
        count, here = self.count[self.group[domain]], self.zone[source]
        joining = ((count == 0) & (self.kinds >= bound)).astype(np.float64)[self.zone]
        leaving = float(count[here] == 1 and self.kinds[here] > bound[here])
        change = joining - leaving
        change[self.zone == here] = 0.0
        return np.asarray(change, dtype=np.float64)

    def cost(self) -> float:
        return float(np.maximum(self.kinds - self.most, 0).sum())

    def shift(self, domain: int, source: int) -> FloatArray:
        if self.group[domain] < 0:
            return np.zeros(len(self.zone))
        return self._change(np.full_like(self.kinds, self.most), domain, source)

    def worsen(self, domain: int, source: int) -> FloatArray | None:
        return self._change(self.bound, domain, source) if self.group[domain] >= 0 else None

    def worsening(self) -> float:
        return float(np.maximum(self.kinds - self.bound, 0).sum())

    def apply(self, domain: int, source: int, destination: int) -> None:
        group = self.group[domain]
        if group < 0:
            return
        for host, step in ((source, -1), (destination, 1)):
            zone = self.zone[host]
            self.count[group, zone] += step
            self.kinds[zone] = int((self.count[:, zone] > 0).sum())


class NearEvaluator(Evaluator):
    def __init__(self, primitive: Near, start: IntArray) -> None:
        self.group, self.zone = primitive.group, own_zones(primitive.zone)
        self.pairs = primitive.pairs[primitive.pairs[:, 0] != primitive.pairs[:, 1]]
        groups = max(int(self.group.max(initial=-1)), int(self.pairs.max(initial=-1))) + 1
        self.count = _counts(self.group, self.zone, start, groups)
        self.lonely = self._lonely(self.pairs)
        self.bound = self.lonely.copy()

    def _lonely(self, pairs: IntArray) -> IntArray:
        """The domains of each of these pairs that have no neighbour."""
        first, second = self.count[pairs[:, 0]], self.count[pairs[:, 1]]
        return np.asarray((first * (second == 0)).sum(axis=1), dtype=np.int64)

    def _changes(self, domain: int, source: int) -> tuple[IntArray, IntArray]:
        """The pairs concerned, int[Q], and the change of each for each host, int[Q, H]."""
        group, here = self.group[domain], self.zone[source]
        needing, serving = np.flatnonzero(self.pairs[:, 0] == group), np.flatnonzero(self.pairs[:, 1] == group)
        empty = self.count[self.pairs[needing, 1]] == 0
        needed = empty[:, self.zone].astype(np.int64) - empty[:, [here]]
        guests = self.count[self.pairs[serving, 0]]
        relieved = -guests[:, self.zone] * (self.count[group] == 0)[self.zone]
        abandoned = guests[:, [here]] * int(self.count[group, here] == 1)
        change = np.vstack([needed, relieved + abandoned])
        change[:, self.zone == here] = 0
        return np.concatenate([needing, serving]), change

    def cost(self) -> float:
        return float(self.lonely.sum())

    def shift(self, domain: int, source: int) -> FloatArray:
        if self.group[domain] < 0:
            return np.zeros(len(self.zone))
        return np.asarray(self._changes(domain, source)[1].sum(axis=0), dtype=np.float64)

    def worsen(self, domain: int, source: int) -> FloatArray | None:
        if self.group[domain] < 0:
            return None
        pairs, change = self._changes(domain, source)
        beyond = (self.lonely[pairs] - self.bound[pairs])[:, None]
        return np.asarray((np.maximum(beyond + change, 0) - np.maximum(beyond, 0)).sum(axis=0), dtype=np.float64)

    def worsening(self) -> float:
        return float(np.maximum(self.lonely - self.bound, 0).sum())

    def apply(self, domain: int, source: int, destination: int) -> None:
        group = self.group[domain]
        if group < 0:
            return
        self.count[group, self.zone[source]] -= 1
        self.count[group, self.zone[destination]] += 1
        concerned = np.flatnonzero((self.pairs == group).any(axis=1))
        self.lonely[concerned] = self._lonely(self.pairs[concerned])
