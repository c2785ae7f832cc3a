"""Random small problems that mix every primitive, and what a placement of them costs by the definitions alone."""

from __future__ import annotations

import itertools
from typing import get_args

import numpy as np

from rebalancer.placement.primitives import (
    AllowedHosts,
    AssignmentCost,
    Capacity,
    DistanceCost,
    Evenness,
    EvennessForm,
    Failover,
    GroupLeast,
    GroupMost,
    GroupMoves,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    HostsInUse,
    IntArray,
    MoveCost,
    Near,
    Pool,
    Primitive,
    Ratio,
    Traffic,
)
from rebalancer.placement.problem import Problem, Term


def random_problem(seed: int, *, hosts: int | None = None, domains: int | None = None) -> Problem:
    random = np.random.default_rng(seed)
    h = hosts or int(random.integers(2, 5))
    d = domains or int(random.integers(1, 7))
    start = random.integers(h, size=d)
    demand = random.integers(0, 6, size=d).astype(float)
    limit = random.integers(4, 14, size=h).astype(float)
    group = random.integers(-1, 3, size=d)
    zone = random.integers(-1, 2, size=h)
    counted = np.ones(h, dtype=bool)
    counted[0] = random.random() < 0.7
    terms = [
        Term(name="capacity", primitive=Capacity(resource="memory", demand=demand, limit=limit)),
        Term(
            name="pin",
            primitive=AllowedHosts(masks=random.random((2, h)) < 0.7, mask=random.integers(-1, 2, size=d)),
        ),
        Term(
            name="anti_affinity",
            primitive=GroupMost(
                group=group,
                zone=np.arange(h),
                most=int(random.integers(1, 3)),
                fixed=(random.random((3, h)) < 0.1).astype(np.int64),
            ),
        ),
        Term(
            name="affinity",
            tier=int(random.integers(0, 2)),
            weight=3.0,
            primitive=GroupSpan(
                group=random.integers(-1, 2, size=d), zone=zone, most=1, alone=bool(random.random() < 0.7)
            ),
        ),
        Term(
            name="balance",
            tier=1,
            primitive=Evenness(
                resource="memory",
                demand=demand,
                capacity=limit,
                counted=counted,
                target=demand.sum() / limit.sum(),
                tolerance=0.05,
                form=get_args(EvennessForm)[random.integers(5)],
            ),
        ),
        Term(name="move_cost", tier=int(random.integers(1, 3)), primitive=MoveCost(cost=random.random(d))),
    ]
    terms += [
        Term(name=type(primitive).__name__, tier=tier_of(random, primitive), weight=2.0, primitive=primitive)
        for primitive in rarer_primitives(random, h, d)
        if random.random() < 0.3
    ]
    if random.random() < 0.5:
        terms.append(Term(name="pack", tier=1, weight=5.0, primitive=HostsInUse(demand=demand, capacity=limit)))
    return Problem(
        hosts=tuple(f"h{i}" for i in range(h)),
        domains=tuple(f"d{i}" for i in range(d)),
        start=start,
        terms=(*(term for term in terms if random.random() < 0.8), *crowding(seed, h, d)),
        max_moves=int(random.integers(0, 4)) if random.random() < 0.3 else None,
    )


def crowding(seed: int, h: int, d: int) -> list[Term]:
    """What new names cost: some hosts do not count, definitions do, and the start may count for nothing."""
    random = np.random.default_rng([seed, 11])
    counted = random.random(h) < 0.7
    zone = np.where(counted, np.cumsum(counted) - 1, -1)
    group, fixed = random.integers(-1, 3, size=d), random.integers(-1, 2, size=(3, int(counted.sum())))
    primitive = GroupMost(group=group, zone=zone, most=1, fixed=fixed)
    wanted = counted.any() and random.random() < 0.3
    return [Term(name="crowding", tier=1, weight=0.7, primitive=primitive)] if wanted else []


def mixed_problem(seed: int, *, placements: float = 2e6) -> Problem:
    """One of 3 to 6 hosts with as many domains, give or take, as make so many placements."""
    random = np.random.default_rng([seed, 7])
    hosts = int(random.integers(3, 7))
    most = int(np.log(placements) / np.log(hosts))
    return random_problem(seed, hosts=hosts, domains=int(random.integers(most - 3, most + 1)))


def tier_of(random: np.random.Generator, primitive: Primitive) -> int:
    """Mere costs are never rules."""
    return (
        1
        if isinstance(primitive, AssignmentCost | DistanceCost | GroupMoves | Ratio | Traffic)
        else int(random.integers(2))
    )


def rarer_primitives(random: np.random.Generator, h: int, d: int) -> list[Primitive]:
    group, zone = random.integers(-1, 3, size=d), random.integers(-1, 3, size=h)
    demand, limit = random.integers(0, 6, size=(2, d)).astype(float), random.integers(4, 14, size=(2, h)).astype(float)
    distance = random.integers(0, 5, size=(h, h)).astype(float)
    np.fill_diagonal(distance, 0)
    return [
        AssignmentCost(costs=random.random((2, h)), row=random.integers(-1, 2, size=d)),
        Capacity(resource="r", demand=demand[0], limit=limit[0], scale=1.0, both_ends=True),
        DistanceCost(distance=distance),
        Failover(demand=demand, limit=limit, zone=zone, tolerate=int(random.integers(1, 3))),
        GroupLeast(group=group, zone=zone, least=random.integers(1, 4, size=3)),
        GroupMoves(group=group),
        GroupSkew(group=group, zone=zone, most=int(random.integers(0, 3))),
        GroupsApart(group=group, zone=zone),
        random_pool(random, h, d),
        Traffic(pairs=random_pairs(random, d), rate=random.random(4)[: 4 * (d > 1)], distance=distance),
        Near(group=group, zone=zone, pairs=random.integers(0, 3, size=(3, 2))),
        Ratio(first=demand[0], second=demand[1], first_capacity=limit[0], second_capacity=limit[1], target=1.5),
    ]


def random_pool(random: np.random.Generator, h: int, d: int) -> Pool:
    grouped = random.random() < 0.5
    return Pool(
        resource="r",
        demand=random.integers(0, 6, size=d).astype(float),
        zone=random.integers(-1, 3, size=h),
        most=np.array([9.0, np.inf, 6.0]),
        least=random.integers(0, 8, size=3).astype(float),
        scale=2.0,
        group=random.integers(-1, 2, size=d) if grouped else None,
        presence=np.array([4.0, 0.0]) if grouped else None,
    )


def random_pairs(random: np.random.Generator, d: int) -> IntArray:
    pairs = [random.choice(d, size=2, replace=False) for _ in range(4 * (d > 1))]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def zones_of(zone: IntArray, hosts: IntArray) -> list[object]:
    """The zone of each host; one that has none is its own."""
    return [int(zone[h]) if zone[h] >= 0 else f"host {h}" for h in hosts]


def elements(  # noqa: C901
    primitive: Primitive, placement: IntArray, start: IntArray
) -> dict[object, float]:
    """The cost of a primitive by its definition, element by element (a host, a domain, a group in a zone)."""
    match primitive:
        case AllowedHosts():
            # From one forbidden host to another is worse: an element is a domain on a host.
            return {
                (d, host): 1.0
                for d, host in enumerate(placement)
                if primitive.mask[d] >= 0 and not primitive.masks[primitive.mask[d], host]
            }
        case Capacity():
            scale = primitive.limit.mean() if primitive.scale is None else primitive.scale
            there = [placement == h for h in range(len(primitive.limit))]
            if primitive.both_ends:
                there = [now | (start == h) for h, now in enumerate(there)]
            loads = [primitive.demand[on].sum() for on in there]
            return {h: max(load - primitive.limit[h], 0) / scale for h, load in enumerate(loads)}
        case Pool():
            found = {}
            for z, (least, most) in enumerate(zip(primitive.least, primitive.most, strict=True)):
                load = pool_load(primitive, np.flatnonzero(primitive.zone[placement] == z))
                found[z, "most"] = max(load - most, 0.0) / primitive.scale
                found[z, "least"] = max(least - load, 0.0) / primitive.scale
            return found
        case GroupMost():
            found = {}
            for g, z in np.ndindex(primitive.fixed.shape):
                members = sum(primitive.group[d] == g and primitive.zone[host] == z for d, host in enumerate(placement))
                found[g, z] = float(max(members + primitive.fixed[g, z] - primitive.most, 0))
            return found
        case GroupSpan():
            spans = {
                g: {
                    primitive.zone[h] if primitive.zone[h] >= 0 else f"host {h}"
                    for h in placement[primitive.group == g]
                    if primitive.zone[h] >= 0 or primitive.alone
                }
                for g in set(primitive.group) - {-1}
            }
            return {g: float(max(len(zones) - primitive.most, 0)) for g, zones in spans.items()}
        case GroupLeast():
            found = {}
            for g, least in enumerate(primitive.least):
                zones = set(zones_of(primitive.zone, placement[primitive.group == g]))
                found[g] = float(max(least - len(zones), 0)) if zones else 0.0
            return found
        case GroupSkew():
            values = sorted(set(primitive.zone) - {-1})
            found = {}
            for g in sorted(set(primitive.group) - {-1}):
                at = list(primitive.zone[placement[primitive.group == g]])
                counts = [at.count(value) for value in range(max(values, default=-1) + 1)]
                found[g] = float(max(max(counts, default=0) - min(counts, default=0) - primitive.most, 0))
            return found
        case GroupsApart():
            at = zones_of(primitive.zone, placement)
            kinds = {
                z: {g for g, zone in zip(primitive.group, at, strict=True) if zone == z and g >= 0} for z in set(at)
            }
            return {z: float(max(len(groups) - primitive.most, 0)) for z, groups in kinds.items()}
        case Near():
            at = zones_of(primitive.zone, placement)
            found = {}
            for index, (first, second) in enumerate(primitive.pairs):
                served = {z for g, z in zip(primitive.group, at, strict=True) if g == second}
                found[index] = float(
                    sum(g == first and z not in served for g, z in zip(primitive.group, at, strict=True))
                    if first != second
                    else 0
                )
            return found
        case Ratio():
            found = {}
            for h in range(len(primitive.first_capacity)):
                first = primitive.first_capacity[h] - primitive.first[placement == h].sum()
                second = primitive.second_capacity[h] - primitive.second[placement == h].sum()
                found[h] = max(primitive.target * first - second, 0.0)
            return found
        case GroupMoves():
            moved = [primitive.group[d] for d in np.flatnonzero(placement != start) if primitive.group[d] >= 0]
            return {None: float(max((moved.count(g) for g in moved), default=0))}
        case AssignmentCost():
            return {
                d: primitive.costs[primitive.row[d], host] for d, host in enumerate(placement) if primitive.row[d] >= 0
            }
        case DistanceCost():
            return {d: primitive.distance[start[d], host] for d, host in enumerate(placement)}
        case Traffic():
            ends = placement[primitive.pairs]
            return {p: rate * primitive.distance[ends[p][0], ends[p][1]] for p, rate in enumerate(primitive.rate)}
        case Failover():
            return {None: failover_cost(primitive, placement)}
        case Evenness():
            return {None: evenness_cost(primitive, placement)}
        case HostsInUse():
            used = {h: min(primitive.demand[placement == h].sum() / primitive.capacity[h], 1) for h in set(placement)}
            return {h: (1 + 2 * u - u**2) / 2 for h, u in used.items()}
        case MoveCost():
            return {d: primitive.cost[d] for d in np.flatnonzero(placement != start)}


def pool_load(primitive: Pool, present: IntArray) -> float:
    """Of these domains."""
    if primitive.group is None or primitive.presence is None:
        return float(primitive.demand[present].sum())
    load = float(primitive.demand[present][primitive.group[present] < 0].sum())
    for g in set(primitive.group[present]) - {-1}:
        load += max(float(primitive.demand[present][primitive.group[present] == g].sum()), primitive.presence[g])
    return load


def evenness_cost(primitive: Evenness, placement: IntArray) -> float:
    used = [
        100 * primitive.demand[placement == h].sum() / capacity
        for h, capacity in enumerate(primitive.capacity)
        if primitive.counted[h]
    ]
    target, tolerance = 100 * primitive.target, 100 * primitive.tolerance
    squares = [max(abs(u - target) - tolerance, 0) ** 2 for u in used]
    match primitive.form:
        case "deviation":
            return (sum(squares) / max(len(used), 1)) ** 0.5
        case "variance":
            return sum(squares) / max(len(used), 1)
        case "peak":
            return max(max(used) - target - tolerance, 0) if used else 0.0
        case "range":
            return max(max(used) - min(used) - tolerance, 0) if used else 0.0
        case "excess":
            return sum(max(u - target - tolerance, 0) for u in used)


def failover_cost(primitive: Failover, placement: IntArray) -> float:
    """By trying every loss."""
    zones = zones_of(primitive.zone, np.arange(primitive.limit.shape[1]))
    losses = list(itertools.combinations(sorted(set(zones), key=str), min(primitive.tolerate, len(set(zones)))))
    loads = np.array([[row[placement == h].sum() for h in range(len(zones))] for row in primitive.demand])
    free = np.maximum(primitive.limit - loads, 0)
    short, homeless = [0.0] * len(loads), set()
    for lost in losses:
        down = np.array([zone in lost for zone in zones])
        for r in range(len(loads)):
            missing = loads[r][down].sum() - free[r][~down].sum()
            short[r] = max(short[r], missing / primitive.limit[r].mean())
        for d in np.flatnonzero(down[placement]):
            if not (primitive.demand[:, d, None] <= free[:, ~down]).all(axis=0).any():
                homeless.add(d)
    return sum(short) + len(homeless)


def reference_costs(problem: Problem, placement: IntArray) -> list[float]:
    """``[worsening, tier 0, tier 1, …]`` from the definitions."""
    costs = [0.0] * (problem.tiers + 1)
    for term in problem.terms:
        now = elements(term.primitive, placement, problem.start)
        costs[term.tier + 1] += term.weight * sum(now.values())
        if term.tier == 0:
            before = elements(term.primitive, problem.start, problem.start)
            costs[0] += sum(max(cost - before.get(element, 0.0), 0.0) for element, cost in now.items())
    moved = int((placement != problem.start).sum())
    if problem.max_moves is not None:
        costs[0] += max(moved - problem.max_moves, 0)
    return costs
