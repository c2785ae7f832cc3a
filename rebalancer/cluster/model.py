"""The cluster as it was read at one moment: hosts, domains and links, all immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from functools import cached_property

from rebalancer.cluster.capabilities import Capabilities
from rebalancer.cluster.statistics import find_statistic
from rebalancer.cluster.units import Bytes, BytesPerSecond
from rebalancer.cluster.writes import Writes
from rebalancer.values import dataclass

__all__ = ["Cluster", "Domain", "DomainState", "Host", "HostState", "Link", "MigrationTraits"]


class HostState(StrEnum):
    UP = "up"
    MAINTENANCE = "maintenance"
    """Up, but no domain should run here."""
    DOWN = "down"
    UNREACHABLE = "unreachable"


class DomainState(StrEnum):
    """The states of libvirt's domains, in libvirt's words."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUT_OFF = "shut off"
    CRASHED = "crashed"
    IN_SHUTDOWN = "in shutdown"
    SUSPENDED = "pmsuspended"
    UNKNOWN = "unknown"

    @property
    def active(self) -> bool:
        """Whether the domain occupies its host: everything but a mere definition."""
        return self not in (DomainState.SHUT_OFF, DomainState.CRASHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine that runs domains.

    ``capacity`` maps a resource to its amount: ``cpu`` in cores, ``memory`` in bytes. ``offers`` maps a kind of
    requirement (``machine``, ``cpu_model``, ``network``, ``type``…) to everything of that kind that the host has;
    a kind that is absent is unknown and not checked.
    """

    name: str
    state: HostState = HostState.UP
    labels: Mapping[str, str] = field(default_factory=dict)
    capacity: Mapping[str, float] = field(default_factory=dict)
    migration: Capabilities = field(default_factory=Capabilities)
    offers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    reason: str | None = None
    """Why the state is not ``up``, where that is known."""
    pressure: Mapping[str, float] = field(default_factory=dict)
    """Resource → the share of time in which something on the host waited for it, as Linux measures it."""
    distance: Mapping[str, float] = field(default_factory=dict)
    """Other host → how far it is to move a domain there, in any unit; what is not said is near (0)."""

    @property
    def readable(self) -> bool:
        return self.state in (HostState.UP, HostState.MAINTENANCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationTraits:
    """What decides whether and how fast a domain migrates."""

    memory: Bytes = Bytes(0)
    """Bytes that a migration has to send at least once: the memory in use, not the memory allowed."""
    dirty_rate: BytesPerSecond | None = None
    """Distinct bytes of memory written each second; None where it was not measured."""
    writes: Writes | None = None
    """How it writes, where that was measured closer than by one rate."""
    disk: Bytes = Bytes(0)
    """Bytes of disks that have to be copied with it; 0 where both ends share its storage."""
    disk_writes: BytesPerSecond = BytesPerSecond(0.0)
    """Bytes written to those each second."""
    allowed: bool = True
    reason: str | None = None
    """Why the domain cannot be migrated at all, e.g. a passed-through device."""

    @property
    def writing(self) -> Writes:
        """How it writes, as far as is known: at one rate, never the same twice, unless more was measured."""
        return Writes(cold=self.dirty_rate or BytesPerSecond(0.0)) if self.writes is None else self.writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A virtual machine. Its identity is its UUID; its name is a label that is unique on a host only.

    ``uses`` is what counts against its host's capacity where no other figure is asked for. ``needs`` maps a kind of
    requirement to what a host must offer of it (see :attr:`Host.offers`).
    """

    name: str
    uuid: str
    host: str
    state: DomainState = DomainState.RUNNING
    uses: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    migration: MigrationTraits = field(default_factory=MigrationTraits)
    persistent: bool = True
    """Whether the host keeps a stored definition of it."""
    loads: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Other figures than ``uses``, by statistic (see :mod:`~rebalancer.cluster.statistics`):
    ``{"p95@1h": {"cpu": 2.5}, "requested": {"cpu": 4}}``."""
    interfaces: Mapping[str, str] = field(default_factory=dict)
    """MAC address → what it is on at its host, where that is known: ``{"52:54:00:12:34:56": "bridge br0"}``."""

    def load(self, resource: str, statistic: str | None = None) -> float | None:
        """How much of a resource counts by a statistic; None where that is not known. Without one: what it uses."""
        if statistic is None:
            return self.uses.get(resource)
        known = {name: amounts[resource] for name, amounts in self.loads.items() if resource in amounts}
        found = find_statistic(statistic, known)
        return None if found is None else known[found]

    def missing_on(self, host: Host) -> tuple[str, ...]:
        """What the domain needs and the host lacks, e.g. ``("network 'br-prod'",)``."""
        return tuple(
            f"{kind.replace('_', ' ')} '{item}'"
            for kind, items in sorted(self.needs.items())
            if kind in host.offers
            for item in sorted(items - host.offers[kind])
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An edge of the network graph between two hosts or switches, full duplex.

    ``capacity`` is in bytes per second, in each direction.
    """

    name: str
    connects: tuple[str, str]
    capacity: BytesPerSecond


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Everything that was read, at one moment. Hosts, domains and links are in a stable order."""

    name: str
    hosts: tuple[Host, ...]
    domains: tuple[Domain, ...]
    links: tuple[Link, ...] = ()
    taken_at: str = ""
    """When, in ISO 8601 with zone."""

    @cached_property
    def host_by_name(self) -> Mapping[str, Host]:
        return {host.name: host for host in self.hosts}

    @cached_property
    def domains_by_uuid(self) -> Mapping[str, tuple[Domain, ...]]:
        """All sightings of a UUID: more than one is a clash (or a stale definition)."""
        found: dict[str, tuple[Domain, ...]] = {}
        for domain in self.domains:
            found[domain.uuid] = (*found.get(domain.uuid, ()), domain)
        return found

    @cached_property
    def active_domains(self) -> tuple[Domain, ...]:
        return tuple(domain for domain in self.domains if domain.state.active)

    def domains_on(self, host: str) -> tuple[Domain, ...]:
        """Running and defined domains of a host, in the cluster's order."""
        return tuple(domain for domain in self.domains if domain.host == host)

    def with_maintenance(self, names: frozenset[str]) -> Cluster:
        """The same cluster with these hosts to be emptied."""
        return replace(
            self,
            hosts=tuple(
                replace(host, state=HostState.MAINTENANCE)
                if host.name in names and host.state is HostState.UP
                else host
                for host in self.hosts
            ),
        )
