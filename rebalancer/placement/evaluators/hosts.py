"""Evaluators of where single domains may be and what they cost there, whatever the others do."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.evaluators.base import Evaluator
from rebalancer.placement.primitives import (
    AllowedHosts,
    AssignmentCost,
    DistanceCost,
    FloatArray,
    GroupMoves,
    IntArray,
    MoveCost,
)

__all__ = [
    "AllowedHostsEvaluator",
    "AssignmentCostEvaluator",
    "DistanceCostEvaluator",
    "GroupMovesEvaluator",
    "MoveCostEvaluator",
]


class AllowedHostsEvaluator(Evaluator):
    def __init__(self, primitive: AllowedHosts, start: IntArray) -> None:
        hosts = primitive.masks.shape[1]
        anywhere = np.ones((1, hosts), dtype=np.bool_)
        self.forbidden = ~np.vstack([primitive.masks, anywhere]).astype(np.bool_)
        self.row = np.where(primitive.mask < 0, len(primitive.masks), primitive.mask)
        self.start = start
        self.misplaced = int(self.forbidden[self.row, start].sum())
        self.worse = 0

    def cost(self) -> float:
        return float(self.misplaced)

    def shift(self, domain: int, source: int) -> FloatArray:
        change: FloatArray = self.forbidden[self.row[domain]].astype(np.float64)
        change -= change[source]
        return change

    def worsen(self, domain: int, source: int) -> FloatArray | None:
        worse: FloatArray = self.forbidden[self.row[domain]].astype(np.float64)
        worse[self.start[domain]] = 0.0
        worse -= worse[source]
        return worse

    def worsening(self) -> float:
        return float(self.worse)

    def apply(self, domain: int, source: int, destination: int) -> None:
        forbidden = self.forbidden[self.row[domain]]
        home = self.start[domain]
        self.misplaced += int(forbidden[destination]) - int(forbidden[source])
        self.worse += int(forbidden[destination] and destination != home) - int(forbidden[source] and source != home)


class AssignmentCostEvaluator(Evaluator):
    def __init__(self, primitive: AssignmentCost, start: IntArray) -> None:
        nothing = np.zeros((1, primitive.costs.shape[1]))
        self.costs = np.vstack([primitive.costs, nothing])
        self.row = np.where(primitive.row < 0, len(primitive.costs), primitive.row)
        self.total = float(self.costs[self.row, start].sum())

    def cost(self) -> float:
        return self.total

    def shift(self, domain: int, source: int) -> FloatArray:
        costs = self.costs[self.row[domain]]
        return np.asarray(costs - costs[source], dtype=np.float64)

    def apply(self, domain: int, source: int, destination: int) -> None:
        costs = self.costs[self.row[domain]]
        self.total += float(costs[destination] - costs[source])


class DistanceCostEvaluator(Evaluator):
    def __init__(self, primitive: DistanceCost, start: IntArray) -> None:
        self.distance = primitive.distance
        self.start = start
        self.total = 0.0

    def cost(self) -> float:
        return self.total

    def shift(self, domain: int, source: int) -> FloatArray:
        away = self.distance[self.start[domain]]
        return np.asarray(away - away[source], dtype=np.float64)

    def apply(self, domain: int, source: int, destination: int) -> None:
        away = self.distance[self.start[domain]]
        self.total += float(away[destination] - away[source])


class MoveCostEvaluator(Evaluator):
    def __init__(self, primitive: MoveCost, start: IntArray, hosts: int) -> None:
        self.each = primitive.cost
        self.start = start
        self.total = 0.0
        self.hosts = hosts

    def cost(self) -> float:
        return self.total

    def shift(self, domain: int, source: int) -> FloatArray:
        home = self.start[domain]
        change = np.full(self.hosts, self.each[domain])
        change[home] = 0.0
        return change - (self.each[domain] if source != home else 0.0)

    def apply(self, domain: int, source: int, destination: int) -> None:
        home = self.start[domain]
        self.total += self.each[domain] * (int(destination != home) - int(source != home))


class GroupMovesEvaluator(Evaluator):
    def __init__(self, primitive: GroupMoves, start: IntArray, hosts: int) -> None:
        self.group = primitive.group
        self.start = start
        self.moved = np.zeros(int(primitive.group.max(initial=-1)) + 1, dtype=np.int64)
        self.hosts = hosts

    def cost(self) -> float:
        return float(self.moved.max(initial=0))

    def shift(self, domain: int, source: int) -> FloatArray:
        group, home = self.group[domain], int(self.start[domain])
        change = np.zeros(self.hosts)
        if group < 0:
            return change
        most = int(self.moved.max(initial=0))
        if source == home:
            change[:] = max(self.moved[group] + 1 - most, 0)
            change[home] = 0.0
        else:
            self.moved[group] -= 1
            change[home] = int(self.moved.max()) - most
            self.moved[group] += 1
        return change

    def apply(self, domain: int, source: int, destination: int) -> None:
        group, home = self.group[domain], int(self.start[domain])
        if group >= 0:
            self.moved[group] += int(destination != home) - int(source != home)
