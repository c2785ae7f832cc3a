"""Small clusters for tests of policies, and what a primitive means for a placement, by its own docstring.

Nothing here shares code with rules, goals or the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product

import numpy as np
from hypothesis import strategies as st

from rebalancer.cluster import Capabilities, Cluster, Domain, DomainState, Host, HostState, MigrationTraits
from rebalancer.cluster.units import Bytes
from rebalancer.placement.primitives import (
    AllowedHosts,
    Capacity,
    Evenness,
    GroupMost,
    GroupSpan,
    HostsInUse,
    MoveCost,
    Primitive,
)
from rebalancer.placement.problem import Term
from rebalancer.policy import View

GIB = 2**30
ABLE = Capabilities(
    live=True, offline=True, rename=True, bandwidth=True, max_downtime=True, cancel=True, transports=("tcp",)
)

Placement = dict[str, str]
"""UUID → host"""


def host(name: str, **given: object) -> Host:
    defaults: dict[str, object] = {"capacity": {"cpu": 8.0, "memory": 64.0 * GIB}, "migration": ABLE}
    return Host(name=name, **{**defaults, **given})  # type: ignore[arg-type]


def domain(name: str, on: str, **given: object) -> Domain:
    defaults: dict[str, object] = {"uuid": f"uuid-{name}", "uses": {"cpu": 1.0, "memory": 8.0 * GIB}}
    return Domain(name=name, host=on, **{**defaults, **given})  # type: ignore[arg-type]


def cluster(hosts: Iterable[Host], domains: Iterable[Domain] = (), **given: object) -> Cluster:
    return Cluster(name="test", hosts=tuple(hosts), domains=tuple(domains), **given)  # type: ignore[arg-type]


def placements(view: View) -> Iterator[Placement]:
    """Every way to place the domains, allowed or not."""
    names = [item.name for item in view.hosts]
    for choice in product(names, repeat=len(view.domains)):
        yield {item.uuid: name for item, name in zip(view.domains, choice, strict=True)}


def cost(primitive: Primitive, view: View, placement: Placement) -> float:  # noqa: C901
    """What a placement costs by the docstring of a primitive, computed in the slowest and plainest way."""
    at = [view.host_index[placement[item.uuid]] for item in view.domains]
    hosts = range(len(view.hosts))
    match primitive:
        case AllowedHosts():
            return float(sum(m >= 0 and not primitive.masks[m, h] for m, h in zip(primitive.mask, at, strict=True)))
        case Capacity():
            loads = [sum(primitive.demand[d] for d, at_d in enumerate(at) if at_d == h) for h in hosts]
            positive = [limit for limit in primitive.limit if 0 < limit < np.inf]
            scale = sum(positive) / len(positive) if positive else 1.0
            return float(
                sum(max(load - limit, 0.0) for load, limit in zip(loads, primitive.limit, strict=True)) / scale
            )
        case GroupMost():
            total = 0
            for g, z in np.ndindex(primitive.fixed.shape):
                members = sum(primitive.group[d] == g and primitive.zone[h] == z for d, h in enumerate(at))
                total += max(members + primitive.fixed[g, z] - primitive.most, 0)
            return total
        case GroupSpan():
            groups = set(primitive.group.tolist()) - {-1}
            zones = {
                g: {
                    (int(primitive.zone[h]), -1 if primitive.zone[h] >= 0 else h)
                    for d, h in enumerate(at)
                    if primitive.group[d] == g
                }
                for g in groups
            }
            return sum(max(len(found) - primitive.most, 0) for found in zones.values())
        case Evenness():
            outside = []
            for h in hosts:
                if primitive.counted[h]:
                    load = sum(primitive.demand[d] for d, at_d in enumerate(at) if at_d == h)
                    distance = abs(load / primitive.capacity[h] - primitive.target)
                    outside.append(max(distance - primitive.tolerance, 0.0) ** 2)
            return float(100.0 * (sum(outside) / len(outside)) ** 0.5)
        case HostsInUse():
            total = 0.0
            for h in set(at):
                load = sum(primitive.demand[d] for d, at_d in enumerate(at) if at_d == h)
                used = min(load / primitive.capacity[h], 1.0) if primitive.capacity[h] > 0 else 0.0
                total += (1 + 2 * used - used**2) / 2
            return total
        case MoveCost():
            return float(sum(primitive.cost[d] for d, h in enumerate(at) if h != view.start[d]))


def total(terms: Iterable[Term], view: View, placement: Placement) -> float:
    return sum(term.weight * cost(term.primitive, view, placement) for term in terms)


def agrees(terms: Iterable[Term], view: View, expected: Callable[[Placement], float]) -> None:
    """The terms cost what is expected, on every placement."""
    found = tuple(terms)
    for placement in placements(view):
        assert abs(total(found, view, placement) - expected(placement)) < 1e-9, placement


@st.composite
def views(draw: st.DrawFn) -> View:
    """Up to three hosts and four domains, with what rules look at: labels, states, resources that may be missing."""
    names = ["h1", "h2", "h3"][: draw(st.integers(1, 3))]
    racks = st.sampled_from([{}, {"rack": "r1"}, {"rack": "r2"}])
    amounts = st.sampled_from([0.0, 1.0, 2.0, 4.0])
    capacities = st.fixed_dictionaries({}, optional={"cpu": amounts, "memory": amounts.map(lambda n: n * GIB)})
    hosts = [
        host(
            name,
            labels=draw(racks),
            capacity=draw(capacities),
            state=draw(st.sampled_from([HostState.UP, HostState.UP, HostState.MAINTENANCE])),
        )
        for name in names
    ]
    domains = [
        domain(
            f"d{number}",
            draw(st.sampled_from(names)),
            labels=draw(st.sampled_from([{}, {"app": "web"}, {"app": "db"}])),
            uses=draw(capacities),
            state=draw(st.sampled_from([DomainState.RUNNING, DomainState.PAUSED, DomainState.SHUT_OFF])),
            migration=MigrationTraits(memory=Bytes(draw(st.integers(0, 4)) * GIB)),
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    return View(cluster(hosts, domains))
