"""How many more domains of a kind fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from rebalancer.cluster import Cluster, Domain
from rebalancer.cluster.newcomers import clones
from rebalancer.placement.insertion import insert
from rebalancer.policy.model import Policy
from rebalancer.values import dataclass
from rebalancer.whatif.start import reasons_against
from rebalancer.whatif.waiting import waiting_problem

__all__ = ["Headroom", "headroom"]

_MOST = 10_000
_FEW, _MANY = 50, 400
"""That wait at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """``number`` more like ``kind`` fit, on these ``hosts`` (name → how many); ``reasons``: for each host, why not one
    more. Where there are none, more were not tried."""

    kind: Domain
    number: int
    hosts: Mapping[str, int]
    reasons: Mapping[str, str]


def headroom(
    cluster: Cluster,
    policy: Policy,
    kind: Domain,
    *,
    most: int = _MOST,
    elapsed: Callable[[], float] = lambda: 0.0,
) -> Headroom:
    """Starts one after another like ``kind``, each on the host that is best for it, until none fits any more; so at
    least as many as that fit, and exactly as many where each host's room alone decides."""
    hosts: Counter[str] = Counter()
    # Under other names than domains of the same kind that run already.
    for batch in _batches(clones(replace(kind, name=f"more {kind.name}"), most)):
        waiting = waiting_problem(cluster, policy, batch)
        placement = insert(waiting.problem, waiting.waiting, alike=True, stop=lambda: elapsed() >= 1.0)
        started = tuple(
            replace(domain, host=waiting.problem.hosts[placement[d]])
            for d, domain in zip(waiting.waiting, batch, strict=True)
            if placement[d] < waiting.hosts
        )
        hosts.update(domain.host for domain in started)
        cluster = replace(cluster, domains=(*cluster.domains, *started))
        if elapsed() >= 1.0:
            break
        if len(started) < len(batch):
            left = next(d for d in waiting.waiting if placement[d] >= waiting.hosts)
            return _found(cluster, kind, hosts, reasons_against(waiting, placement, left))
    return _found(cluster, kind, hosts, {})


def _found(cluster: Cluster, kind: Domain, hosts: Mapping[str, int], reasons: Mapping[str, str]) -> Headroom:
    in_order = {host.name: hosts[host.name] for host in cluster.hosts if host.name in hosts}
    return Headroom(kind=kind, number=sum(hosts.values()), hosts=in_order, reasons=reasons)


def _batches(domains: Sequence[Domain]) -> Iterator[Sequence[Domain]]:
    """Few at first: each takes a host that is none, and mostly few fit."""
    begin, size = 0, _FEW
    while begin < len(domains):
        yield domains[begin : begin + size]
        begin, size = begin + size, min(2 * size, _MANY)
