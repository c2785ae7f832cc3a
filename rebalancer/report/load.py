"""What every host carries, now and after a plan."""

from __future__ import annotations

from collections.abc import Mapping

from rebalancer.cluster import Cluster, Domain, Host
from rebalancer.values import dataclass

__all__ = ["HostLoad", "host_loads", "resources"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLoad:
    """Each pair is (before, after). ``shares``: resource → used share of the capacity, where that is known."""

    host: Host
    domains: tuple[int, int]
    shares: Mapping[str, tuple[float, float]]


def resources(cluster: Cluster) -> tuple[str, ...]:
    """The resources that any host has a capacity of: cpu and memory first."""
    known = {resource for host in cluster.hosts for resource, amount in host.capacity.items() if amount > 0}
    return tuple(sorted(known, key=lambda name: ({"cpu": 0, "memory": 1}.get(name, 2), name)))


def host_loads(cluster: Cluster, placement: Mapping[str, str]) -> tuple[HostLoad, ...]:
    """``placement``: UUID → host of the domains that move; in the order of the cluster's hosts."""
    standing: dict[str, list[Domain]] = {}
    coming: dict[str, list[Domain]] = {}
    for domain in cluster.active_domains:
        standing.setdefault(domain.host, []).append(domain)
        coming.setdefault(placement.get(domain.uuid, domain.host), []).append(domain)
    loads: list[HostLoad] = []
    for host in cluster.hosts:
        before, after = standing.get(host.name, []), coming.get(host.name, [])
        loads.append(
            HostLoad(
                host=host,
                domains=(len(before), len(after)),
                shares={
                    resource: (
                        sum(domain.uses.get(resource, 0.0) for domain in before) / amount,
                        sum(domain.uses.get(resource, 0.0) for domain in after) / amount,
                    )
                    for resource, amount in host.capacity.items()
                    if amount > 0
                },
            )
        )
    return tuple(loads)
