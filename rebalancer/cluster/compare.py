"""Whether two clusters are the same to a plan, and what differs.

Both answers come from one table of facts: everything that rules, routes and steps are made from, but nothing that is
measured and changes from one second to the next (rates, cpu, the memory that a migration would have to send).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict

from rebalancer.cluster.model import Cluster, Domain, Host, Link
from rebalancer.cluster.text import printable, shown
from rebalancer.cluster.units import format_bytes, format_number, format_rate

__all__ = ["differences", "fingerprint"]

Facts = Mapping[str, object]


def fingerprint(cluster: Cluster) -> str:
    """``sha256:…`` over the cluster as a plan sees it; the order of hosts, domains and links does not matter."""
    facts = {
        "hosts": sorted(_hosts(cluster).items()),
        "domains": [[uuid, sorted(found.items())] for uuid, found in sorted(_domains(cluster).items())],
        "links": sorted(_links(cluster).items()),
    }
    return f"sha256:{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()}"


def differences(before: Cluster, after: Cluster) -> tuple[str, ...]:
    """What has changed, in plain words; empty exactly when the fingerprints are equal."""
    return (
        *_compare_hosts(_hosts(before), _hosts(after)),
        *_compare_domains(_domains(before), _domains(after)),
        *_compare_links(_links(before), _links(after)),
    )


def _hosts(cluster: Cluster) -> dict[str, Facts]:
    return {host.name: _host(host) for host in cluster.hosts}


def _domains(cluster: Cluster) -> dict[str, dict[str, Facts]]:
    """UUID → host → facts: a UUID that is seen on two hosts is a clash, which is a fact too."""
    found: dict[str, dict[str, Facts]] = {}
    for domain in cluster.domains:
        found.setdefault(domain.uuid, {})[domain.host] = _domain(domain)
    return found


def _links(cluster: Cluster) -> dict[str, Facts]:
    return {link.name: _link(link) for link in cluster.links}


def _host(host: Host) -> Facts:
    migration = asdict(host.migration)
    migration["transports"] = sorted(host.migration.transports)
    return {
        "state": host.state.value,
        "capacity": {resource: float(amount) for resource, amount in host.capacity.items()},
        "migration": migration,
        "labels": dict(host.labels),
        "offers": {kind: sorted(items) for kind, items in host.offers.items()},
        "distance": {name: float(distance) for name, distance in host.distance.items()},
    }


def _domain(domain: Domain) -> Facts:
    return {
        "name": domain.name,
        "state": domain.state.value,
        "memory": float(domain.uses.get("memory", 0)),
        "labels": dict(domain.labels),
        "needs": {kind: sorted(items) for kind, items in domain.needs.items()},
        "allowed": domain.migration.allowed,
    }


def _link(link: Link) -> Facts:
    return {"connects": sorted(link.connects), "capacity": float(link.capacity)}


def _compare_hosts(before: Mapping[str, Facts], after: Mapping[str, Facts]) -> Iterator[str]:
    for name in before:
        host = f"host {shown(name)}"
        if name not in after:
            yield f"{host} is gone"
        else:
            yield from _compare_host(host, before[name], after[name])
    for name in after:
        if name not in before:
            yield f"host {shown(name)} is new"


def _compare_host(host: str, old: Facts, new: Facts) -> Iterator[str]:
    if new["state"] != old["state"]:
        yield f"{host} is now {new['state']}, was {old['state']}"
    for resource, was, now in _changes(old["capacity"], new["capacity"]):
        yield f"{host} now has {_amount(resource, now, was)}, was {_amount(resource, was, now)}"
    for option, was, now in _changes(old["migration"], new["migration"]):
        yield f"{host}: the migration capability '{option}' is now {_option(now)}, was {_option(was)}"
    for label, was, now in _changes(old["labels"], new["labels"]):
        yield f"{host}: label {shown(label)} is now {_value(now)}, was {_value(was)}"
    for kind, _, _ in _changes(old["offers"], new["offers"]):
        yield f"{host}: what it offers as {shown(kind)} has changed"
    for other, _, _ in _changes(old["distance"], new["distance"]):
        yield f"{host}: the distance to {shown(other)} has changed"


def _compare_domains(
    before: Mapping[str, Mapping[str, Facts]], after: Mapping[str, Mapping[str, Facts]]
) -> Iterator[str]:
    for uuid, was in before.items():
        yield from _compare_sightings(was, after.get(uuid, {}))
    for uuid, now in after.items():
        if uuid not in before:
            yield from _compare_sightings({}, now)


def _compare_sightings(before: Mapping[str, Facts], after: Mapping[str, Facts]) -> Iterator[str]:
    lost = [host for host in before if host not in after]
    gained = [host for host in after if host not in before]
    if len(lost) == len(gained) == 1:
        old, new = before[lost[0]], after[gained[0]]
        yield f"domain {shown(old['name'])} has moved from {lost[0]} to {gained[0]}"
        yield from _compare_domain(old, new)
    else:
        for host in lost:
            yield f"domain {shown(before[host]['name'])} is gone from {host}"
        for host in gained:
            yield f"domain {shown(after[host]['name'])} is new on {host}"
    for host, old in before.items():
        if host in after:
            yield from _compare_domain(old, after[host])


def _compare_domain(old: Facts, new: Facts) -> Iterator[str]:
    domain = f"domain {shown(old['name'])}"
    if new["name"] != old["name"]:
        yield f"{domain} is now called {shown(new['name'])}"
    if new["state"] != old["state"]:
        yield f"{domain} is now {new['state']}, was {old['state']}"
    if new["memory"] != old["memory"]:
        was, now = old["memory"], new["memory"]
        yield f"{domain} now uses {_amount('memory', now, was)}, was {_amount('memory', was, now)}"
    for label, was, now in _changes(old["labels"], new["labels"]):
        yield f"{domain}: label {shown(label)} is now {_value(now)}, was {_value(was)}"
    for kind, _, _ in _changes(old["needs"], new["needs"]):
        yield f"{domain}: what it needs as {shown(kind)} has changed"
    if new["allowed"] != old["allowed"]:
        yield f"{domain} can {'now' if new['allowed'] else 'no longer'} be migrated"


def _compare_links(before: Mapping[str, Facts], after: Mapping[str, Facts]) -> Iterator[str]:
    for name, old in before.items():
        link, new = f"link {shown(name)}", after.get(name)
        if new is None:
            yield f"{link} is gone"
            continue
        if new["connects"] != old["connects"]:
            yield f"{link} now connects other ends"
        was, now = old["capacity"], new["capacity"]
        if now != was:
            yield f"{link} now carries {_rate(now, was)}, was {_rate(was, now)}"
    for name in after:
        if name not in before:
            yield f"link {shown(name)} is new"


def _changes(before: object, after: object) -> Iterator[tuple[str, object, object]]:
    """Key, old and new value of every entry that two mappings do not share; None where there is none."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                yield key, before.get(key), after.get(key)


def _value(value: object) -> str:
    return "not set" if value is None else shown(value)


def _option(value: object) -> str:
    return (", ".join(value) or "empty") if isinstance(value, list) else shown(value)


def _amount(resource: str, value: object, other: object) -> str:
    """The amount in words; in full where rounding would make it look like the other one."""
    name = "cores" if resource == "cpu" else printable(resource, 60)
    if not isinstance(value, float):
        return f"no {name}"
    if resource not in ("memory", "disk"):
        written = _distinct(format_number, value, other, repr(value))
        return f"{written} {name}"
    return f"{_distinct(format_bytes, value, other, f'{value:.0f} B')} of {name}"


def _distinct(write: Callable[[float], str], value: float, other: object, in_full: str) -> str:
    return in_full if isinstance(other, float) and write(other) == write(value) else write(value)


def _rate(value: object, other: object) -> str:
    return _distinct(format_rate, value, other, f"{value!r} B/s") if isinstance(value, float) else shown(value)
