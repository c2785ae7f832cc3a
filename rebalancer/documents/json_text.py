"""JSON, read at the speed of the standard library; positions are looked for only when an error needs one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from rebalancer.cluster.text import shown
from rebalancer.documents.node import Lines, ListNode, MappingNode, Node
from rebalancer.documents.yaml_text import MAX_DEPTH
from rebalancer.errors import InvalidInput, Problem

__all__ = ["NotJson", "locate_json", "parse_json"]

_TOKEN = re.compile(r'[{}\[\]]|"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+')
_OPENING: dict[str, type[Node]] = {"{": MappingNode, "[": ListNode}
_CLOSING = frozenset("}]")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class NotJson(Exception):
    """The text is not JSON: what and where."""

    def __init__(self, message: str, offset: int = 0) -> None:
        self.message = message
        self.offset = offset
        super().__init__(message)


class _Duplicate(Exception):
    pass


def parse_json(text: str, lines: Lines) -> object:
    """The value of a JSON text; raises NotJson where it is none, InvalidInput for equal keys and deep nesting."""
    try:
        data = json.loads(text, object_pairs_hook=_mapping, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise NotJson(f"not valid JSON: {error.msg}", error.pos) from None
    except _Duplicate:
        raise InvalidInput(_duplicates(text, lines)) from None
    except RecursionError:
        raise InvalidInput(f"nested more than {MAX_DEPTH} deep", lines.position(0)) from None
    except ValueError as error:
        raise NotJson(f"not valid JSON: {error}") from None
    _check(data, look_for_surrogates=_SURROGATE.search(text) is not None, lines=lines)
    return data


def _mapping(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise _Duplicate
    return mapping


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not a number")


def _check(data: object, *, look_for_surrogates: bool, lines: Lines) -> None:
    level = [data]
    depth = 0
    while level:
        if depth > MAX_DEPTH:
            raise InvalidInput(f"nested more than {MAX_DEPTH} deep", lines.position(0))
        if look_for_surrogates:
            _check_surrogates(level, lines)
        depth += 1
        level = [
            value
            for parent in level
            for value in _children(parent)
            if look_for_surrogates or isinstance(value, dict | list)
        ]
        if depth == 1 and not isinstance(data, dict | list):
            return


def _children(data: object) -> Iterator[object]:
    if isinstance(data, dict):
        return iter(data.values())
    return iter(data) if isinstance(data, list) else iter(())


def _check_surrogates(values: list[object], lines: Lines) -> None:
    for value in values:
        for text in value if isinstance(value, dict) else [value]:
            if isinstance(text, str) and any("\ud800" <= char <= "\udfff" for char in text):
                raise InvalidInput(f"half a surrogate pair in {shown(text)}", lines.position(0))


def locate_json(text: str) -> Node:
    """Where the parts of a text stand that is known to be valid JSON."""
    return _scan(text, [])


def _duplicates(text: str, lines: Lines) -> list[Problem]:
    found: list[tuple[str, int, int]] = []
    _scan(text, found)
    return [
        Problem(f"key {shown(key)} is already given in line {lines.position(first).line}", lines.position(second))
        for key, first, second in found
    ]


def _scan(text: str, duplicates: list[tuple[str, int, int]]) -> Node:
    root: Node | None = None
    stack: list[MappingNode | ListNode] = []
    pending: list[tuple[str, int] | None] = []  # the key read last, one for each open mapping or list
    for match in _TOKEN.finditer(text):
        token, offset = match[0], match.start()
        if token in _CLOSING:
            stack.pop()
            pending.pop()
            continue
        parent = stack[-1] if stack else None
        if isinstance(parent, MappingNode) and pending[-1] is None:
            pending[-1] = (json.loads(token) if "\\" in token else token[1:-1], offset)
            continue
        node = _OPENING.get(token, Node)(offset)
        root = root or node
        if isinstance(parent, ListNode):
            parent.items.append(node)
        elif isinstance(parent, MappingNode) and (key := pending[-1]) is not None:
            known = parent.entries.setdefault(key[0], (key[1], node))
            if known[1] is not node:
                duplicates.append((key[0], known[0], key[1]))
            pending[-1] = None
        if isinstance(node, MappingNode | ListNode):
            stack.append(node)
            pending.append(None)
    return root or Node(0)
