"""Ganeti's text format: sections of lines of fields, read into records with everything that is wrong and where.

Sections are separated by one empty line: groups, nodes, instances, cluster tags, instance policies (which may be left
out). Fields are separated by ``|``, lists by ``,``. Fields added by later versions may be left out at the end. Memory
and disk are in MiB.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from rebalancer.cluster.text import shown
from rebalancer.errors import InvalidInput, Position, Problem
from rebalancer.values import dataclass

__all__ = ["GanetiData", "Group", "Instance", "InstancePolicy", "Node", "parse_ganeti"]

MAX_SIZE = 32 * 2**20
"""In characters; 5,000 instances take less than one million."""
MAX_LINES = 1_000_000
MAX_LINE = 64 * 2**10
MAX_NAME = 255
MAX_PROBLEMS = 50
MAX_TAGS = 1000
"""Of one node, instance or cluster."""

_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?(?:[eE]-?[0-9]{1,2})?")
_LARGEST = 10**12
"""In the file's units: 2⁶⁰ bytes and more, a million hosts' worth."""
_STATES = (
    "running",
    "ADMIN_down",
    "ADMIN_offline",
    "USER_down",
    "ERROR_up",
    "ERROR_down",
    "ERROR_nodedown",
    "ERROR_nodeoffline",
    "ERROR_wrongnode",
)
_TEMPLATES = ("diskless", "file", "sharedfile", "plain", "blockdev", "drbd", "rbd", "ext", "gluster")
_A_TAG = f"a tag: at most {MAX_NAME} characters, no spaces"
_SECTIONS = "groups, nodes, instances, cluster tags and instance policies, each followed by an empty line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    name: str
    uuid: str
    alloc_policy: str
    tags: tuple[str, ...]
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Amounts are None where the file has ``?``: nothing is known of the node. Memory and disk in MiB."""

    name: str
    group: str
    """The group's UUID."""
    offline: bool
    master: bool
    total_memory: int | None = None
    node_memory: int = 0
    """Used by the node itself."""
    free_memory: int = 0
    total_disk: int = 0
    free_disk: int = 0
    cpus: float = 0
    spindles: int = 1
    tags: tuple[str, ...] = ()
    exclusive_storage: bool = False
    free_spindles: int = 0
    node_cpus: int = 1
    """Used by the node itself."""
    cpu_speed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """Memory and disk in MiB."""

    name: str
    memory: int
    disk: int
    vcpus: int
    status: str
    auto_balance: bool
    primary: str
    secondary: str
    """Empty: none."""
    template: str
    tags: tuple[str, ...]
    spindle_use: int
    spindles: int | None
    forthcoming: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePolicy:
    """The part of a group's instance policy that concerns where instances run."""

    vcpu_ratio: float = 4.0
    spindle_ratio: float = 32.0
    memory_ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GanetiData:
    groups: tuple[Group, ...]
    nodes: tuple[Node, ...]
    instances: tuple[Instance, ...]
    tags: tuple[str, ...]
    policy: InstancePolicy
    """The cluster's."""
    group_policies: dict[str, InstancePolicy]
    """By group name, where a group has its own."""

    def policy_of(self, group: Group) -> InstancePolicy:
        return self.group_policies.get(group.name, self.policy)


def parse_ganeti(text: str, file: str) -> GanetiData:
    """Raises InvalidInput with everything that is wrong in the file."""
    return _Parser(file).parse(text)


class _Row:
    """The fields of a line, read one after another; a problem is noted and something harmless returned."""

    def __init__(self, parser: _Parser, number: int, line: str) -> None:
        self._parser = parser
        self.number = number
        self._fields = line.split("|")
        self._next = 0
        self._column = 1

    def __len__(self) -> int:
        return len(self._fields)

    def refuse(self, message: str) -> None:
        """A problem with the field read last."""
        self._parser.refuse(message, self.number, self._column)

    def text(self, default: str | None = None) -> str:
        if self._next >= len(self._fields):
            return default or ""
        if self._next > 0:
            self._column += len(self._fields[self._next - 1]) + 1
        self._next += 1
        return self._fields[self._next - 1]

    def name(self, what: str) -> str:
        value = self.text()
        if not value or value != value.strip() or len(value) > MAX_NAME:
            self.refuse(f"{shown(value)} is not {what}; write 1 to {MAX_NAME} characters without spaces around them")
        return value

    def number_(self, what: str, default: str | None = None) -> float:
        value = self.text(default)
        if not _NUMBER.fullmatch(value):
            self.refuse(f"{shown(value)} is not {what}; write a number such as 16384")
            return 0.0
        found = float(value)
        if abs(found) > _LARGEST:
            self.refuse(f"{what} {shown(value)} is out of range")
            return 0.0
        return found

    def amount(self, what: str, default: str | None = None) -> float:
        found = self.number_(what, default)
        if found < 0:
            self.refuse(f"{what} is negative")
        return max(found, 0.0)

    def whole(self, what: str, default: str | None = None, *, negative: bool = False) -> int:
        found = self.number_(what, default) if negative else self.amount(what, default)
        if found != int(found):
            self.refuse(f"{what} is not a whole number")
        return int(found)

    def ratio(self, what: str, default: str | None = None) -> float:
        found = self.number_(what, default)
        if not 0.001 <= found <= 1000:
            self.refuse(f"{what} must be between 0.001 and 1000")
            return 1.0
        return found

    def one_of(self, what: str, known: Sequence[str], default: str | None = None) -> str:
        value = self.text(default)
        if value not in known:
            self.refuse(f"{shown(value)} is not {what}; known: {', '.join(known)}")
            return known[0]
        return value

    def list_(self) -> tuple[str, ...]:
        values = tuple(dict.fromkeys(part for part in self.text().split(",") if part))
        if len(values) > MAX_TAGS:
            self.refuse(f"more than {MAX_TAGS:,} items in one list")
            return ()
        wrong = next((value for value in values if not _is_tag(value)), None)
        if wrong is not None:
            self.refuse(f"{shown(wrong)} is not {_A_TAG}")
            return ()
        return values

    def unknown(self, fields: int) -> bool:
        """Whether one of the next fields is ``?``."""
        return "?" in self._fields[self._next : self._next + fields]


def _is_tag(text: str) -> bool:
    return len(text) <= MAX_NAME and " " not in text


R = TypeVar("R")
_Lines = list[tuple[int, str]]


class _Parser:
    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.group_names: dict[str, int] = {}
        self.group_uuids: dict[str, int] = {}
        self.node_names: dict[str, int] = {}
        self.instance_names: dict[str, int] = {}

    def refuse(self, message: str, line: int, column: int = 1) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(message, Position(self.file, line, column)))

    def parse(self, text: str) -> GanetiData:
        groups, nodes, instances, tags, policies = self._sections(text)
        data = GanetiData(
            groups=self._rows(groups, 2, "group", "name|uuid|alloc policy|tags|networks", self._group),
            nodes=self._rows(
                nodes,
                9,
                "node",
                "name|total, node's and free memory|total and free disk|cpus|offline|group uuid|…",
                self._node,
            ),
            instances=self._rows(
                instances,
                10,
                "instance",
                "name|memory|disk|vcpus|status|auto balance|primary|secondary|disk template|tags|…",
                self._instance,
            ),
            tags=self._cluster_tags(tags),
            **self._policies(policies),  # type: ignore[arg-type]
        )
        if not data.groups and not self.problems:
            self.refuse("there is no group; the first line is a group: name|uuid|alloc policy|tags|networks", 1)
        if self.problems:
            raise InvalidInput(self.problems)
        return data

    def _sections(self, text: str) -> tuple[_Lines, _Lines, _Lines, _Lines, _Lines]:
        text = text.removeprefix("\ufeff")
        if len(text) > MAX_SIZE:
            raise InvalidInput(f"larger than {MAX_SIZE // 2**20} MiB", Position(self.file, 1, 1))
        if text.count("\n") > MAX_LINES:
            raise InvalidInput(f"more than {MAX_LINES:,} lines", Position(self.file, MAX_LINES, 1))
        sections: list[_Lines] = [[]]
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            content = line.removesuffix("\r")
            self._check_line(content, number)
            if content:
                sections[-1].append((number, content))
            else:
                sections.append([])
        if len(sections) < 4:
            message = f"{len(sections)} sections; expected at least 4: {_SECTIONS}"
            raise InvalidInput(message, Position(self.file, len(lines), 1))
        groups, nodes, instances, tags, *rest = sections
        return groups, nodes, instances, tags, rest[0] if rest else []

    def _check_line(self, line: str, number: int) -> None:
        if len(line) > MAX_LINE:
            raise InvalidInput(f"a line longer than {MAX_LINE:,} characters", Position(self.file, number, 1))
        if not line.isprintable():
            column, char = next((i, char) for i, char in enumerate(line, 1) if not char.isprintable())
            message = f"character U+{ord(char):04X} is not allowed; expected Ganeti's text format"
            raise InvalidInput(message, Position(self.file, number, column))

    def _rows(self, lines: _Lines, least: int, what: str, expected: str, read: Callable[[_Row], R]) -> tuple[R, ...]:
        found: list[R] = []
        for number, line in lines:
            row = _Row(self, number, line)
            if len(row) < least:
                self.refuse(f"too few fields for a {what}: {len(row)}; expected {expected}", number)
                continue
            found.append(read(row))
        return tuple(found)

    def _unique(self, known: dict[str, int], what: str, name: str, row: _Row) -> None:
        if known.setdefault(name, row.number) != row.number:
            row.refuse(f"{what} {shown(name)} is already given in line {known[name]}")

    def _known(self, known: dict[str, int], what: str, name: str, row: _Row) -> None:
        if name not in known:
            row.refuse(f"there is no {what} {shown(name)} in the file")

    def _group(self, row: _Row) -> Group:
        name = row.name("a group's name")
        self._unique(self.group_names, "group", name, row)
        uuid = row.name("a group's UUID")
        self._unique(self.group_uuids, "a group with UUID", uuid, row)
        policy = row.one_of("an allocation policy", ("preferred", "last_resort", "unallocable"), "preferred")
        return Group(name=name, uuid=uuid, alloc_policy=policy, tags=row.list_(), networks=row.list_())

    def _node(self, row: _Row) -> Node:
        name = row.name("a node's name")
        self._unique(self.node_names, "node", name, row)
        unknown = row.unknown(6)
        if unknown:
            for _ in range(6):
                row.text()
            amounts: dict[str, int | float | None] = {}
        else:
            amounts = {
                "total_memory": row.whole("total memory in MiB"),
                "node_memory": row.whole("the node's own memory in MiB"),
                "free_memory": row.whole("free memory in MiB", negative=True),
                "total_disk": row.whole("total disk in MiB"),
                "free_disk": row.whole("free disk in MiB", negative=True),
                "cpus": row.amount("a number of CPUs"),
            }
        state = row.one_of("an offline flag", ("N", "Y", "M"))
        group = row.text()
        self._known(self.group_uuids, "group with UUID", group, row)
        return Node(
            name=name,
            group=group,
            offline=state == "Y" or unknown,
            master=state == "M",
            **amounts,  # type: ignore[arg-type]
            spindles=row.whole("a number of spindles", "1"),
            tags=row.list_(),
            exclusive_storage=row.one_of("an exclusive-storage flag", ("N", "Y"), "N") == "Y",
            free_spindles=row.whole("a number of free spindles", "0", negative=True),
            node_cpus=row.whole("the node's own CPUs", "1"),
            cpu_speed=row.ratio("the relative speed of the CPUs", "1.0"),
        )

    def _instance(self, row: _Row) -> Instance:
        name = row.name("an instance's name")
        self._unique(self.instance_names, "instance", name, row)
        memory = row.whole("memory in MiB")
        disk = row.whole("disk in MiB")
        vcpus = row.whole("a number of virtual CPUs")
        status = row.one_of("an instance's status", _STATES)
        auto_balance = row.one_of("an auto-balance flag", ("Y", "N")) == "Y"
        primary = row.text()
        self._known(self.node_names, "node", primary, row)
        secondary = row.text()
        if secondary:
            self._known(self.node_names, "node", secondary, row)
            if secondary == primary:
                row.refuse(f"{shown(name)} has {shown(primary)} as primary and as secondary node")
        template = row.one_of("a disk template", _TEMPLATES)
        if template == "drbd" and not secondary:
            row.refuse(f"{shown(name)} is mirrored by DRBD, but has no secondary node")
        tags = row.list_()
        spindle_use = row.whole("the use of spindles", "1")
        spindles = row.text("-")
        if spindles != "-" and not re.fullmatch("[0-9]{1,9}", spindles):
            row.refuse(f"{shown(spindles)} is not a number of spindles; write a number, or - for none")
            spindles = "-"
        return Instance(
            name=name,
            memory=memory,
            disk=disk,
            vcpus=vcpus,
            status=status,
            auto_balance=auto_balance,
            primary=primary,
            secondary=secondary,
            template=template,
            tags=tags,
            spindle_use=spindle_use,
            spindles=None if spindles == "-" else int(spindles),
            forthcoming=row.one_of("a forthcoming flag", ("N", "Y"), "N") == "Y",
        )

    def _cluster_tags(self, lines: _Lines) -> tuple[str, ...]:
        if len(lines) > MAX_TAGS:
            self.refuse(f"more than {MAX_TAGS:,} cluster tags", lines[MAX_TAGS][0])
        for number, line in lines[:MAX_TAGS]:
            if not _is_tag(line):
                self.refuse(f"{shown(line)} is not {_A_TAG}", number)
        return tuple(line for _, line in lines)

    def _policies(self, lines: _Lines) -> dict[str, object]:
        rows = self._rows(
            lines,
            6,
            "instance policy",
            "owner|standard spec|min spec;max spec|disk templates|vcpu ratio|spindle ratio",
            self._policy,
        )
        own = dict(rows)
        return {"policy": own.pop("", InstancePolicy()), "group_policies": own}

    def _policy(self, row: _Row) -> tuple[str, InstancePolicy]:
        owner = row.text()
        if owner:
            self._known(self.group_names, "group", owner, row)
        for _ in range(3):
            row.text()
        return owner, InstancePolicy(
            vcpu_ratio=row.ratio("the ratio of virtual to physical CPUs"),
            spindle_ratio=row.ratio("the ratio of used to present spindles"),
            memory_ratio=row.ratio("the ratio of memory given out to memory present", "1.0"),
        )
