"""Random clusters of racks whose uplinks carry a fraction of what their hosts can send, and moves across them."""

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

__all__ = ["random_moves"]

GIB = 2**30
_GIGABIT = 125_000_000.0
_OFFERS = Capabilities(live=True, rename=True, bandwidth=True, set_bandwidth=True)


def random_moves(random: Random, most: int = 80) -> Moves:
    """4 to 10 racks of 3 to 8 hosts, 10 Gbit/s each, with uplinks oversubscribed 4 to 16 times. 20 to ``most`` domains
    of 2 to 32 GiB, host by host, move between racks, one time in four because racks are emptied. They write up to
    a third of what an uplink carries."""
    racks, size = random.randint(4, 10), random.randint(3, 8)
    uplink = size * 10 * _GIGABIT / random.choice([4, 8, 16])
    names = [f"r{rack}h{host}" for rack in range(racks) for host in range(size)]
    links = [Link(name=f"{n}-nic", connects=(n, n[:2]), capacity=BytesPerSecond(10 * _GIGABIT)) for n in names]
    links += [
        Link(name=f"r{rack}-uplink", connects=(f"r{rack}", "core"), capacity=BytesPerSecond(uplink))
        for rack in range(racks)
    ]
    number, closed = random.randint(20, most), random.choice([0, 0, 0, racks // 2]) * size
    start, target, domains = sorted(random.randrange(closed or len(names)) for _ in range(number)), [], []
    for index, source in enumerate(start):
        destination = random.choice([h for h in range(closed, len(names)) if h // size != source // size])
        target.append(destination)
        memory = random.choice([2, 2, 4, 4, 8, 8, 16, 32]) * GIB
        domains.append(
            Domain(
                name=f"d{index}",
                uuid=str(uuid5(NAMESPACE_DNS, f"d{index}")),
                host=names[source],
                uses={"memory": float(memory)},
                migration=MigrationTraits(
                    memory=Bytes(memory), dirty_rate=BytesPerSecond(random.random() ** 2 * 0.33 * uplink)
                ),
            )
        )
    demand = np.array([domain.uses["memory"] for domain in domains])
    need = [0.0] * len(names)
    for placement in (start, target):
        load = np.bincount(placement, weights=demand, minlength=len(names))
        need = [max(pair) for pair in zip(need, load.tolist(), strict=True)]
    room = [amount * random.uniform(1.2, 2.0) + 16 * GIB for amount in need]
    hosts = tuple(
        Host(name=name, capacity={"memory": size}, migration=_OFFERS) for name, size in zip(names, room, strict=True)
    )
    return Moves(
        cluster=Cluster(name="uplinks", hosts=hosts, domains=tuple(domains), links=tuple(links)),
        problem=Problem(
            hosts=tuple(names),
            domains=tuple(domain.uuid for domain in domains),
            start=np.array(start, dtype=np.int64),
            terms=(
                Term(
                    name="capacity: memory",
                    primitive=Capacity(resource="memory", demand=demand, limit=np.array(room)),
                ),
            ),
        ),
        domains=tuple(domains),
        placement=np.array(target, dtype=np.int64),
        settings=[MigrationSettings(per_host=64, total=1000)] * number,
        names=Names(),
        caps={link.name: link.capacity for link in links},
    )
