"""Ganeti's text format (``hbal -t``, ``hscan``) as a cluster.

===================  ==========================================================================================
node                 a host; ``memory`` is what it leaves to instances: total - its own - what nobody accounts for
offline, drained     maintenance where instances still run there, else down; unreachable where all is unknown
instance             a domain; ``memory``, ``cpu`` (virtual CPUs) and its disk
plain, file          not migratable: the disk is on one node alone
drbd                 migratable to its secondary node only, where the other half of its disk is (``disk_replica``)
migration tags       needs and offers: a domain goes only where all migration tags of its node are
everything else      labels, in base units
===================  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from uuid import NAMESPACE_OID, UUID, uuid5

from rebalancer.cluster import Capabilities, Cluster, Domain, DomainState, Host, HostState, MigrationTraits
from rebalancer.cluster.text import printable
from rebalancer.cluster.units import Bytes
from rebalancer.imports.ganeti_policy import ganeti_policy
from rebalancer.imports.ganeti_tags import GanetiTags, ganeti_tags
from rebalancer.imports.ganeti_text import GanetiData, Instance, Node, parse_ganeti
from rebalancer.imports.model import Imported, SourceText

__all__ = ["import_ganeti"]

MIB = 2**20

_STATES = {
    "running": DomainState.RUNNING,
    "ERROR_up": DomainState.RUNNING,
    "ADMIN_down": DomainState.SHUT_OFF,
    "ADMIN_offline": DomainState.SHUT_OFF,
    "USER_down": DomainState.SHUT_OFF,
    "ERROR_down": DomainState.CRASHED,
    # These use memory somewhere, but nobody should touch them before that is settled.
    "ERROR_nodedown": DomainState.UNKNOWN,
    "ERROR_nodeoffline": DomainState.UNKNOWN,
    "ERROR_wrongnode": DomainState.UNKNOWN,
}
_WITHOUT_MEMORY = frozenset({"ADMIN_down", "ADMIN_offline", "ERROR_down", "USER_down"})
"""Statuses whose instances htools takes to use none of the memory that nodes report."""
_ON_ONE_NODE = frozenset({"plain", "file"})
_ABLE = Capabilities(live=True, offline=True)
"""Of every node; Ganeti neither renames instances on their way nor caps single migrations."""


def import_ganeti(source: SourceText, state: SourceText | None = None) -> Imported:  # noqa: ARG001
    """Raises InvalidInput with everything that is wrong in the file."""
    data = parse_ganeti(source.text, source.file)
    tags = ganeti_tags(data)
    policy, without_equivalent = ganeti_policy(data, tags, printable(PurePath(source.file).name, 100))
    return Imported(
        cluster=_cluster(data, tags),
        policy=policy,
        notes=(*_about_nodes(data), *_about_instances(data), *without_equivalent),
    )


def _cluster(data: GanetiData, tags: GanetiTags) -> Cluster:
    homes: dict[str, list[Instance]] = {node.name: [] for node in data.nodes}
    replicas: dict[str, set[str]] = {node.name: set() for node in data.nodes}
    for instance in data.instances:
        homes[instance.primary].append(instance)
        if instance.template == "drbd":
            replicas[instance.primary].add(instance.name)
            replicas[instance.secondary].add(instance.name)
    mirrored = any(replicas.values())
    groups = {group.uuid: group.name for group in data.groups}
    nodes = {node.name: node for node in data.nodes}
    weighted = any(node.cpu_speed != 1 for node in data.nodes)
    own = uuid5(NAMESPACE_OID, "ganeti\n" + "\n".join(sorted(groups)))
    return Cluster(
        name=data.groups[0].name if len(data.groups) == 1 else "ganeti",
        hosts=tuple(
            Host(
                name=node.name,
                state=_state(node, homes[node.name]),
                reason=_reason(node, homes[node.name]),
                labels=_host_labels(node, groups, tags, homes[node.name]),
                capacity=_capacity(node, homes[node.name], weighted=weighted),
                migration=_ABLE,
                offers={
                    **({"disk_replica": frozenset(replicas[node.name])} if mirrored else {}),
                    **({"migration_tag": tags.accepted(node)} if tags.migration else {}),
                },
            )
            for node in data.nodes
        ),
        domains=tuple(
            _domain(instance, nodes[instance.primary], groups, tags, own, weighted=weighted)
            for instance in data.instances
        ),
    )


def _state(node: Node, instances: Sequence[Instance]) -> HostState:
    if not node.offline:
        return HostState.UP
    # The format has one flag for offline and drained nodes. What still runs there tells them apart.
    if any(_STATES[instance.status] is DomainState.RUNNING for instance in instances):
        return HostState.MAINTENANCE
    return HostState.UNREACHABLE if node.total_memory is None else HostState.DOWN


def _reason(node: Node, instances: Sequence[Instance]) -> str | None:
    return {
        HostState.MAINTENANCE: "offline or drained in Ganeti, and instances still run here",
        HostState.DOWN: "offline or drained in Ganeti",
        HostState.UNREACHABLE: "Ganeti knows nothing of it",
    }.get(_state(node, instances))


def _unaccounted(node: Node, instances: Sequence[Instance]) -> int:
    """MiB that neither the node nor its instances account for: the hypervisor's overhead."""
    used = sum(instance.memory for instance in instances if _uses_memory(instance))
    return max(0, (node.total_memory or 0) - node.node_memory - used - node.free_memory)


def _uses_memory(instance: Instance) -> bool:
    return instance.status not in _WITHOUT_MEMORY and not instance.forthcoming


def _capacity(node: Node, instances: Sequence[Instance], *, weighted: bool) -> dict[str, float]:
    if node.total_memory is None:
        return {}
    left = node.total_memory - node.node_memory - _unaccounted(node, instances)
    capacity: dict[str, float] = {
        "cpu": node.cpus,
        "memory": max(0, left) * MIB,
        "disk": node.total_disk * MIB,
    }
    if weighted:
        capacity["cpu_power"] = node.cpus * node.cpu_speed
    return capacity


def _host_labels(
    node: Node, groups: Mapping[str, str], tags: GanetiTags, instances: Sequence[Instance]
) -> dict[str, str]:
    labels = {"group": groups[node.group], **tags.host_labels(node)}
    if node.total_memory is not None:
        labels |= {
            "memory_total": str(node.total_memory * MIB),
            "memory_node": str(node.node_memory * MIB),
            "memory_free": str(node.free_memory * MIB),
            "disk_free": str(node.free_disk * MIB),
            "node_cpus": str(node.node_cpus),
        }
        unaccounted = _unaccounted(node, instances)
        labels |= {"memory_unaccounted": str(unaccounted * MIB)} if unaccounted else {}
    return labels | _given(
        role="master" if node.master else "",
        tags=",".join(node.tags),
        cpu_speed=str(node.cpu_speed) if node.cpu_speed != 1 else "",
        exclusive_storage="Y" if node.exclusive_storage else "",
        spindles=str(node.spindles) if node.spindles != 1 else "",
        spindles_free=str(node.free_spindles) if node.free_spindles else "",
    )


def _given(**labels: str) -> dict[str, str]:
    return {name: value for name, value in labels.items() if value}


def _domain(
    instance: Instance, node: Node, groups: Mapping[str, str], tags: GanetiTags, cluster: UUID, *, weighted: bool
) -> Domain:
    memory = instance.memory * MIB
    uses: dict[str, float] = {"cpu": instance.vcpus, "memory": memory, _disk(instance): instance.disk * MIB}
    if weighted:
        uses["cpu_power"] = instance.vcpus
    needs = {"migration_tag": tags.migration_tags(node)}
    if instance.template == "drbd":
        needs["disk_replica"] = frozenset({instance.name})
    stuck = instance.template in _ON_ONE_NODE
    return Domain(
        name=instance.name,
        # Of the groups' UUIDs and the name, not of all that the file says: the same in every snapshot of the cluster.
        uuid=str(uuid5(cluster, instance.name)),
        host=instance.primary,
        state=DomainState.SHUT_OFF if instance.forthcoming else _STATES[instance.status],
        uses=uses,
        labels=_domain_labels(instance, groups[node.group], tags),
        needs={kind: items for kind, items in needs.items() if items},
        migration=MigrationTraits(
            memory=Bytes(memory),
            allowed=not stuck,
            reason=f"its disk ({instance.template}) is on {instance.primary} alone" if stuck else None,
        ),
    )


def _disk(instance: Instance) -> str:
    """What the disk counts as. A move never changes what a node's own disks hold, so only a fixed disk counts there:
    a mirrored one is on both of its nodes before and after, a shared one is elsewhere."""
    if instance.template in _ON_ONE_NODE:
        return "disk"
    return "mirrored_disk" if instance.template == "drbd" else "shared_disk"


def _domain_labels(instance: Instance, group: str, tags: GanetiTags) -> dict[str, str]:
    return {"group": group, "disk_template": instance.template, **tags.domain_labels(instance.tags)} | _given(
        secondary=instance.secondary,
        status=instance.status if instance.status != "running" else "",
        auto_balance="" if instance.auto_balance else "N",
        spindle_use=str(instance.spindle_use) if instance.spindle_use != 1 else "",
        spindles="" if instance.spindles is None else str(instance.spindles),
        forthcoming="Y" if instance.forthcoming else "",
        tags=",".join(instance.tags),
    )


def _about_nodes(data: GanetiData) -> tuple[str, ...]:
    offline = [node.name for node in data.nodes if node.offline]
    if not offline:
        return ()
    return (
        f"offline or drained: {_listed(offline)}; those with running instances are in maintenance and will be emptied",
    )


def _about_instances(data: GanetiData) -> tuple[str, ...]:
    instances = data.instances
    stuck = sum(instance.template in _ON_ONE_NODE for instance in instances)
    mirrored = sum(instance.template == "drbd" for instance in instances)
    down = sum(not _uses_memory(instance) for instance in instances)
    return tuple(
        f"{_count(number, 'instance')} {words}"
        for number, words in (
            (stuck, "with a plain or file disk cannot be migrated"),
            (mirrored, "mirrored by DRBD can be migrated to the secondary node only (replace-disks has no equivalent)"),
            (down, "not running: neither counted nor moved, while hbal keeps the memory to start them"),
        )
        if number
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
