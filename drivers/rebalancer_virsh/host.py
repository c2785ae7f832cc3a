"""What a host is and offers, from the answers of its virsh. Pure: saved answers are its tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rebalancer.cluster import Capabilities, Host
from rebalancer.drivers.commands import printable
from rebalancer.drivers.xml import parse_xml, text
from rebalancer_virsh.hypervisors import capabilities_of, version_of
from rebalancer_virsh.storage import NETWORKED_POOLS

__all__ = [
    "HOST_COMMANDS",
    "HostFacts",
    "cpu_token",
    "net_device_commands",
    "net_devices",
    "passthrough_token",
    "read_facts",
    "read_host",
]

EMULATED = "qemu"
"""The domain type of QEMU without KVM, which runs other CPU models than the processor does."""

HOST_COMMANDS = (
    "capabilities",
    "version",
    "nodeinfo",
    "net-list --name",
    "nodedev-list --cap net",
    "pool-list --name",
    NETWORKED_POOLS,
    "domcapabilities --virttype kvm",
    "domcapabilities --virttype qemu",
)
_DEVICE = re.compile(r"net_[A-Za-z0-9_]+")
_MOST_DEVICES = 256


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What does not change while the tool runs."""

    uuid: str
    cpu_model: str
    capabilities: Capabilities
    version: tuple[int, ...]
    types: frozenset[str]
    machines: frozenset[str]
    drops_cache: bool
    """Whether QEMU forgets the pages that it cached of a disk, so that any cache mode is safe to migrate with."""


def read_facts(kind: str, capabilities: bytes, version: str) -> HostFacts:
    """From ``capabilities`` and ``version``; raises ValueError."""
    root = parse_xml(capabilities, "capabilities")
    machines = set()
    for machine in root.iterfind("guest/arch//machine"):
        machines |= {name for name in (machine.text, machine.get("canonical")) if name}
    types = {domain.get("type") or "" for domain in root.iterfind("guest/arch/domain")}
    library = version_of(version)
    return HostFacts(
        uuid=text(root, "host/uuid") or "",
        cpu_model=text(root, "host/cpu/model") or "",
        capabilities=capabilities_of(kind, root, library),
        version=library,
        types=frozenset(types - {""}),
        machines=frozenset(machines),
        drops_cache=library >= (5, 8) and _qemu_version(version) >= (4, 0),
    )


def read_host(
    name: str, facts: HostFacts, answers: Mapping[str, tuple[bytes, str]], devices: Iterable[str] | None
) -> Host:
    """From the answers to :data:`HOST_COMMANDS`, as (output, error) by command; raises ValueError."""
    offers: dict[str, frozenset[str]] = {}
    if facts.types:
        offers["type"] = facts.types
    if facts.machines:
        offers["machine"] = facts.machines
    for kind, command in (("network", "net-list --name"), ("pool", "pool-list --name")):
        output, error = answers[command]
        if not error:
            offers[kind] = frozenset(line for line in _lines(output) if line)
    if devices is not None:
        offers["bridge"] = frozenset(devices)
    models = _cpu_models(facts, answers)
    if models:
        offers["cpu_model"] = models
    return Host(
        name=name,
        capacity=_capacity(answers["nodeinfo"][0].decode("utf-8", "replace")),
        migration=facts.capabilities,
        offers=offers,
    )


def net_device_commands(listing: bytes) -> tuple[str, ...]:
    """Commands that tell the names of the network devices listed, without those that belong to domains."""
    names = [line.strip() for line in _lines(listing)]
    names = [
        name for name in names if _DEVICE.fullmatch(name) and not name.startswith(("net_vnet", "net_tap", "net_lo_"))
    ]
    return tuple(f"nodedev-dumpxml {name}" for name in names[:_MOST_DEVICES])


def net_devices(answers: Sequence[bytes]) -> tuple[str, ...]:
    """Names of network devices; one that has gone in the meantime is left out."""
    found = [text(parse_xml(answer, "device"), "capability/interface") for answer in answers if answer.strip()]
    return tuple(name for name in found if name)


def cpu_token(model: str, domain_type: str) -> str:
    """A CPU model as hosts offer and domains need it: without KVM, a model is another one."""
    return f"{model} (emulated)" if domain_type == EMULATED else model


def passthrough_token(model: str) -> str:
    """What a domain needs that shows its host's own CPU to its guest."""
    return f"host-passthrough:{model}"


def _cpu_models(facts: HostFacts, answers: Mapping[str, tuple[bytes, str]]) -> frozenset[str]:
    found: set[str] = set()
    for domain_type in ("kvm", EMULATED):
        output, error = answers[f"domcapabilities --virttype {domain_type}"]
        if error or not output.strip():
            continue
        root = parse_xml(output, "domainCapabilities")
        custom = root.iterfind("cpu/mode[@name='custom']/model[@usable='yes']")
        # libvirt takes some features away from its own model: usable is "no" and yet such domains run.
        own = root.iterfind("cpu/mode[@name='host-model']/model")
        models = [element.text for element in (*custom, *own)]
        found |= {cpu_token(model, domain_type) for model in models if model}
    if found and facts.cpu_model:
        found.add(passthrough_token(facts.cpu_model))
    return frozenset(found)


def _qemu_version(answer: str) -> tuple[int, int]:
    found = re.search(r"^Running hypervisor: QEMU ([0-9]{1,4})\.([0-9]{1,4})", answer, re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _capacity(nodeinfo: str) -> dict[str, float]:
    cpus = re.search(r"^CPU\(s\):\s+([0-9]{1,9})$", nodeinfo, re.MULTILINE)
    memory = re.search(r"^Memory size:\s+([0-9]{1,15}) KiB$", nodeinfo, re.MULTILINE)
    if cpus is None or memory is None:
        raise ValueError(f"'nodeinfo' answered without CPUs or memory: {printable(nodeinfo) or 'nothing'}")
    return {"cpu": float(cpus[1]), "memory": float(int(memory[1]) * 1024)}


def _lines(output: bytes) -> list[str]:
    return output.decode("utf-8", "replace").strip("\n").split("\n")
