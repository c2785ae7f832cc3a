"""Clusters of any size, made up: skewed ones to balance, full ones to evacuate."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from uuid import NAMESPACE_DNS, uuid5

from rebalancer.cluster import Capabilities, Cluster, Domain, Host, HostState, MigrationTraits
from rebalancer.cluster.units import Bytes
from rebalancer.policy import load_policies
from rebalancer.policy.model import Policy

__all__ = ["BALANCE", "EVACUATE", "crowded", "skewed"]

_GIB = 2**30
_OFFERS = Capabilities(live=True, rename=True, bandwidth=True)
_HEADER = "apiVersion: rebalancer/v1\nkind: Policy\nmetadata: {name: benchmark}\n"

BALANCE = f"""{_HEADER}
rules:
  - capacity: {{resource: memory}}
  - capacity: {{resource: cpu, overcommit: 4}}
  - anti_affinity: {{group: "labels.app"}}
goals:
  - balance: {{resource: memory, weight: 10}}
  - balance: {{resource: cpu, weight: 10}}
  - move_cost: {{per_move: 0.001}}
"""

EVACUATE = f"""{_HEADER}
rules:
  - capacity: {{resource: memory}}
  - capacity: {{resource: cpu, overcommit: 4}}
  - anti_affinity: {{group: "labels.app"}}
goals:
  - move_cost: {{per_move: 1}}
"""


def policy(text: str) -> Policy:
    return load_policies(["./benchmark.yaml"], lambda _: text)


def skewed(hosts: int, domains: int, seed: int = 0) -> Cluster:
    """Domains of 2 to 64 GiB, two thirds of all memory, on hosts that are between nearly empty and nearly full; every
    seventh is one of three that must be apart."""
    chance = Random(f"skewed {hosts} {domains} {seed}")
    sizes = chance.choices((2, 4, 8, 16, 32, 64), (25, 25, 25, 15, 8, 2), k=domains)
    capacity = max(1.5 * sum(sizes) / hosts, 80.0)
    share = [chance.gammavariate(6, 1) for _ in range(hosts)]
    free = [0.97 * capacity] * hosts
    found = []
    for index, size in enumerate(sizes):
        host = next((h for h in chance.choices(range(hosts), share, k=20) if free[h] >= size), free.index(max(free)))
        free[host] -= size
        found.append(_domain(index, host, size, cpu=size / 4 * chance.uniform(0.1, 1.0)))
    apart = chance.sample(range(domains), domains // 7 // 3 * 3)
    for number, index in enumerate(apart):
        found[index] = replace(found[index], labels={"app": f"app{number // 3}"})
    return _cluster([capacity] * hosts, found)


def crowded(hosts: int, domains: int, share: float = 0.05, seed: int = 0) -> Cluster:
    """A share of the hosts is in maintenance, each with four domains of 60 GiB; no other host has room for one of these
    unless others step aside first: each has 20 to 40 GiB left, which are enough in all."""
    chance = Random(f"crowded {hosts} {domains} {seed}")
    leaving = max(round(share * hosts), 1)
    found = [_domain(index, index // 4, 60, cpu=4.0) for index in range(4 * leaving)]
    stay = list(range(leaving, hosts))
    used = [0.0] * hosts
    for index in range(len(found), domains):
        host, size = stay[index % len(stay)], chance.choices((4, 8, 16, 32), (40, 30, 20, 10))[0]
        used[host] += size
        found.append(_domain(index, host, size, cpu=1.0))
    return _cluster([240.0 if h < leaving else used[h] + chance.uniform(20, 40) for h in range(hosts)], found, leaving)


def _domain(index: int, host: int, size: int, *, cpu: float) -> Domain:
    return Domain(
        name=f"d{index}",
        uuid=str(uuid5(NAMESPACE_DNS, f"d{index}")),
        host=f"h{host}",
        uses={"memory": float(size * _GIB), "cpu": cpu},
        migration=MigrationTraits(memory=Bytes(size * _GIB)),
    )


def _cluster(memory: list[float], domains: list[Domain], leaving: int = 0) -> Cluster:
    """``memory``: GiB of each host. The first ``leaving`` of them are in maintenance."""
    return Cluster(
        name="benchmark",
        hosts=tuple(
            Host(
                name=f"h{index}",
                state=HostState.MAINTENANCE if index < leaving else HostState.UP,
                capacity={"memory": gib * _GIB, "cpu": gib / 4},
                migration=_OFFERS,
            )
            for index, gib in enumerate(memory)
        ),
        domains=tuple(domains),
    )
