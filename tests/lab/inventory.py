"""The files that a tool needs to reach the lab: an inventory (design.md, "Inventory") and a known_hosts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .host import LabHost

Scalar = str | int | float | bool


@dataclass(frozen=True)
class Link:
    """An edge of the network graph. `capacity` as an inventory has it: bytes per second, or "10 Gbit/s"."""

    name: str
    connects: tuple[str, str]
    capacity: int | str


def known_hosts(hosts: Iterable[LabHost]) -> str:
    """The hosts' keys, under their addresses and, for one host that reaches another, their names."""
    return "".join(f"{host.address},{host.name} {host.host_key}\n" for host in hosts)


def inventory(
    hosts: Sequence[LabHost],
    *,
    key: Path,
    known_hosts: Path,
    shared_storage: Sequence[Path] = (),
    driver: str = "virsh",
    capacity: Mapping[str, Mapping[str, Scalar]] | None = None,
    labels: Mapping[str, Mapping[str, Scalar]] | None = None,
    links: Sequence[Link] = (),
) -> str:
    """The text of an inventory; `capacity` and `labels` are by the host's name."""
    lines = [
        "apiVersion: rebalancer/v1",
        "kind: Inventory",
        "metadata: {name: lab}",
        "defaults:",
        f"  driver: {json.dumps(driver)}",
        *(f"  uri: {json.dumps(host.uri)}" for host in hosts[:1]),
        "  ssh: " + _flow({"user": "root", "key": str(key), "known_hosts": str(known_hosts)}),
    ]
    if shared_storage:
        lines.append("shared_storage: " + json.dumps([str(path) for path in shared_storage]))
    lines.append("hosts:")
    for host in hosts:
        entry: dict[str, object] = {"name": host.name, "address": host.address, "peer": host.peer}
        for field, given in (("capacity", capacity), ("labels", labels)):
            if given and host.name in given:
                entry[field] = dict(given[host.name])
        lines.append("  - " + _flow(entry))
    if links:
        lines.append("links:")
        for link in links:
            connects = list(link.connects)
            lines.append("  - " + _flow({"name": link.name, "connects": connects, "capacity": link.capacity}))
    return "\n".join(lines) + "\n"


def _flow(entry: Mapping[str, object]) -> str:
    # A JSON object is a YAML one; the fields' names read better without quotes.
    return "{" + ", ".join(f"{name}: {json.dumps(value)}" for name, value in entry.items()) + "}"
