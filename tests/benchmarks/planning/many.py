"""Many moves over many hosts: what a large site does in one night."""

from __future__ import annotations

from random import Random
from uuid import NAMESPACE_DNS, uuid5

import numpy as np

from rebalancer.cluster import Capabilities, Cluster, Domain, Host, Link, MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond
from rebalancer.placement.primitives import Capacity
from rebalancer.placement.problem import Problem, Term
from rebalancer.plan.schedule import Moves
from rebalancer.policy.model import MigrationSettings, Names

__all__ = ["many_moves"]

GIB = 2**30
_GIGABIT = 125_000_000.0
_RACK = 20
_OFFERS = Capabilities(live=True, rename=True, bandwidth=True, set_bandwidth=True, bandwidth_unit=2**20)


def many_moves(number: int) -> Moves:
    """A fifth as many hosts as moves, 20 a rack, 10 Gbit/s each and 40 Gbit/s a rack; each host is about nine tenths
    full after the moves at most, so that some must wait for others."""
    random = Random(number)
    hosts = number // 5
    names = [f"h{index}" for index in range(hosts)]
    links = [
        Link(name=f"{n}-nic", connects=(n, _rack(i)), capacity=BytesPerSecond(10 * _GIGABIT))
        for i, n in enumerate(names)
    ]
    links += [
        Link(name=f"{rack}-uplink", connects=(rack, "core"), capacity=BytesPerSecond(40 * _GIGABIT))
        for rack in dict.fromkeys(_rack(index) for index in range(hosts))
    ]
    start = np.array([random.randrange(hosts) for _ in range(2 * number)], dtype=np.int64)
    placement = start.copy()
    placement[:number] = [(int(h) + random.randrange(1, hosts)) % hosts for h in start[:number]]
    size = np.array([random.choice([1, 2, 4, 8]) * float(GIB) for _ in start])
    need = np.maximum(np.bincount(start, size, hosts), np.bincount(placement, size, hosts))
    room = need / 0.9 + 8 * GIB
    domains = tuple(
        Domain(
            name=f"d{index}",
            uuid=str(uuid5(NAMESPACE_DNS, f"d{index}")),
            host=names[host],
            uses={"memory": float(size[index])},
            migration=MigrationTraits(memory=Bytes(int(size[index])), dirty_rate=BytesPerSecond(random.random() * 5e7)),
        )
        for index, host in enumerate(start)
    )
    return Moves(
        cluster=Cluster(
            name="many",
            hosts=tuple(
                Host(name=name, capacity={"memory": float(amount)}, migration=_OFFERS)
                for name, amount in zip(names, room, strict=True)
            ),
            domains=domains,
            links=tuple(links),
        ),
        problem=Problem(
            hosts=tuple(names),
            domains=tuple(domain.uuid for domain in domains),
            start=start,
            terms=(Term(name="capacity: memory", primitive=Capacity(resource="memory", demand=size, limit=room)),),
        ),
        domains=domains,
        placement=placement,
        settings=[MigrationSettings(per_host=4, total=10_000)] * len(domains),
        names=Names(),
        caps={link.name: link.capacity for link in links},
    )


def _rack(host: int) -> str:
    return f"rack{host // _RACK}"
