"""A domain, from its XML and its statistics. Pure: saved answers are its tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rebalancer.cluster import Domain, DomainState, MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond
from rebalancer.cluster.writes import Window, fit_writes
from rebalancer.drivers.commands import printable
from rebalancer.drivers.xml import Element, integer, parse_xml, text
from rebalancer_virsh.host import HostFacts, cpu_token, passthrough_token
from rebalancer_virsh.obstacles import obstacles
from rebalancer_virsh.stats import balloon_size, resident_memory, unrounded
from rebalancer_virsh.storage import SharedStorage

__all__ = ["LABELS_NAMESPACE", "Circumstances", "cpu_seconds", "parse_domain", "parse_info", "state_of"]

LABELS_NAMESPACE = "https://rebalancer.dev/xmlns/domain/1"

_TAG = re.compile(r"(?<!\S)(?:#[\w.-]+|[A-Za-z][\w-]*:[a-z_]+(?:=\S+)?)(?![^\s,;])")
_LONGEST = 1000
_OWN, _LEAST = 30 * 2**20, 10
"""Bytes that QEMU takes for itself, about: the resident memory of its process without that of a guest that has written
all of it, as KubeVirt measured it (``QemuOverhead``). Not so much that less than a part is left for the guest."""

_UNITS = {
    "b": 1,
    "bytes": 1,
    "KB": 10**3,
    "k": 2**10,
    "KiB": 2**10,
    "MB": 10**6,
    "M": 2**20,
    "MiB": 2**20,
    "GB": 10**9,
    "G": 2**30,
    "GiB": 2**30,
    "TB": 10**12,
    "T": 2**40,
    "TiB": 2**40,
}
_STATES = {
    "running": DomainState.RUNNING,
    "idle": DomainState.RUNNING,
    "paused": DomainState.PAUSED,
    "in shutdown": DomainState.IN_SHUTDOWN,
    "shut off": DomainState.SHUT_OFF,
    "crashed": DomainState.CRASHED,
    "pmsuspended": DomainState.SUSPENDED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of a domain besides its XML. ``rates`` in cores and bytes per second."""

    state: DomainState
    persistent: bool = True
    snapshots: bool = False
    stats: Mapping[str, str]
    rates: Mapping[str, float]
    dirty: tuple[Window, ...] = ()
    """How fast it writes to its memory, measured over one window or two, the shorter first."""


def state_of(words: str) -> DomainState:
    """virsh's words for a state, in the C locale."""
    return _STATES.get(words.strip(), DomainState.UNKNOWN)


def parse_info(answer: str) -> Mapping[str, str]:
    """``dominfo``: ``{"State": "running", "CPU time": "5.9s", …}``."""
    found: dict[str, str] = {}
    for line in answer.splitlines():
        key, separator, value = line.partition(":")
        if separator:
            found.setdefault(key.strip(), value.strip())
    return found


def cpu_seconds(info: Mapping[str, str]) -> float | None:
    """``dominfo``'s CPU time, for hypervisors without statistics."""
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)s", info.get("CPU time", ""))
    return float(found[1]) if found else None


def parse_domain(
    host: str, uuid: str, xml: bytes, facts: HostFacts, storage: SharedStorage, known: Circumstances
) -> Domain:
    """The domain; raises ValueError where its XML is not one, or another domain's."""
    root = parse_xml(xml, "domain")
    name = root.findtext("name")
    if not name or (text(root, "uuid") or "").lower() != uuid:
        raise ValueError(f"'dumpxml' of {uuid} answered with another domain: {printable(name or 'without a name')!r}")
    maximum = _memory(root, "memory")
    current = _memory(root, "currentMemory") or maximum
    active = known.state.active
    reasons = list(obstacles(root, storage, drops_cache=facts.drops_cache))
    if known.snapshots:
        reasons.append("it has snapshots or checkpoints, which libvirt does not migrate")
    return Domain(
        name=name,
        uuid=uuid,
        host=host,
        state=known.state,
        uses={**known.rates, "memory": float(maximum)} if active else {},
        labels={**_words(root), **_labels(root)},
        needs=_needs(root, facts, active=active),
        migration=MigrationTraits(
            memory=_memory_to_send(root, current, known.stats) if active else Bytes(0),
            dirty_rate=BytesPerSecond(known.dirty[0].rate) if known.dirty else None,
            writes=fit_writes(*map(unrounded, known.dirty)) if len(known.dirty) == 2 else None,
            allowed=not reasons,
            reason="; ".join(reasons) or None,
        ),
        persistent=known.persistent,
        loads=_loads(root, maximum, current, known) if active else {},
        interfaces=_interfaces(root),
    )


def _memory(root: Element, tag: str) -> Bytes:
    amount = integer(root, tag)
    element = root.find(tag)
    unit = (element.get("unit") if element is not None else None) or "KiB"
    if unit not in _UNITS:
        raise ValueError(f"<{tag}> has the unknown unit {printable(unit)!r}")
    return Bytes((amount or 0) * _UNITS[unit])


def _memory_to_send(root: Element, current: Bytes, stats: Mapping[str, str]) -> Bytes:
    """What is resident but for the hypervisor's own, at most what the guest has; hugepages are not counted as
    resident."""
    resident = resident_memory(stats)
    if resident is None or root.find("memoryBacking/hugepages") is not None:
        return current
    return min(Bytes(max(resident - _OWN, resident // _LEAST)), current)


def _labels(root: Element) -> dict[str, str]:
    """``<labels xmlns="…"><label name="app">db</label></labels>`` in ``<metadata>``."""
    found: dict[str, str] = {}
    for labels in root.iterfind(f"metadata/{{{LABELS_NAMESPACE}}}labels"):
        # `virsh metadata --set` gives only the outermost element its namespace.
        for label in (*labels.iterfind(f"{{{LABELS_NAMESPACE}}}label"), *labels.iterfind("label")):
            name = (label.get("name") or "").strip()
            if name:
                found[name] = (label.text or "").strip()
    return found


def _words(root: Element) -> dict[str, str]:
    """``title`` and ``description``, on one line each, and as ``tags`` the words of both that are meant as such:
    ``#production``, ``rebalance:stay``, ``rebalance:avoid=h1,h2``."""
    found = {tag: printable(root.findtext(tag) or "", _LONGEST) for tag in ("title", "description")}
    found["tags"] = " ".join(dict.fromkeys(_TAG.findall(" ".join(found.values()))))
    return {label: value for label, value in found.items() if value}


def _loads(root: Element, maximum: Bytes, current: Bytes, known: Circumstances) -> dict[str, dict[str, float]]:
    """What the domain was promised, what is set aside for it now, and what it takes."""
    count = root.find("vcpu")
    promised = integer(root, "vcpu") or 1
    online = (count.get("current") or "") if count is not None else ""
    resident = resident_memory(known.stats)
    balloon = balloon_size(known.stats)
    found = {
        "requested": {"cpu": float(promised), "memory": float(maximum)},
        "allocated": {
            "cpu": float(online) if online.isascii() and online.isdigit() and len(online) < 6 else float(promised),
            "memory": float(current if balloon is None else balloon),
        },
        "used": {**known.rates, **({} if resident is None else {"memory": float(resident)})},
    }
    return {statistic: amounts for statistic, amounts in found.items() if amounts}


_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


def _interfaces(root: Element) -> dict[str, str]:
    """MAC address → the network or bridge that it is on, with its VLAN; without user-mode networks, which nobody
    shares."""
    found: dict[str, str] = {}
    for interface in root.iterfind("devices/interface"):
        mac, source, tag = interface.find("mac"), interface.find("source"), interface.find("vlan/tag")
        address = ((mac.get("address") if mac is not None else None) or "").lower()
        if not _MAC.fullmatch(address) or interface.get("type") == "user":
            continue
        place = ""
        for kind, word in (("network", "network"), ("bridge", "bridge"), ("dev", "device")):
            if source is not None and source.get(kind) and not place:
                place = f"{word} {printable(source.get(kind) or '')}"
        vlan = (tag.get("id") or "") if tag is not None else ""
        found[address] = f"{place} vlan {printable(vlan)}" if place and vlan else place
    return found


def _needs(root: Element, facts: HostFacts, *, active: bool) -> dict[str, frozenset[str]]:
    kind = root.get("type") or ""
    machine = root.find("os/type")
    found = {
        "type": {kind},
        "machine": {(machine.get("machine") if machine is not None else None) or ""},
        "cpu_model": {_cpu_model(root, kind, facts, active=active)},
        "network": set[str](),
        "bridge": set[str](),
    }
    for interface in root.iterfind("devices/interface"):
        source = interface.find("source")
        if source is None:
            continue
        match interface.get("type"):
            case "network":
                found["network"].add(source.get("network") or "")
            case "bridge":
                found["bridge"].add(source.get("bridge") or "")
            case "direct":
                found["bridge"].add(source.get("dev") or "")
            case _:
                pass
    # The same pool, by its name, is where the destination looks for such a disk.
    found["pool"] = {source.get("pool") or "" for source in root.iterfind("devices/disk[@type='volume']/source")}
    return {need: frozenset(items - {""}) for need, items in found.items() if items - {""}}


def _cpu_model(root: Element, kind: str, facts: HostFacts, *, active: bool) -> str:
    """The token of what the guest sees as its CPU, or nothing where only libvirt can tell."""
    cpu = root.find("cpu")
    if cpu is None:
        return ""
    mode = cpu.get("mode") or "custom"
    if mode == "host-passthrough":
        # Until it is started it may be started anywhere.
        return passthrough_token(facts.cpu_model) if active and facts.cpu_model else ""
    if mode != "custom" or cpu.find("feature[@policy='disable']") is not None:
        # With features taken away it may run where the whole model does not.
        return ""
    model = text(cpu, "model")
    return cpu_token(model, kind) if model else ""
