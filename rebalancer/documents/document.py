"""A parsed text: plain values, and where each of them stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from rebalancer.documents.json_text import NotJson, locate_json, parse_json
from rebalancer.documents.node import Lines, Node
from rebalancer.documents.yaml_text import parse_yaml
from rebalancer.errors import InvalidInput, Position

__all__ = ["Document", "parse_document"]

MAX_YAML = 16 * 2**20
MAX_JSON = 256 * 2**20
"""In characters. JSON is what programs write, and may be large."""

_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Document:
    """Parsed YAML or JSON: plain dict, list, str, int, float, bool and None, plus where everything stands."""

    def __init__(self, data: object, text: str, lines: Lines, root: Node | None = None) -> None:
        self.data = data
        self.file = lines.file
        self.text = text
        self._lines = lines
        self.is_json = root is None
        self._known_root = root

    @cached_property
    def _root(self) -> Node:
        return self._known_root or locate_json(self.text)

    def position(self, path: Sequence[str | int] = (), *, key: bool = False) -> Position:
        """Where the value at a path starts, or the nearest that exists; ``key``: where its key stands instead."""
        return self._lines.position(self._root.locate(path, key=key))

    def inside(self, path: Sequence[str | int], line: int, column: int) -> Position:
        """Where a place in a text stands that is itself a value here; both count from 1.

        Where quotes or folding make the text differ from what is written: where the value starts.
        """
        start = self._root.locate(path)
        value = self.at(path)
        if isinstance(value, str) and line == 1 and "\n" not in value:
            start += self.text[start : start + 1] in ("'", '"')
            if self.text.startswith(value, start):
                return self._lines.position(start + column - 1)
        return self.position(path)

    def at(self, path: Sequence[str | int]) -> object:
        """The value at a path; LookupError or TypeError where there is none."""
        data = self.data
        for step in path:
            if not isinstance(data, dict | list):
                raise KeyError(step)
            data = data[step]  # type: ignore[index]  # a step that does not fit raises TypeError or KeyError
        return data


def parse_document(text: str, file: str) -> Document:
    """Parses one YAML or JSON document; raises InvalidInput with the position of what is wrong."""
    text = text.removeprefix("\ufeff")
    lines = Lines(text, file)
    _check_text(text, lines, MAX_JSON)
    refused: NotJson | None = None
    if file.endswith(".json") or text.lstrip()[:1] in ("{", "["):
        try:
            return Document(parse_json(text, lines), text, lines)
        except NotJson as error:
            refused = error
    if refused and file.endswith(".json"):
        raise InvalidInput(refused.message, lines.position(refused.offset))
    _check_text(text, lines, MAX_YAML)
    data, root = parse_yaml(text, lines)
    return Document(data, text, lines, root)


def _check_text(text: str, lines: Lines, limit: int) -> None:
    if len(text) > limit:
        hint = "; JSON may be larger" if limit == MAX_YAML else ""
        raise InvalidInput(f"larger than {limit // 2**20} MiB{hint}", lines.position(0))
    found = _NOT_ALLOWED.search(text)
    if found:
        raise InvalidInput(f"control character U+{ord(found[0]):04X} is not allowed", lines.position(found.start()))
