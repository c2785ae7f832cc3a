"""A cluster without its names, to be sent with a bug report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rebalancer.cluster.model import Cluster, Domain, Host, Link
from rebalancer.values import dataclass

__all__ = ["anonymise"]


def anonymise(cluster: Cluster) -> Cluster:
    """The same cluster with numbers for all names, UUIDs and values of labels, and without reasons.

    What had one name has one name, and the order of names is kept, so that the same seed finds the same placement.
    The keys of labels and the kinds of requirements stay, since policies refer to them.
    """
    return _Disguise.of(cluster).cluster(cluster)


def _numbered(names: Iterable[str], prefix: str) -> dict[str, str]:
    """Name → ``prefix`` and a number; padded with zeros, so that they sort as the names did."""
    ordered = sorted(set(names))
    width = len(str(len(ordered)))
    return {name: f"{prefix}{number:0{width}d}" for number, name in enumerate(ordered, start=1)}


def _numbered_values(mappings: Iterable[Mapping[str, Iterable[str]]]) -> dict[str, dict[str, str]]:
    values: dict[str, set[str]] = {}
    for mapping in mappings:
        for key, found in mapping.items():
            values.setdefault(key, set()).update(found)
    return {key: _numbered(found, f"{key}-") for key, found in values.items()}


def _labels(labels: Mapping[str, str]) -> dict[str, tuple[str]]:
    return {key: (value,) for key, value in labels.items()}


@dataclass(frozen=True, slots=True)
class _Disguise:
    nodes: Mapping[str, str]
    domains: Mapping[str, str]
    uuids: Mapping[str, str]
    links: Mapping[str, str]
    labels: Mapping[str, Mapping[str, str]]
    sets: Mapping[str, Mapping[str, str]]
    addresses: Mapping[str, str]
    networks: Mapping[str, str]

    @classmethod
    def of(cls, cluster: Cluster) -> _Disguise:
        hosts = {host.name for host in cluster.hosts}
        interfaces = [domain.interfaces for domain in cluster.domains]
        addresses = sorted({address for each in interfaces for address in each})
        switches = {end for link in cluster.links for end in link.connects} - hosts
        return cls(
            nodes={**_numbered(hosts, "host"), **_numbered(switches, "switch")},
            domains=_numbered((domain.name for domain in cluster.domains), "domain"),
            uuids={
                uuid: f"00000000-0000-4000-8000-{number:012d}"
                for number, uuid in enumerate(sorted({domain.uuid for domain in cluster.domains}), start=1)
            },
            links=_numbered((link.name for link in cluster.links), "link"),
            labels=_numbered_values(
                _labels(labels)
                for labels in [
                    *(host.labels for host in cluster.hosts),
                    *(domain.labels for domain in cluster.domains),
                ]
            ),
            sets=_numbered_values(
                [*(host.offers for host in cluster.hosts), *(domain.needs for domain in cluster.domains)]
            ),
            # The first byte says that nobody sells it: a locally administered address.
            addresses={
                address: ":".join(f"{byte:02x}" for byte in b"\x02" + number.to_bytes(5, "big"))
                for number, address in enumerate(addresses, start=1)
            },
            networks=_numbered((name for each in interfaces for name in each.values() if name), "network"),
        )

    def cluster(self, cluster: Cluster) -> Cluster:
        return replace(
            cluster,
            name="",
            hosts=tuple(self.host(host) for host in cluster.hosts),
            domains=tuple(self.domain(domain) for domain in cluster.domains),
            links=tuple(self.link(link) for link in cluster.links),
        )

    def host(self, host: Host) -> Host:
        return replace(
            host,
            name=self.nodes[host.name],
            labels=self._hide(host.labels),
            offers=self._hide_sets(host.offers),
            reason=None,
            distance={self.nodes[name]: distance for name, distance in host.distance.items()},
        )

    def domain(self, domain: Domain) -> Domain:
        return replace(
            domain,
            name=self.domains[domain.name],
            uuid=self.uuids[domain.uuid],
            host=self.nodes[domain.host],
            labels=self._hide(domain.labels),
            needs=self._hide_sets(domain.needs),
            migration=replace(domain.migration, reason=None),
            interfaces={self.addresses[a]: self.networks.get(name, "") for a, name in domain.interfaces.items()},
        )

    def link(self, link: Link) -> Link:
        start, end = link.connects
        return replace(link, name=self.links[link.name], connects=(self.nodes[start], self.nodes[end]))

    def _hide(self, labels: Mapping[str, str]) -> dict[str, str]:
        return {key: self.labels[key][value] for key, value in labels.items()}

    def _hide_sets(self, sets: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
        return {kind: frozenset(self.sets[kind][item] for item in items) for kind, items in sets.items()}
