"""What rules that may be broken and goals cost at least, whatever the number of moves."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.arrays import distinct
from rebalancer.placement.bounds.hosts_in_use import hosts_in_use
from rebalancer.placement.bounds.reach import Reach
from rebalancer.placement.evaluators.groups import own_zones
from rebalancer.placement.primitives import (
    AllowedHosts,
    AssignmentCost,
    BoolArray,
    Capacity,
    DistanceCost,
    FloatArray,
    GroupLeast,
    GroupMost,
    GroupMoves,
    GroupsApart,
    HostsInUse,
    IntArray,
    Pool,
    Primitive,
    Ratio,
)
from rebalancer.placement.problem import Problem

__all__ = ["least_cost"]

_MOST_LOOKED_AT = 20_000_000
"""Entries of tables of allowed hosts."""


def least_cost(primitive: Primitive, problem: Problem, reach: Reach) -> float:  # noqa: C901
    """0 where nothing better is known."""
    match primitive:
        case HostsInUse():
            return hosts_in_use(primitive, problem)
        case AllowedHosts():
            forbidden = np.concatenate([np.zeros((1, len(problem.hosts))), ~primitive.masks])
            return _assigned(forbidden, primitive.mask + 1, problem, reach)
        case AssignmentCost():
            costs = np.concatenate([np.zeros((1, len(problem.hosts))), primitive.costs])
            return _assigned(costs, primitive.row + 1, problem, reach)
        case DistanceCost():
            return _away(primitive, problem, reach)
        case GroupMoves():
            forced = primitive.group[reach.forced & (primitive.group >= 0)]
            return float(np.bincount(forced).max(initial=0))
        case GroupMost():
            return _too_many(primitive)
        case GroupLeast():
            return _too_few(primitive)
        case GroupsApart():
            groups = len(set(primitive.group.tolist()) - {-1})
            return float(max(groups - primitive.most * len(set(own_zones(primitive.zone).tolist())), 0))
        case Capacity():
            return _over(primitive, problem, reach)
        case Pool() if primitive.group is None:
            return _pooled(primitive)
        case Ratio():
            return _out_of_proportion(primitive)
        case _:
            return 0.0


def _assigned(costs: FloatArray, row: IntArray, problem: Problem, reach: Reach) -> float:
    """Each domain on the cheapest host where it may be. ``costs``: float[M, H]; ``row``: int[D]."""
    pairs, pair = np.unique(reach.kind * len(costs) + row, return_inverse=True)
    least = np.array(
        [_least(costs[each % len(costs)], reach.allowed[each // len(costs)]) for each in pairs], dtype=np.float64
    )[pair]
    home = np.where(reach.forced, np.inf, costs[row, problem.start])
    found = np.minimum(least, home)
    return float(found[np.isfinite(found)].sum())


def _least(costs: FloatArray, allowed: BoolArray) -> float:
    return float(costs[allowed].min(initial=np.inf))


def _away(primitive: DistanceCost, problem: Problem, reach: Reach) -> float:
    """Who has to leave, to the nearest host."""
    total = 0.0
    for domain in np.flatnonzero(reach.forced):
        nearest = _least(primitive.distance[problem.start[domain]], reach.allowed[reach.kind[domain]])
        total += nearest if np.isfinite(nearest) else 0.0
    return total


def _too_many(primitive: GroupMost) -> float:
    if (primitive.zone < 0).any():
        return 0.0
    fixed = primitive.fixed[:, distinct(primitive.zone)]
    members = np.bincount(primitive.group[primitive.group >= 0], minlength=len(fixed))[: len(fixed)]
    room = np.maximum(primitive.most - fixed, 0).sum(axis=1)
    return float(np.maximum(fixed - primitive.most, 0).sum() + np.maximum(members - room, 0).sum())


def _too_few(primitive: GroupLeast) -> float:
    zones = len(set(own_zones(primitive.zone).tolist()))
    number = len(primitive.least)
    members = np.bincount(primitive.group[primitive.group >= 0], minlength=number)[:number]
    lacking = primitive.least - np.minimum(members, zones)
    return float(np.maximum(np.where(members > 0, lacking, 0), 0).sum())


def _over(primitive: Capacity, problem: Problem, reach: Reach) -> float:
    """All domains on all hosts where any may be, those that are bound to some hosts on these, and the one that fits
    worst on the largest of its own."""
    demand, limit = primitive.demand, primitive.limit
    finite = limit[np.isfinite(limit) & (limit > 0)]
    unit = primitive.scale if primitive.scale is not None else float(finite.mean()) if len(finite) else 1.0
    largest = np.where(reach.allowed, limit, 0.0).max(axis=1, initial=0.0)[reach.kind]
    largest = np.where(reach.forced, largest, np.maximum(largest, limit[problem.start]))
    least = float((demand - largest).max(initial=0.0))
    for hosts in (reach.usable(problem.start), *reach.allowed[: _MOST_LOOKED_AT // reach.allowed.size]):
        least = max(least, float(demand[reach.bound_to(hosts, problem.start)].sum() - limit[hosts].sum()))
    return least / unit


def _pooled(primitive: Pool) -> float:
    total = float(primitive.demand.sum())
    least = float(primitive.least.sum()) - total
    most = total - float(primitive.most.sum()) if (primitive.zone >= 0).all() else 0.0
    return (max(least, 0.0) + max(most, 0.0)) / primitive.scale


def _out_of_proportion(primitive: Ratio) -> float:
    """Σ max(0, x) ≥ max(0, Σ x)."""
    first = float(primitive.first_capacity.sum() - primitive.first.sum())
    second = float(primitive.second_capacity.sum() - primitive.second.sum())
    return max(primitive.target * first - second, 0.0)
