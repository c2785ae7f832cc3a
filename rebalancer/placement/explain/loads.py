"""Rules on what hosts hold in sum, in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rebalancer.placement.evaluators.groups import own_zones
from rebalancer.placement.evaluators.pools import PoolEvaluator
from rebalancer.placement.explain.words import NameOf, amount_of, bare_amount, hosts_of, listed
from rebalancer.placement.primitives import Capacity, Failover, FloatArray, IntArray, Pool
from rebalancer.placement.problem import Problem

__all__ = ["held", "overloaded", "pooled", "unsafe"]


def held(capacity: Capacity, problem: Problem, placement: IntArray) -> FloatArray:
    """float[H]: what counts on each host."""
    loads = np.bincount(placement, weights=capacity.demand, minlength=len(problem.hosts))
    if capacity.both_ends:
        gone = placement != problem.start
        loads += np.bincount(problem.start[gone], weights=capacity.demand[gone], minlength=len(problem.hosts))
    return np.asarray(loads, dtype=np.float64)


def overloaded(capacity: Capacity, problem: Problem, placement: IntArray, name: NameOf) -> Iterator[tuple[float, str]]:
    loads = held(capacity, problem, placement)
    for h in np.flatnonzero(loads > capacity.limit * (1 + 1e-9)):
        load, limit = float(loads[h]), float(capacity.limit[h])
        text = (
            f"{problem.hosts[h]}: {amount_of(capacity.resource, load)}, limit {bare_amount(capacity.resource, limit)}"
        )
        if capacity.both_ends:
            leaving = np.flatnonzero((problem.start == h) & (placement != h) & (capacity.demand > 0))
            if len(leaving):
                names = listed(f"'{name(int(d))}'" for d in leaving)
                text += f", counting what leaves: {names}"
        yield load - limit, text


def pooled(pool: Pool, hosts: tuple[str, ...], placement: IntArray) -> Iterator[tuple[float, str]]:
    follow = PoolEvaluator(pool, placement)
    for zone, (load, least, most) in enumerate(
        zip(follow.load[:-1].tolist(), pool.least.tolist(), pool.most.tolist(), strict=True)
    ):
        there = f"{hosts_of(zone, pool.zone, hosts)}: {amount_of(pool.resource, load)}"
        if load > most + follow.slack:
            yield load - most, f"{there}, limit {bare_amount(pool.resource, most)}"
        if load < least - follow.slack:
            yield least - load, f"{there}, at least {bare_amount(pool.resource, least)} wanted"


def unsafe(
    failover: Failover, hosts: tuple[str, ...], placement: IntArray, name: NameOf
) -> Iterator[tuple[float, str]]:
    zone = own_zones(failover.zone)
    load = np.array([np.bincount(placement, weights=row, minlength=len(hosts)) for row in failover.demand])
    free = np.maximum(failover.limit - load, 0.0)
    names = failover.resources or tuple(f"resource {row + 1}" for row in range(len(load)))
    for row, resource in enumerate(names):
        taken = np.bincount(zone, weights=load[row] + free[row])
        lost = np.argsort(-taken, kind="stable")[: failover.tolerate]
        missing = float(taken[lost].sum() - free[row].sum())
        if missing > 1e-9 * max(float(failover.limit[row].mean()), 1.0):
            yield missing, f"without {_all_of(lost, zone, hosts)}, {amount_of(resource, missing)} would be missing"
    slack = 1e-9 * np.maximum(failover.limit.mean(axis=1, keepdims=True), 1e-300)
    for d in range(len(placement)):
        fits = (failover.demand[:, d, None] <= free + slack).all(axis=0)
        own = int(zone[placement[d]])
        refuges = sorted(set(zone[fits].tolist()) - {own})
        if len(refuges) < failover.tolerate:
            needs = " and ".join(
                amount_of(resource, float(failover.demand[row, d])) for row, resource in enumerate(names)
            )
            lost = np.array([own, *refuges])
            yield 1.0, f"without {_all_of(lost, zone, hosts)}, no host has room for '{name(d)}' ({needs})"


def _all_of(lost: IntArray, zone: IntArray, hosts: tuple[str, ...]) -> str:
    return " and ".join(hosts_of(int(each), zone, hosts) for each in lost)
