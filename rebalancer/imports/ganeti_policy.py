"""hbal's rules and score as a policy.

hbal's score adds up standard deviations of fractions; ours counts percentage points. So 1 in hbal's score is 100 here,
and with weight 1 the parts that both have weigh the same against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rebalancer.imports.ganeti_tags import GanetiTags, Kind
from rebalancer.imports.ganeti_text import GanetiData, Group, Node
from rebalancer.imports.writing import Entry, PolicyText, cel_text, label

__all__ = ["ganeti_policy"]

_ONE = 100
"""What counts 1 in hbal's score."""


def ganeti_policy(data: GanetiData, tags: GanetiTags, file: str) -> tuple[str, tuple[str, ...]]:
    """(the policy's text, what of the file has no equivalent in it)."""
    missing = tuple(_without_equivalent(data, tags))
    policy = PolicyText(
        name="ganeti",
        description=f"What hbal keeps to and aims at, imported from {file}",
        preface=(
            f"Imported from {file} (Ganeti). 1 in hbal's score is {_ONE} here, so that weights compare with hbal's.",
            *(_about(group) for group in data.groups[:20]),
        ),
        rules=(
            *_memory(data),
            *_cpu(data),
            *_groups(data),
            *_mirrored(data),
            *_exclusion(tags),
            *_locations(tags),
            *_desired(data, tags),
        ),
        goals=(*_balance(data), _moves()),
        names=Entry({"on_clash": "forbid"}, "Names are unique in Ganeti; nothing is renamed."),
        migration=(
            Entry(
                {"select": "true", "concurrency": {"per_host": 1}},
                "As in hbal's job sets, a node takes part in one migration at a time.",
            ),
        ),
        limits=Entry(
            {"min_gain": "1%"}, "hbal ends when a step gains less than 0.01 (-g); this is about the whole plan."
        ),
        without_equivalent=missing,
    )
    return str(policy), missing


def _about(group: Group) -> str:
    details = [f"UUID {group.uuid}", f"allocation {group.alloc_policy}"]
    details += [f"tags {', '.join(group.tags)}"] if group.tags else []
    details += [f"networks {', '.join(group.networks)}"] if group.networks else []
    return f"Node group {group.name}: {'; '.join(details)}."


def _in_group(data: GanetiData, group: Group) -> dict[str, str]:
    """What limits a clause to the hosts of a group, where there are several."""
    return {"hosts": f"labels.group == {cel_text(group.name)}"} if len(data.groups) > 1 else {}


def _memory(data: GanetiData) -> Iterator[Entry]:
    ratios = {group.name: data.policy_of(group).memory_ratio for group in data.groups}
    why = "The capacity is what a node leaves to instances: its total without what it uses itself (see its labels)."
    if len(set(ratios.values())) == 1:
        yield Entry({"capacity": {"resource": "memory", **_overcommit(ratios[data.groups[0].name])}}, why)
        return
    for group in data.groups:
        rule = {"resource": "memory", **_overcommit(ratios[group.name]), **_in_group(data, group)}
        yield Entry({"capacity": rule}, why)
        why = ""


def _overcommit(ratio: float) -> dict[str, float]:
    return {} if ratio == 1 else {"overcommit": ratio}


def _cpu(data: GanetiData) -> Iterator[Entry]:
    """(the node's own CPUs) + Σ vcpus ≤ ratio · CPUs, which is Σ vcpus ≤ ratio · (CPUs - own / ratio)."""
    why = "The instance policy's vcpu-ratio; the reserve is for the CPUs that the node uses itself."
    for ratio, own, selector in _cpu_classes(data):
        rule: dict[str, object] = {"resource": "cpu", "overcommit": ratio}
        rule |= {"reserve": own / ratio} if own else {}
        yield Entry({"capacity": {**rule, **({"hosts": selector} if selector else {})}}, why)
        why = ""


def _cpu_classes(data: GanetiData) -> Iterator[tuple[float, int, str]]:
    """(vcpu-ratio, the node's own CPUs, the selector of the hosts that have both); no selector: all."""
    groups = {group.uuid: group for group in data.groups}
    ratios = {uuid: data.policy_of(group).vcpu_ratio for uuid, group in groups.items()}
    by_group = len(set(ratios.values())) > 1
    known = [node for node in data.nodes if node.total_memory is not None]
    by_own = len({node.node_cpus for node in known}) > 1

    def key(node: Node) -> tuple[str, int]:
        return (node.group if by_group else data.groups[0].uuid, node.node_cpus)

    for uuid, own in dict.fromkeys(map(key, known)):
        parts = [f"labels.group == {cel_text(groups[uuid].name)}"] if by_group else []
        parts += [f"labels.node_cpus == {cel_text(str(own))}"] if by_own else []
        yield ratios[uuid], own, " && ".join(parts)


def _groups(data: GanetiData) -> Iterator[Entry]:
    if len(data.groups) < 2:
        return
    why = "Instances stay in their node group."
    for group in data.groups:
        selector = f"labels.group == {cel_text(group.name)}"
        yield Entry({"pin": {"select": selector, "hosts": selector}}, why)
        why = ""


def _mirrored(data: GanetiData) -> Iterator[Entry]:
    if any(instance.template == "drbd" for instance in data.instances):
        why = (
            "N+1: secondary nodes have room for what is mirrored to them, for all of it at once. hbal asks for the room"
            f" that the loss of any one node would take, and counts what lacks as {_ONE}, too."
        )
        yield Entry({"standby": {"host": "labels.secondary", "soft": _ONE}}, why)


def _exclusion(tags: GanetiTags) -> Iterator[Entry]:
    for kind in tags.exclusion:
        why = f"htools:iextags:{kind.prefix}: instances with the same tag do not share a node."
        for name in kind.labels.names:
            yield Entry({"anti_affinity": {"group": label(name)}}, why)
            why = ""


def _locations(tags: GanetiTags) -> Iterator[Entry]:
    for place in tags.location:
        why = (
            f"htools:nlocation:{place.prefix}: nodes with the same tag fail together. Instances with the same exclusion"
            f" tag are better not there together; each counts {_ONE}, as in hbal."
        )
        for zone in place.labels.names:
            for kind in tags.exclusion:
                for name in kind.labels.names:
                    yield Entry({"anti_affinity": {"group": label(name), "across": zone, "soft": _ONE}}, why)
                    why = ""


def _desired(data: GanetiData, tags: GanetiTags) -> Iterator[Entry]:
    where = {tag: (name, value) for kind in tags.location for tag, name, value in kind.values()}
    for kind in tags.desired:
        why = f"htools:desiredlocation:{kind.prefix}: instances are better on a node with the same tag."
        for tag, name, value in _wanted(data, kind):
            if tag not in where:
                continue  # no node has it: nothing would satisfy it, in hbal neither
            zone, of_zone = where[tag]
            rule = {
                "select": f"{label(name)} == {cel_text(value)}",
                "hosts": f"{label(zone)} == {cel_text(of_zone)}",
                "soft": _ONE,
            }
            yield Entry({"pin": rule}, why)
            why = ""


def _wanted(data: GanetiData, kind: Kind) -> Iterator[tuple[str, str, str]]:
    used = {tag for instance in data.instances for tag in instance.tags}
    return (entry for entry in kind.values() if entry[0] in used)


def _balance(data: GanetiData) -> Iterator[Entry]:
    resource = "cpu_power" if any(node.cpu_speed != 1 for node in data.nodes) else "cpu"
    memory = "free_mem_cv, twice 0.5: how evenly memory is used."
    cpu = "vcpu_ratio_cv, twice 0.5: how evenly virtual CPUs share the physical ones."
    cpu += " cpu_power is CPUs times their relative speed." if resource == "cpu_power" else ""
    for group in data.groups:
        scope = _in_group(data, group)
        yield Entry({"balance": {"resource": "memory", "weight": 1, **scope}}, memory)
        yield Entry({"balance": {"resource": resource, "weight": 1, **scope}}, cpu)
        memory = cpu = ""


def _moves() -> Entry:
    why = "Not in hbal's score, which counts no moves: little, but enough to prefer the shorter of two equal plans."
    return Entry({"move_cost": {"per_move": 0.01}}, why)


def _without_equivalent(data: GanetiData, tags: GanetiTags) -> Iterator[str]:
    if any(instance.template == "drbd" for instance in data.instances):
        yield "N+1: room is kept for all that is mirrored to a node, not for what one other node would bring"
        yield "replace-disks: secondary nodes stay where they are, so free disk and spindles do not change"
        if tags.location:
            yield "location tags: that primary and secondary node have different ones is not looked at"
    if any(policy.memory_ratio != 1 for policy in (data.policy, *data.group_policies.values())):
        yield "memory-ratio: taken as overcommit of what a node leaves to instances"
    missing = {tag for kind in tags.desired for tag, _, _ in _wanted(data, kind)} - {
        tag for kind in tags.location for tag in kind.labels.slot
    }
    if missing:
        yield f"desired locations that no node has: {_listed(sorted(missing))}"
    if any(node.exclusive_storage for node in data.nodes):
        yield "exclusive storage: free spindles are kept as labels and not counted"
    if tags.unused:
        yield f"cluster tags without a meaning here: {_listed(tags.unused)}"
    yield "dynamic load (-U, MonD): the file has none; measured load is what our drivers report as cpu"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
