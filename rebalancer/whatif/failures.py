"""Hosts fail: their domains are started again on others, as high availability would, and nothing else is moved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

from rebalancer.cluster import Cluster, Domain, HostState
from rebalancer.policy.model import Policy
from rebalancer.whatif.start import Started, start_domains

__all__ = ["fail", "fail_each"]


def fail(
    cluster: Cluster,
    policy: Policy,
    hosts: Collection[str],
    newcomers: Sequence[Domain] = (),
    *,
    seed: int = 0,
    effort: int = 5,
    elapsed: Callable[[], float] = lambda: 0.0,
) -> Started:
    """``newcomers``: what is started as well, once all that ran is. What is only defined on a failed host is gone with
    it."""
    lost = tuple(domain for domain in cluster.active_domains if domain.host in hosts)
    left = replace(
        cluster,
        hosts=tuple(replace(host, state=HostState.DOWN) if host.name in hosts else host for host in cluster.hosts),
        domains=tuple(domain for domain in cluster.domains if domain.host not in hosts),
    )
    start = partial(start_domains, policy=policy, now=cluster, seed=seed, effort=effort, elapsed=elapsed)
    first = start(left, domains=lost)
    if not newcomers:
        return first
    second = start(first.after, domains=newcomers)
    return replace(
        second,
        domains=(*lost, *newcomers),
        placement={**first.placement, **second.placement},
        unplaced=(*first.unplaced, *second.unplaced),
    )


def fail_each(
    cluster: Cluster, policy: Policy, *, elapsed: Callable[[], float] = lambda: 0.0
) -> Iterator[tuple[str, Started]]:
    """Each host that can be read fails, alone, one after another."""
    for host in cluster.hosts:
        if host.readable and elapsed() < 1.0:
            yield host.name, fail(cluster, policy, {host.name}, effort=1, elapsed=elapsed)
