"""Random clusters and targets with everything in them that orders moves, for planner and checker."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np

from rebalancer.checker import Situation
from rebalancer.cluster import (
    Capabilities,
    Caps,
    Cluster,
    DirectedLink,
    Domain,
    DomainState,
    Host,
    Link,
    MigrationTraits,
)
from rebalancer.cluster.units import Bytes, BytesPerSecond
from rebalancer.placement.limits import MoveLimits
from rebalancer.placement.primitives import (
    AllowedHosts,
    Capacity,
    GroupLeast,
    GroupMost,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    IntArray,
    Near,
    Primitive,
)
from rebalancer.placement.problem import Problem, Term
from rebalancer.plan.schedule import Moves
from rebalancer.policy.model import MigrationSettings, Names, OnClash

__all__ = ["random_moves", "situation_of"]

GIB = 2**30


def random_moves(random: Random) -> Moves:
    """2 to 6 hosts, up to 12 domains (a few only defined), one to three resources, tight or not, names that clash,
    hosts that cannot rename, links with caps, dirty rates, weights, and now and then rules on where domains stand.
    Targets keep every rule; starts do not always."""
    hosts, number = random.randint(2, 6), random.randint(1, 12)
    names = [f"h{index}" for index in range(hosts)]
    start = [random.randrange(hosts) for _ in range(number)]
    target = [random.randrange(hosts) if random.random() < 0.7 else host for host in start]
    demands = {
        resource: [random.choice([1, 1, 2, 3, 4, 8]) * unit for _ in range(number)]
        for resource, unit in random.sample(
            [("memory", float(GIB)), ("cpu", 1.0), ("disk", float(GIB))], random.randint(1, 3)
        )
    }
    limits = {resource: _limits(random, demand, hosts, start, target) for resource, demand in demands.items()}
    taken: set[tuple[str, str]] = set()
    domains = tuple(_domain(random, index, names[host], demands, taken) for index, host in enumerate(start))
    defined = tuple(
        Domain(name=f"web{random.randrange(3)}", uuid=_uuid(1000 + index), host=host, state=DomainState.SHUT_OFF)
        for index, host in enumerate(names)
        if random.random() < 0.2
    )
    defined = tuple(domain for domain in defined if (domain.host, domain.name) not in taken)
    taken |= {(domain.host, domain.name) for domain in defined}
    for domain in domains:
        # What a migration that did not clean up has left.
        host = random.choice(names)
        if random.random() < 0.1 and (host, domain.name) not in taken:
            taken.add((host, domain.name))
            defined += (replace(domain, host=host, state=DomainState.SHUT_OFF),)
    links = _links(random, names)
    able = Capabilities(
        live=True,
        rename=random.random() < 0.8,
        bandwidth=True,
        set_bandwidth=True,
        bandwidth_unit=random.choice([1, 2**20]),
    )
    settings = MigrationSettings(per_host=random.choice([1, 2, 2, 4]), total=random.choice([1, 4, 8, 100]))
    capacity = [
        Term(
            name=f"capacity: {resource}",
            primitive=Capacity(
                resource=resource,
                demand=np.array(demands[resource]),
                limit=np.array(limits[resource]),
                both_ends=random.random() < 0.1,
            ),
        )
        for resource in demands
    ]
    rules = [_rule(random, hosts, number, start, target) for _ in range(random.choice([0, 0, 1, 2]))]
    terms = [Term(name=f"rule {index}", primitive=rule) for index, rule in enumerate(rules)]
    weights = random.choice([(1.0,), (1.0, 1.0, 3.0)])
    capacities = ({resource: limit[index] for resource, limit in limits.items()} for index in range(hosts))
    movers = sum(here != there for here, there in zip(start, target, strict=True))
    return Moves(
        cluster=Cluster(
            name="random",
            hosts=tuple(Host(name=n, capacity=c, migration=able) for n, c in zip(names, capacities, strict=True)),
            domains=(*domains, *defined),
            links=links,
        ),
        problem=Problem(
            hosts=tuple(names),
            domains=tuple(domain.uuid for domain in domains),
            start=np.array(start, dtype=np.int64),
            terms=(*capacity, *terms),
            max_moves=random.choice([None, None, None, movers, movers + 1]),
            limits=_move_limits(random, hosts, start, target),
        ),
        domains=domains,
        placement=np.array(target, dtype=np.int64),
        settings=[replace(settings, weight=random.choice(weights)) for _ in range(number)],
        names=Names(on_clash=random.choice([OnClash.RENAME, OnClash.RENAME, OnClash.ORDER])),
        caps=_caps(random, links),
        slots={link.name: random.randint(1, 2) for link in links if random.random() < 0.2},
    )


def situation_of(moves: Moves) -> Situation:
    problem = moves.problem
    return Situation(
        cluster=moves.cluster,
        hosts=problem.hosts,
        domains=problem.domains,
        start=tuple(problem.start.tolist()),
        target={uuid: problem.hosts[host] for uuid, host in zip(problem.domains, moves.placement, strict=True)},
        terms=problem.terms,
        caps=moves.caps,
        slots=moves.slots,
        names=moves.names,
        max_moves=problem.max_moves,
        limits=problem.limits,
    )


def _move_limits(random: Random, hosts: int, start: list[int], target: list[int]) -> MoveLimits | None:
    """Now and then as many domains at each host as the moves themselves need."""
    moves = [(here, there) for here, there in zip(start, target, strict=True) if here != there]
    if random.random() < 0.8:
        return None
    return MoveLimits(
        per_host=max(sum(host in move for move in moves) for host in range(hosts)),
        arrivals_per_host=max(sum(host == there for _, there in moves) for host in range(hosts)),
    )


def _uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def _domain(
    random: Random, index: int, host: str, demands: dict[str, list[float]], taken: set[tuple[str, str]]
) -> Domain:
    name = f"web{index % 3}" if random.random() < 0.3 else f"d{index}"
    if (host, name) in taken:
        name = f"d{index}"
    taken.add((host, name))
    dirty = random.choice([None, BytesPerSecond(random.random() * 4e7)])
    return Domain(
        name=name,
        uuid=_uuid(index),
        host=host,
        uses={resource: demand[index] for resource, demand in demands.items()},
        migration=MigrationTraits(memory=Bytes(random.choice([1, 2, 4]) * GIB), dirty_rate=dirty),
    )


def _limits(random: Random, demand: list[float], hosts: int, start: list[int], target: list[int]) -> list[float]:
    """Room for the target, and mostly for the start; sometimes next to no more than that."""
    unit = min(demand)
    need = np.bincount(target, demand, hosts)
    if random.random() < 0.8:
        need = np.maximum(need, np.bincount(start, demand, hosts))
    return [float(amount + unit * random.choice([0, 1, 2, 4, 20])) for amount in need]


def _links(random: Random, names: list[str]) -> tuple[Link, ...]:
    if random.random() < 0.4:
        return ()
    racks = random.choice([1, 1, 2])
    rate = random.choice([1.25e8, 1.25e9])
    links = [
        Link(name=f"{name}-nic", connects=(name, f"rack{index % racks}"), capacity=BytesPerSecond(rate))
        for index, name in enumerate(names)
    ]
    if racks > 1:
        links += [
            Link(name=name, connects=("rack0", "rack1"), capacity=BytesPerSecond(rate * random.choice([1, 2])))
            for name in ("uplink", "uplink2")[: random.choice([1, 1, 2])]
        ]
    return tuple(links)


def _caps(random: Random, links: tuple[Link, ...]) -> Caps:
    caps: dict[str | DirectedLink, BytesPerSecond] = {}
    for link in links:
        caps[link.name] = BytesPerSecond(link.capacity * random.choice([0.5, 1.0]))
        if random.random() < 0.2:
            caps[DirectedLink(link.name, random.choice(link.connects))] = BytesPerSecond(link.capacity * 0.3)
    return caps


def _rule(random: Random, hosts: int, number: int, start: list[int], target: list[int]) -> Primitive:
    """One that the target keeps, or no worse than the start."""
    group = np.array([random.randint(-1, 2) for _ in range(number)])
    zone = _numbered([random.randint(-1, 2) for _ in range(hosts)]) if random.random() < 0.5 else np.arange(hosts)
    counts = np.zeros((3, int(zone.max(initial=0)) + 1), dtype=np.int64)
    for g, host in zip(group, target, strict=True):
        if g >= 0 and zone[host] >= 0:
            counts[g, zone[host]] += 1
    zones = [
        {int(zone[h]) if zone[h] >= 0 else -1 - h for g, h in zip(group, target, strict=True) if g == each}
        for each in range(3)
    ]
    near = [(first, second) for first in range(3) for second in range(3) if zones[first] <= zones[second]]
    masks = np.array([[random.random() < 0.7 or h in target for h in range(hosts)]])
    kept = [
        AllowedHosts(masks=masks, mask=np.array([random.choice([-1, 0]) for _ in range(number)])),
        GroupMost(group=group, zone=zone, most=max(int(counts.max()), 1), fixed=np.zeros_like(counts)),
        GroupSpan(group=group, zone=zone, most=max(1, *map(len, zones))),
        GroupLeast(group=group, zone=zone, least=np.array(list(map(len, zones)))),
        GroupSkew(group=group, zone=zone, most=int((counts.max(axis=1) - counts.min(axis=1)).max())),
        GroupsApart(group=group, zone=zone, most=3),
        Near(group=group, zone=zone, pairs=np.array(random.sample(near, 2))),
    ]
    return random.choice(kept)


def _numbered(zones: list[int]) -> IntArray:
    """Without gaps, as those of policies are: a zone that no host is in is none."""
    known = sorted(set(zones) - {-1})
    return np.array([-1 if zone < 0 else known.index(zone) for zone in zones], dtype=np.int64)
