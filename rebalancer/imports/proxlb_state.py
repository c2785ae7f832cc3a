"""What ``proxlb --dry-run --json`` prints, as a cluster: nodes and running guests with what they have and use.

Version 2 nests its figures (``memory: {total: …}``), version 1 does not (``memory_total: …``); both are read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import NAMESPACE_OID, uuid5

from rebalancer.cluster import Capabilities, Cluster, Domain, Host, HostState, MigrationTraits
from rebalancer.cluster.text import shown
from rebalancer.cluster.units import Bytes
from rebalancer.documents import Document, parse_document
from rebalancer.errors import InvalidInput, Problem
from rebalancer.imports.labels import TagLabels, tag_labels
from rebalancer.imports.proxlb_config import Mode

__all__ = ["ProxLbState", "parse_state"]

GIB = 2**30
MAX_PROBLEMS = 50
_LARGEST = 10**18
_RESOURCES = ("cpu", "memory", "disk")
_LABELS = frozenset({"vmid", "type", "tags", "plb_ignore", "plb_pin", "plb_pin_strict"})

Path = tuple[str | int, ...]


class ProxLbState:
    """The cluster, and which labels say what ProxLB knows of its guests."""

    def __init__(self, cluster: Cluster, affinity: TagLabels, anti_affinity: TagLabels, pools: TagLabels) -> None:
        self.cluster = cluster
        self.affinity = affinity
        self.anti_affinity = anti_affinity
        self.pools = pools

    def pins(self) -> dict[str, bool]:
        """``"node1,node2"`` → whether the guests with that label ``plb_pin`` must run there, or only should."""
        found: dict[str, bool] = {}
        for domain in self.cluster.domains:
            if "plb_pin" in domain.labels:
                strict = domain.labels.get("plb_pin_strict") != "no"
                found[domain.labels["plb_pin"]] = found.get(domain.labels["plb_pin"], False) or strict
        return found


def parse_state(
    text: str, file: str, *, mode: Mode, reserve: Callable[[str], float], pools: Mapping[str, object]
) -> ProxLbState:
    """Raises InvalidInput with positions.

    ``mode``: what ``cpu``, ``memory`` and ``disk`` of a guest are; the other figure is kept under a longer name.
    ``reserve``: GiB of memory that a node keeps, which ProxLB has taken off its figure already.
    """
    document = parse_document(text, file)
    if not isinstance(document.data, dict) or not {"nodes", "guests"} <= set(document.data):
        raise InvalidInput("expected what proxlb --dry-run --json prints: nodes, guests, …", document.position())
    return _Reader(document, mode, reserve, pools).read()


class _Reader:
    def __init__(
        self, document: Document, mode: Mode, reserve: Callable[[str], float], pools: Mapping[str, object]
    ) -> None:
        self._document = document
        self._mode = mode
        self._reserve = reserve
        self._configured = pools
        self._problems: list[Problem] = []

    def read(self) -> ProxLbState:
        nodes = self._entries("nodes")
        guests = self._entries("guests")
        groups = {name: self._lists(name, entry) for name, entry in guests.items()}
        taken = set(_LABELS)
        of_pools = tag_labels("pool", taken, [lists["pools"] for lists in groups.values()])
        affinity = tag_labels("plb_affinity", taken, [lists["affinity_groups"] for lists in groups.values()])
        apart = tag_labels("plb_anti_affinity", taken, [lists["anti_affinity_groups"] for lists in groups.values()])
        hosts = tuple(self._host(name, entry) for name, entry in nodes.items())
        domains = []
        for name, entry in guests.items():
            lists = groups[name]
            labels = {
                **of_pools.of(lists["pools"]),
                **affinity.of(lists["affinity_groups"]),
                **apart.of(lists["anti_affinity_groups"]),
                **self._labels(entry, lists),
            }
            domains.append(self._domain(name, entry, labels, nodes))
        if self._problems:
            raise InvalidInput(self._problems)
        return ProxLbState(Cluster(name="proxlb", hosts=hosts, domains=tuple(domains)), affinity, apart, of_pools)

    def _refuse(self, message: str, path: Path) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(message, self._document.position(path)))

    def _entries(self, key: str) -> dict[str, dict[str, object]]:
        data = self._document.data
        found = data.get(key) if isinstance(data, dict) else None
        if not isinstance(found, dict):
            self._refuse(f"'{key}' is not a mapping", (key,))
            return {}
        entries: dict[str, dict[str, object]] = {}
        for name, entry in found.items():
            if not isinstance(entry, dict):
                self._refuse(f"{shown(name)} is not a mapping", (key, name))
            elif not name or name != name.strip() or not name.isprintable() or len(name) > 255:
                self._refuse(f"{shown(name)} is not a name", (key, name))
            else:
                entries[name] = entry
        return entries

    def _lists(self, guest: str, entry: Mapping[str, object]) -> dict[str, list[str]]:
        pools = self._texts(guest, entry, "pools")
        # A group's name is a tag's, a pool's or an HA rule's; the policy has the pools.
        configured = set(self._configured) & set(pools)
        return {
            "pools": pools,
            **{
                key: [group for group in self._texts(guest, entry, key) if group not in configured]
                for key in ("affinity_groups", "anti_affinity_groups")
            },
            "tags": self._texts(guest, entry, "tags"),
            "node_relationships": self._texts(guest, entry, "node_relationships"),
        }

    def _texts(self, guest: str, entry: Mapping[str, object], key: str) -> list[str]:
        found = entry.get(key) or []
        if not isinstance(found, list) or len(found) > 1000:
            self._refuse(f"'{key}' is not a list of at most 1000 texts", ("guests", guest, key))
            return []
        texts = [item for item in found if isinstance(item, str) and item.isprintable() and len(item) <= 255]
        if len(texts) < len(found):
            self._refuse(f"'{key}' has an item that is not a text of one line", ("guests", guest, key))
        return [text.strip() for text in texts if text.strip()]

    def _figure(self, path: Path, entry: Mapping[str, object], resource: str, kind: str) -> float:
        nested = entry.get(resource)
        value = nested.get(kind) if isinstance(nested, dict) else entry.get(f"{resource}_{kind}")
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
            self._refuse(f"{resource} {kind} of {shown(path[-1])} is {shown(value)}, not an amount", path)
            return 0.0
        return value

    def _host(self, name: str, entry: Mapping[str, object]) -> Host:
        path: Path = ("nodes", name)
        total = {resource: self._figure(path, entry, resource, "total") for resource in _RESOURCES}
        total["memory"] += self._reserve(name) * GIB
        maintenance = entry.get("maintenance") is True
        return Host(
            name=name,
            state=HostState.MAINTENANCE if maintenance else HostState.UP,
            reason="in maintenance for ProxLB" if maintenance else None,
            labels=_given(pve_version=entry.get("pve_version")),
            capacity={**total, **{f"{resource}_{self._other}": total[resource] for resource in _RESOURCES}},
            migration=Capabilities(live=True, offline=True),
        )

    @property
    def _other(self) -> str:
        return "used" if self._mode is Mode.ASSIGNED else "assigned"

    def _labels(self, entry: Mapping[str, object], lists: Mapping[str, list[str]]) -> dict[str, str]:
        pins = lists["node_relationships"]
        loose = pins and entry.get("node_relationships_strict") is False
        return {
            **_given(vmid=entry.get("id"), type=entry.get("type"), tags=";".join(lists["tags"])),
            **({"plb_ignore": "yes"} if entry.get("ignore") is True else {}),
            **({"plb_pin": ",".join(sorted(set(pins)))} if pins else {}),
            **({"plb_pin_strict": "no"} if loose else {}),
        }

    def _domain(
        self, name: str, entry: Mapping[str, object], labels: dict[str, str], nodes: Mapping[str, object]
    ) -> Domain:
        path: Path = ("guests", name)
        host = entry.get("node_current")
        if not isinstance(host, str) or host not in nodes:
            self._refuse(f"{shown(name)} is on {shown(host)}, which is not among the nodes", (*path, "node_current"))
            host = ""
        assigned = {resource: self._figure(path, entry, resource, "total") for resource in _RESOURCES}
        used = {resource: self._figure(path, entry, resource, "used") for resource in _RESOURCES}
        # Version 2 gives the share of the guest's CPUs, version 1 cores; nothing below one core can be both.
        used["cpu"] = used["cpu"] * assigned["cpu"] if used["cpu"] <= 1 else used["cpu"]
        main, other = (assigned, used) if self._mode is Mode.ASSIGNED else (used, assigned)
        container = entry.get("type") == "ct"
        return Domain(
            name=name,
            uuid=str(uuid5(NAMESPACE_OID, f"proxlb\n{entry.get('id')}\n{name}")),
            host=host,
            uses={**main, **{f"{resource}_{self._other}": other[resource] for resource in _RESOURCES}},
            labels=labels,
            migration=MigrationTraits(
                memory=Bytes(round(used["memory"])),
                allowed=not container,
                reason="it is a container, which is moved by a restart" if container else None,
            ),
        )


def _given(**values: object) -> dict[str, str]:
    return {
        key: str(value)
        for key, value in values.items()
        if isinstance(value, str | int) and str(value) and str(value).isprintable() and len(str(value)) <= 2000
    }
