"""Small worlds for the simulator's tests."""

from __future__ import annotations

from collections.abc import Sequence

from rebalancer.cluster import Capabilities, Cluster, Domain, Host, Link, MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond

MIB = 2**20
GIB = 2**30
EVERYTHING = Capabilities(
    live=True,
    offline=True,
    rename=True,
    bandwidth=True,
    set_bandwidth=True,
    max_downtime=True,
    cancel=True,
    progress=True,
    auto_converge=True,
    post_copy=True,
    dirty_rate=True,
    transports=("tcp",),
    bandwidth_unit=MIB,
)


def domain(name: str, host: str, *, memory: int = GIB, dirty: float = 0.0, called: str | None = None) -> Domain:
    return Domain(
        name=called or name,
        uuid=f"00000000-0000-4000-8000-{name.encode().hex():0>12}",
        host=host,
        uses={"memory": float(memory)},
        migration=MigrationTraits(memory=Bytes(memory), dirty_rate=BytesPerSecond(dirty)),
    )


def cluster(
    domains: Sequence[Domain], *, memory: float = 64 * GIB, capacity: float = 1e9, migration: Capabilities = EVERYTHING
) -> Cluster:
    """Hosts h1 to h3, each on a link of ``capacity`` bytes per second to one switch."""
    hosts = ("h1", "h2", "h3")
    return Cluster(
        name="test",
        hosts=tuple(Host(name=name, capacity={"memory": memory}, migration=migration) for name in hosts),
        domains=tuple(domains),
        links=tuple(
            Link(name=f"{name}-nic", connects=(name, "tor"), capacity=BytesPerSecond(capacity)) for name in hosts
        ),
    )
