"""What rules and goals compile against: a cluster laid out as arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from datetime import datetime
from functools import cached_property
from itertools import repeat

import numpy as np

from rebalancer.cluster import Cluster, Domain, Host, HostState
from rebalancer.cluster.units import Seconds
from rebalancer.placement.primitives import BoolArray, FloatArray, IntArray
from rebalancer.policy.windows import time_of
from rebalancer.values import dataclass

__all__ = ["View", "rough_duration"]

ROUGH_RATE = 100 * 2**20
"""Bytes per second that a migration is taken to reach where nothing better is known."""

_MOST_BYTES = 2.0**61
"""Of all domains together, so that whole numbers hold their sums."""


def rough_duration(domain: Domain) -> Seconds:
    """Seconds to migrate a domain at 100 MiB/s: memory / (rate - dirty rate), the sum of the pre-copy's rounds.

    A domain that writes nearly as fast as it is sent is taken to need ten times its plain copy.
    """
    memory = domain.migration.memory or domain.uses.get("memory", 0.0)
    return Seconds(memory / max(ROUGH_RATE - (domain.migration.dirty_rate or 0.0), ROUGH_RATE / 10))


@dataclass(frozen=True, eq=False)
class View:
    """D domains that occupy a host (running or paused; each UUID once) and all H hosts of a cluster, in its order.

    Domains of one host are side by side, as they are looked at together, in arrays that no cache may hold.
    """

    cluster: Cluster
    predict: Callable[[Domain], Seconds] = field(default=rough_duration)
    """How long a domain's migration will take; the planner may know better than the default."""

    @cached_property
    def now(self) -> datetime | None:
        """When the cluster was read, where that is known: it is what windows go by."""
        return time_of(self.cluster.taken_at)

    @cached_property
    def hosts(self) -> tuple[Host, ...]:
        return self.cluster.hosts

    @cached_property
    def domains(self) -> tuple[Domain, ...]:
        first: dict[str, Domain] = {}
        for domain in self.cluster.active_domains:
            first.setdefault(domain.uuid, domain)
        return tuple(sorted(first.values(), key=lambda domain: self.host_index[domain.host]))

    @cached_property
    def host_index(self) -> dict[str, int]:
        return {host.name: index for index, host in enumerate(self.hosts)}

    @cached_property
    def start(self) -> IntArray:
        """int[D]: the host that each domain stands on."""
        return np.array([self.host_index[domain.host] for domain in self.domains], dtype=np.int64)

    @cached_property
    def payload(self) -> IntArray:
        """int[D]: bytes that are sent where the domain moves, disks included, by the rough duration."""
        sent = [rough_duration(domain) * ROUGH_RATE + domain.migration.disk for domain in self.domains]
        return np.minimum(np.rint(sent), _MOST_BYTES / max(len(sent), 1)).astype(np.int64)

    @cached_property
    def accepting(self) -> BoolArray:
        """bool[H]: hosts that may take domains: up, and not to be emptied."""
        return np.array([host.state is HostState.UP for host in self.hosts], dtype=np.bool_)

    @cached_property
    def distances(self) -> FloatArray:
        """float[H, H]: how far it is from each host to each, as they say themselves; 0 where nothing is known."""
        names = [host.name for host in self.hosts]
        found = np.zeros((len(names), len(names)))
        for row, host in zip(found, self.hosts, strict=True):
            row[:] = list(map(host.distance.get, names, repeat(0.0)))
        np.fill_diagonal(found, 0.0)
        return found

    def demand(self, resource: str, load: str | None = None) -> FloatArray:
        """float[D], in base units: by a statistic, or what domains use where none is given or known; 0 for a domain
        that does not say that either."""
        return np.array([self._demand(domain, resource, load) for domain in self.domains], dtype=np.float64)

    @staticmethod
    def _demand(domain: Domain, resource: str, load: str | None) -> float:
        known = domain.load(resource, load)
        return domain.uses.get(resource, 0.0) if known is None else known

    def capacity(self, resource: str) -> FloatArray:
        """float[H], in base units; NaN for a host that does not say."""
        return np.array([host.capacity.get(resource, np.nan) for host in self.hosts], dtype=np.float64)

    def where(self, matches: Callable[[Domain], bool]) -> BoolArray:
        """bool[D]"""
        return np.array([matches(domain) for domain in self.domains], dtype=np.bool_)

    def hosts_where(self, matches: Callable[[Host], bool]) -> BoolArray:
        """bool[H]"""
        return np.array([matches(host) for host in self.hosts], dtype=np.bool_)

    def only(self, host: int) -> BoolArray:
        """bool[H], true for one host."""
        return np.asarray(np.arange(len(self.hosts)) == host, dtype=np.bool_)

    def zones(self, across: str) -> IntArray:
        """int[H]: the index of the host's value of a label; ``host`` is each host itself; -1 without the label."""
        if across == "host":
            return np.arange(len(self.hosts), dtype=np.int64)
        return _indices([host.labels.get(across) for host in self.hosts])

    def groups(self, key: Callable[[Domain], str | None]) -> IntArray:
        """int[D]: the index of the domain's group; -1 where it has none."""
        return _indices([key(domain) for domain in self.domains])


def _indices(values: list[str | None]) -> IntArray:
    known: dict[str, int] = {}
    return np.array([-1 if value is None else known.setdefault(value, len(known)) for value in values], dtype=np.int64)
