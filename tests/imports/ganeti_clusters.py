"""Random clusters in Ganeti's text format, written by a program that shares no code with the importer."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

__all__ = ["Made", "make"]

TEMPLATES = ("rbd", "ext", "drbd", "plain", "diskless", "sharedfile")
STATUSES = ("running",) * 6 + ("ADMIN_down", "ERROR_up", "ERROR_down")
NO_MEMORY = ("ADMIN_down", "ERROR_down")


@dataclass
class Made:
    """A file and the sums over it, in MiB and virtual CPUs."""

    text: str = ""
    memory: int = 0
    vcpus: int = 0
    disk: int = 0
    node_memory: int = 0
    cpus: int = 0
    node_disk: int = 0
    names: list[str] = field(default_factory=list)


def make(seed: int, *, names: tuple[str, str, str] = ("node", "vm", "group")) -> Made:
    """``names``: what the names of nodes, instances and groups begin with."""
    random = Random(seed)
    made = Made()
    node, instance, group = names
    groups = [f"{group}{i}" for i in range(random.choice((1, 1, 2)))]
    nodes = {f"{node}{i}": groups[i % len(groups)] for i in range(random.randint(2, 7) * len(groups))}
    primaries: dict[str, int] = dict.fromkeys(nodes, 0)
    rows = []
    for i in range(random.randint(0, 25)):
        template = random.choice(TEMPLATES)
        memory, disk, vcpus = random.choice((512, 1024, 4096)), random.choice((0, 10240)), random.randint(1, 4)
        primary = random.choice(list(nodes))
        others = [other for other in nodes if nodes[other] == nodes[primary] and other != primary]
        secondary = random.choice(others) if template == "drbd" else ""
        status = random.choice(STATUSES)
        tags = random.sample(["svc:a", "svc:b", "tier:1", "zone:east", "it's"], random.randint(0, 3))
        primaries[primary] += 0 if status in NO_MEMORY else memory
        made.memory, made.disk, made.vcpus = made.memory + memory, made.disk + disk, made.vcpus + vcpus
        made.names.append(f"{instance}{i}")
        fields = (f"{instance}{i}", memory, disk, vcpus, status, random.choice("YN"), primary, secondary, template)
        rows.append("|".join(map(str, (*fields, ",".join(tags), 1, "-", "N"))))
    lines = [f"{name}|uuid-{i}|preferred||" for i, name in enumerate(groups)] + [""]
    for name, of in nodes.items():
        own, overhead, cpus = 1024, random.choice((0, 0, 128)), random.choice((8, 16))
        total = primaries[name] + own + overhead + random.choice((0, 2048, 8192))
        made.node_memory, made.cpus, made.node_disk = (
            made.node_memory + total,
            made.cpus + cpus,
            made.node_disk + 200000,
        )
        free = total - own - overhead - primaries[name]
        tags = random.choice(("zone:east", "zone:west", "zone:west,hv:new", ""))
        offline = random.choice("NNNNNNYM")
        fields = (name, total, own, free, 200000, 100000, cpus, offline, f"uuid-{groups.index(of)}", 4, tags, "N", 2)
        lines.append("|".join(map(str, (*fields, random.choice((0, 1)), random.choice((1.0, 1.0, 1.2))))))
    lines += ["", *rows, "", "htools:iextags:svc", "htools:iextags:tier", "htools:nlocation:zone"]
    lines += ["htools:desiredlocation:zone", "htools:migration:hv", ""]
    spec = "128,1,1024,1,1,1|128,1,1024,1,1,1;1048576,64,1048576,16,8,12|rbd,drbd"
    lines += [f"{owner}|{spec}|{ratio}|32.0" for owner, ratio in zip(("", *groups), (4.0, 3.0, 2.5), strict=False)]
    made.text = "\n".join(lines) + "\n"
    return made
