"""YAML 1.2's core schema, and nothing that surprises.

PyYAML's own loaders speak YAML 1.1, where ``22:30`` is 1350 and ``no`` is false, take the last of two equal keys, and
build recursively what a hostile file tells them to. So only its scanner and parser are used: their events are turned
into values here, with every limit in one place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import NoReturn

import yaml

from rebalancer.cluster.text import printable, shown
from rebalancer.documents.node import Lines, ListNode, MappingNode, Node
from rebalancer.errors import InvalidInput, Problem
from rebalancer.values import dataclass

__all__ = ["MAX_DEPTH", "parse_yaml"]

MAX_DEPTH = 64
MAX_NODES = 1_000_000
"""Counted with aliases expanded, which is what reading them costs."""
MAX_NUMBER_LENGTH = 100

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

_SCALARS: tuple[tuple[re.Pattern[str], Callable[[str], object]], ...] = (
    (re.compile(r"null|Null|NULL|~|"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    # No leading zeros: 010 is 8 to YAML 1.1, 10 to 1.2, and most often a label, so it stays text.
    (re.compile(r"[-+]?(0|[1-9][0-9]*)"), int),
    (re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+"), lambda text: int(text, base=0)),
    (re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
)
_MAY_BE_SPECIAL = frozenset("nN~tTfF-+.0123456789")

_HINTS = {
    "mapping values are not allowed in this context": "put text that contains ': ' in quotes",
    "found character that cannot start any token": "put the text in quotes",
    "did not find expected alphabetic or numeric character": "put text that starts with '*' or '&' in quotes",
    "did not find expected key": "is the indentation right?",
}


@dataclass(slots=True)
class _Part:
    """A value just built, with what it costs when it is used again."""

    data: object
    node: Node
    size: int = 1
    height: int = 0


@dataclass(slots=True)
class _Open:
    """A mapping or list that has not ended yet."""

    node: MappingNode | ListNode
    anchor: str | None
    counted_before: int
    mapping: dict[str, object] = field(default_factory=dict)
    items: list[object] = field(default_factory=list)
    height: int = 0
    key: str | None = None
    key_offset: int = 0


def parse_yaml(text: str, lines: Lines) -> tuple[object, Node]:
    """The value of a text that holds one YAML document, and where its parts stand."""
    return _Builder(lines, text).build()


def _offset(event: yaml.Event) -> int:
    return event.start_mark.index if event.start_mark else 0


class _Builder:
    def __init__(self, lines: Lines, text: str) -> None:
        self.lines = lines
        self.text = text
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Part | None] = {}
        self.counted = 0
        self.duplicates: list[Problem] = []
        self.root: _Part | None = None

    def build(self) -> tuple[object, Node]:
        documents = 0
        for event in self._events():
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse("a file holds one document; this starts another", _offset(event))
            elif isinstance(event, yaml.NodeEvent):
                self._node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close()
        if self.duplicates:
            raise InvalidInput(self.duplicates)
        return (None, Node(0)) if self.root is None else (self.root.data, self.root.node)

    def _events(self) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(self.text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = error.problem or "not valid YAML"
            offset = mark.index if mark else 0
            hint = _HINTS.get(problem)
            if self.text[offset : offset + 1] == "\t":
                hint = "use spaces, not tabs"
            details = "; ".join(filter(None, [error.context, hint]))
            self._refuse(f"{problem} ({details})" if details else problem, offset)
        except yaml.YAMLError as error:
            self._refuse(f"not valid YAML: {error}", 0)

    def _node(self, event: yaml.NodeEvent) -> None:
        offset = _offset(event)
        if isinstance(event, yaml.AliasEvent):
            self._add(self._alias(event.anchor or "", offset), offset)
            return
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._refuse(f"tags are not supported: {shown(tag)}; put text that starts with '!' in quotes", offset)
        self._count(1, offset)
        if event.anchor is not None:
            # Known but not finished: an alias to it from inside would have no end.
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            part = _Part(self._scalar(event, offset), Node(offset))
            if event.anchor is not None:
                self.anchors[event.anchor] = part
            self._add(part, offset)
            return
        if len(self.stack) >= MAX_DEPTH:
            self._refuse(f"nested more than {MAX_DEPTH} deep", offset)
        if self.stack and isinstance(self.stack[-1].node, MappingNode) and self.stack[-1].key is None:
            self._refuse("a key must be text, not a mapping or a list", offset)
        node = MappingNode(offset) if isinstance(event, yaml.MappingStartEvent) else ListNode(offset)
        self.stack.append(_Open(node, event.anchor, self.counted - 1))

    def _close(self) -> None:
        done = self.stack.pop()
        data: object = done.mapping if isinstance(done.node, MappingNode) else done.items
        part = _Part(data, done.node, self.counted - done.counted_before, done.height + 1)
        if done.anchor is not None:
            self.anchors[done.anchor] = part
        self._add(part, done.node.offset)

    def _alias(self, anchor: str, offset: int) -> _Part:
        part = self.anchors.get(anchor)
        if part is None:
            self._refuse(
                f"'*{printable(anchor, 60)}' refers to itself"
                if anchor in self.anchors
                else f"there is no anchor '&{printable(anchor, 60)}'; put text that starts with '*' in quotes",
                offset,
            )
        self._count(part.size, offset)
        if len(self.stack) + part.height > MAX_DEPTH:
            self._refuse(f"nested more than {MAX_DEPTH} deep", offset)
        return part

    def _add(self, part: _Part, offset: int) -> None:
        """Puts a finished value where it belongs; ``offset`` is where it is used."""
        if not self.stack:
            self.root = part
            return
        parent = self.stack[-1]
        parent.height = max(parent.height, part.height)
        if isinstance(parent.node, ListNode):
            parent.items.append(part.data)
            parent.node.items.append(part.node)
        elif parent.key is None:
            parent.key, parent.key_offset = self._key(part.data, offset), offset
        else:
            known = parent.node.entries.get(parent.key)
            if known is not None:
                self.duplicates.append(
                    Problem(
                        f"key {shown(parent.key)} is already given in line {self.lines.position(known[0]).line}",
                        self.lines.position(parent.key_offset),
                    )
                )
            parent.mapping[parent.key] = part.data
            parent.node.entries[parent.key] = (parent.key_offset, part.node)
            parent.key = None

    def _key(self, key: object, offset: int) -> str:
        if not isinstance(key, str):
            self._refuse(f"a key must be text; put {shown(key)} in quotes", offset)
        if key == "<<":
            self._refuse("merge keys (<<) are not supported; write the keys out", offset)
        return key

    def _scalar(self, event: yaml.ScalarEvent, offset: int) -> object:
        text: str = event.value
        if not event.implicit[0] or (text and text[0] not in _MAY_BE_SPECIAL):
            return text
        for pattern, convert in _SCALARS:
            if pattern.fullmatch(text):
                if len(text) > MAX_NUMBER_LENGTH:
                    self._refuse(f"a number of {len(text)} digits is too long", offset)
                return convert(text)
        return text

    def _count(self, nodes: int, offset: int) -> None:
        self.counted += nodes
        if self.counted > MAX_NODES:
            self._refuse(f"more than {MAX_NODES:,} values (aliases counted as often as they are used)", offset)

    def _refuse(self, message: str, offset: int) -> NoReturn:
        raise InvalidInput(printable(message), self.lines.position(offset))
