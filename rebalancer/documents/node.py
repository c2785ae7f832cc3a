"""Where everything in a text stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import field
from functools import cached_property

from rebalancer.errors import Position
from rebalancer.values import dataclass

__all__ = ["Lines", "ListNode", "MappingNode", "Node"]


@dataclass(slots=True)
class Node:
    """One value of a document and where it starts. Offsets count characters from 0."""

    offset: int

    def locate(self, path: Sequence[str | int], *, key: bool = False) -> int:
        """Where a path leads, or the deepest part of it that exists."""
        node, offset = self, self.offset
        for index, step in enumerate(path):
            if isinstance(node, MappingNode) and isinstance(step, str) and step in node.entries:
                key_offset, node = node.entries[step]
                offset = key_offset if key and index == len(path) - 1 else node.offset
            elif isinstance(node, ListNode) and isinstance(step, int) and 0 <= step < len(node.items):
                node = node.items[step]
                offset = node.offset
            else:
                break
        return offset


@dataclass(slots=True)
class MappingNode(Node):
    entries: dict[str, tuple[int, Node]] = field(default_factory=dict)
    """Key → (where the key stands, its value)."""


@dataclass(slots=True)
class ListNode(Node):
    items: list[Node] = field(default_factory=list)


class Lines:
    """Offsets ↔ lines and columns of one text."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self._text = text

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", self._text))]

    def position(self, offset: int) -> Position:
        line = bisect_right(self._starts, offset)
        return Position(self.file, line, offset - self._starts[line - 1] + 1)
