"""The decommissioning instances of Kherbache, Madelaine and Hermenier, "Planning live-migrations to prepare servers for
maintenance" and "Scheduling live-migrations for fast, adaptable and energy-efficient relocation operations" (UCC'15),
rebuilt: racks of 24 hosts with 1 Gbit/s each, a rack's uplink of 10 to 100 Gbit/s to the core. Every domain leaves, two
from each host, to half as many hosts. One migration alone takes 28 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import NAMESPACE_DNS, uuid5

import numpy as np

from rebalancer.cluster import Capabilities, Cluster, Domain, Host, Link, MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond
from rebalancer.placement.primitives import Capacity
from rebalancer.placement.problem import Problem, Term
from rebalancer.plan.schedule import Moves
from rebalancer.policy.model import MigrationSettings, Names
from tests.benchmarks.planning.bound import usable

__all__ = ["INSTANCES", "Decommissioning", "moves_of"]

GIGABIT = 125_000_000.0
_RACK = 24
_ALONE = 28.0
"""Seconds that a migration takes with all links to itself, by the paper's model."""

_OFFERS = Capabilities(live=True, rename=True, bandwidth=True, set_bandwidth=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decommissioning:
    domains: int
    uplink: float
    """Gbit/s"""
    most_gap: float
    """What the gap to the bound must not exceed."""

    @property
    def leave(self) -> int:
        """Hosts that are emptied."""
        return self.domains // 2

    @property
    def stay(self) -> int:
        return self.domains // 4


INSTANCES = (
    Decommissioning(domains=96, uplink=10, most_gap=0.03),
    Decommissioning(domains=192, uplink=20, most_gap=0.08),
    Decommissioning(domains=384, uplink=40, most_gap=0.0),
    Decommissioning(domains=960, uplink=100, most_gap=0.0),
)


def moves_of(instance: Decommissioning) -> Moves:
    names = [f"old{n}" for n in range(instance.leave)] + [f"new{n}" for n in range(instance.stay)]
    links = [Link(name=f"{name}-nic", connects=(name, _rack(name)), capacity=BytesPerSecond(GIGABIT)) for name in names]
    links += [
        Link(name=f"{rack}-uplink", connects=(rack, "core"), capacity=BytesPerSecond(instance.uplink * GIGABIT))
        for rack in sorted({_rack(name) for name in names})
    ]
    caps = {link.name: link.capacity for link in links}
    settings = MigrationSettings(per_host=64, total=10_000)
    memory = int(_ALONE * usable(GIGABIT, settings))
    start = [number // 2 for number in range(instance.domains)]
    target = [instance.leave + number % instance.stay for number in range(instance.domains)]
    domains = tuple(
        Domain(
            name=f"d{number}",
            uuid=str(uuid5(NAMESPACE_DNS, f"d{number}")),
            host=names[start[number]],
            uses={"memory": float(memory)},
            migration=MigrationTraits(memory=Bytes(memory), dirty_rate=BytesPerSecond(0.0)),
        )
        for number in range(instance.domains)
    )
    room = 6.0 * memory
    hosts = tuple(Host(name=name, capacity={"memory": room}, migration=_OFFERS) for name in names)
    capacity = Capacity(resource="memory", demand=np.full(len(domains), float(memory)), limit=np.full(len(hosts), room))
    return Moves(
        cluster=Cluster(name="ucc15", hosts=hosts, domains=domains, links=tuple(links)),
        problem=Problem(
            hosts=tuple(names),
            domains=tuple(domain.uuid for domain in domains),
            start=np.array(start, dtype=np.int64),
            terms=(Term(name="capacity: memory", primitive=capacity),),
        ),
        domains=domains,
        placement=np.array(target, dtype=np.int64),
        settings=[settings] * len(domains),
        names=Names(),
        caps=caps,
    )


def _rack(host: str) -> str:
    return f"{host[:3]}-rack{int(host[3:]) // _RACK}"
