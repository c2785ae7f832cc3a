"""Snapshot files: a cluster as text, and what of it a plan depends on.

Read as YAML or JSON with units; written as JSON, one host, domain or link a line, so that two snapshots can be diffed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator

from rebalancer.cluster.capabilities import Capabilities
from rebalancer.cluster.compare import differences, fingerprint
from rebalancer.cluster.entries import (
    CapabilitiesEntry,
    DomainEntry,
    HostEntry,
    LinkEntry,
    check_links,
    links_of,
    suggestion,
    unique,
)
from rebalancer.cluster.model import Cluster, Domain, Host, Link, MigrationTraits
from rebalancer.cluster.text import shown
from rebalancer.cluster.units import Bytes
from rebalancer.cluster.writes import Writes
from rebalancer.documents import API_VERSION, Document, FileModel, Model, header, parse_document, validate
from rebalancer.errors import InvalidInput, Position, Problem

__all__ = ["differences", "dump_snapshot", "fingerprint", "parse_snapshot"]


def _time(text: str) -> str:
    try:
        known = not text or datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"{shown(text)} is not a time with zone such as 2026-11-22T18:00:00Z")
    return text


class _Metadata(Model):
    name: str = ""
    description: str = ""
    taken_at: Annotated[str, AfterValidator(_time)] = ""


class _Snapshot(FileModel):
    metadata: _Metadata = _Metadata.model_construct()  # type: ignore[assignment]
    hosts: tuple[HostEntry, ...]
    domains: tuple[DomainEntry, ...] = ()
    links: tuple[LinkEntry, ...] = ()


def parse_snapshot(text: str, file: str) -> Cluster:
    """The cluster that a snapshot describes; raises InvalidInput with every problem and its position."""
    document = parse_document(text, file)
    header(document, "Cluster")
    snapshot = validate(document, _Snapshot)
    problems: list[Problem] = []
    unique(document, "hosts", "host", [host.name for host in snapshot.hosts], problems)
    check_links(document, snapshot.links, problems)
    _check_distances(document, snapshot, problems)
    _check_domains(document, snapshot, problems)
    if problems:
        raise InvalidInput(sorted(problems, key=lambda problem: problem.position or Position(file, 0, 0)))
    return Cluster(
        name=snapshot.metadata.name,
        taken_at=snapshot.metadata.taken_at,
        hosts=tuple(_host(entry) for entry in snapshot.hosts),
        domains=tuple(_domain(entry) for entry in snapshot.domains),
        links=links_of(snapshot.links),
    )


def _check_distances(document: Document, snapshot: _Snapshot, problems: list[Problem]) -> None:
    hosts = {host.name for host in snapshot.hosts}
    for index, host in enumerate(snapshot.hosts):
        for name in host.distance:
            if name not in hosts:
                message = f"host {shown(host.name)} has a distance to {shown(name)}, which is not among the hosts"
                position = document.position(["hosts", index, "distance", name], key=True)
                problems.append(Problem(message + suggestion(name, hosts), position))


def _check_domains(document: Document, snapshot: _Snapshot, problems: list[Problem]) -> None:
    hosts = {host.name for host in snapshot.hosts}
    seen: dict[tuple[str, str, str], int] = {}
    for index, domain in enumerate(snapshot.domains):
        path: list[str | int] = ["domains", index]
        if domain.host not in hosts:
            message = f"domain {shown(domain.name)} is on host {shown(domain.host)}, which is not among the hosts"
            problems.append(Problem(message + suggestion(domain.host, hosts), document.position([*path, "host"])))
        for key, value in (("name", domain.name), ("uuid", domain.uuid)):
            first = seen.setdefault((key, domain.host, value), index)
            if first != index:
                line = document.position(["domains", first, key]).line
                message = (
                    f"host {shown(domain.host)} has a domain with the {key} {shown(value)} already, in line {line}"
                )
                problems.append(Problem(message, document.position([*path, key])))


def _host(entry: HostEntry) -> Host:
    return Host(
        name=entry.name,
        state=entry.state,
        labels=entry.labels,
        capacity=entry.capacity,
        migration=_capabilities(entry.migration),
        offers=entry.offers,
        reason=entry.reason,
        pressure=entry.pressure,
        distance=entry.distance,
    )


def _capabilities(entry: CapabilitiesEntry) -> Capabilities:
    return Capabilities(**{field.name: getattr(entry, field.name) for field in fields(Capabilities)})


def _domain(entry: DomainEntry) -> Domain:
    traits = entry.migration
    memory = traits.memory if traits.memory is not None else Bytes(round(entry.uses.get("memory", 0)))
    return Domain(
        name=entry.name,
        uuid=entry.uuid,
        host=entry.host,
        state=entry.state,
        uses=entry.uses,
        labels=entry.labels,
        needs=entry.needs,
        migration=MigrationTraits(
            memory=memory,
            dirty_rate=traits.dirty_rate,
            writes=None if traits.writes is None else Writes(**traits.writes.model_dump()),
            disk=traits.disk,
            disk_writes=traits.disk_writes,
            allowed=traits.allowed,
            reason=traits.reason,
        ),
        persistent=entry.persistent,
        loads=entry.loads,
        interfaces=entry.interfaces,
    )


def dump_snapshot(cluster: Cluster) -> str:
    """The cluster as canonical JSON in base units: equal clusters give equal texts, and it reads back as it was."""
    metadata = _without_defaults({"name": cluster.name, "taken_at": cluster.taken_at})
    parts = [
        f'{{"apiVersion": {_json(API_VERSION)},\n "kind": "Cluster",\n "metadata": {_json(metadata)}',
        _list("hosts", (_host_as_written(host) for host in cluster.hosts)),
        _list("domains", (_domain_as_written(domain) for domain in cluster.domains)),
        _list("links", (_link_as_written(link) for link in cluster.links)),
    ]
    return ",\n ".join(parts) + "}\n"


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _list(key: str, entries: Iterable[Mapping[str, object]]) -> str:
    lines = ",\n".join(f"  {_json(entry)}" for entry in entries)
    return f'"{key}": [\n{lines}\n ]' if lines else f'"{key}": []'


def _without_defaults(entry: Mapping[str, object]) -> dict[str, object]:
    """Leaves out what is empty or unknown, which is what leaving it out means."""
    return {key: value for key, value in entry.items() if value not in (None, "", {}, [])}


def _number(value: float) -> float:
    return int(value) if value == int(value) else value


def _amounts(amounts: Mapping[str, float]) -> dict[str, float]:
    return {resource: _number(amount) for resource, amount in sorted(amounts.items())}


def _sets(sets: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    return {kind: sorted(items) for kind, items in sorted(sets.items())}


def _host_as_written(host: Host) -> dict[str, object]:
    defaults = Capabilities()
    given = {field.name: getattr(host.migration, field.name) for field in fields(Capabilities)}
    return _without_defaults(
        {
            "name": host.name,
            "state": host.state.value,
            "reason": host.reason,
            "labels": dict(sorted(host.labels.items())),
            "capacity": _amounts(host.capacity),
            "migration": {name: value for name, value in given.items() if value != getattr(defaults, name)},
            "offers": _sets(host.offers),
            "pressure": _amounts(host.pressure),
            "distance": _amounts(host.distance),
        }
    )


def _domain_as_written(domain: Domain) -> dict[str, object]:
    migration = _traits_as_written(domain.migration)
    entry = _without_defaults(
        {
            "name": domain.name,
            "uuid": domain.uuid,
            "host": domain.host,
            "state": domain.state.value,
            "uses": _amounts(domain.uses),
            "labels": dict(sorted(domain.labels.items())),
            "needs": _sets(domain.needs),
            "migration": migration,
            "loads": {name: _amounts(amounts) for name, amounts in sorted(domain.loads.items())},
            "interfaces": dict(sorted(domain.interfaces.items())),
        }
    )
    return entry if domain.persistent else {**entry, "persistent": False}


def _traits_as_written(traits: MigrationTraits) -> dict[str, object]:
    written: dict[str, object] = {"memory": traits.memory}
    if traits.dirty_rate is not None:
        written["dirty_rate"] = _number(traits.dirty_rate)
    if traits.writes is not None:
        written["writes"] = {key: _number(value) for key, value in asdict(traits.writes).items()}
    if traits.disk:
        written |= {"disk": traits.disk, "disk_writes": _number(traits.disk_writes)}
    if not traits.allowed:
        written["allowed"] = False
    if traits.reason is not None:
        written["reason"] = traits.reason
    return written


def _link_as_written(link: Link) -> dict[str, object]:
    return {"name": link.name, "connects": list(link.connects), "capacity": _number(link.capacity)}
