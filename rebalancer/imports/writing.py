"""Policies as text: with a comment above each rule that says where it comes from, which no YAML library writes."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from rebalancer.cluster.text import printable
from rebalancer.errors import InvalidInput
from rebalancer.values import dataclass

__all__ = ["Entry", "PolicyText", "cel_text", "label", "name_in", "name_not_in"]

MAX_ENTRIES = 2000
"""Rules of one imported policy. More would take minutes to check, and no file that people keep needs them."""
MAX_EXPRESSION = 2000
"""Characters; what the policy language allows."""
_WIDTH = 118

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*|[0-9]+(?:\.[0-9]+)?(?:%| [A-Za-z]+)")
_WORDS = frozenset({"null", "true", "false"})
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    {
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    }
)


def cel_text(value: str) -> str:
    """A text as a literal of the expression language: ``'it\\'s'``."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def label(name: str) -> str:
    """How an expression reads a label: ``labels.rack`` or ``labels['service-group']``."""
    if _IDENTIFIER.fullmatch(name) and name not in _RESERVED:
        return f"labels.{name}"
    return f"labels[{cel_text(name)}]"


def name_in(names: Iterable[str], variable: str = "name") -> str:
    """``name == 'n1'`` or ``name in ['n1', 'n2']``; raises InvalidInput where that gets too long."""
    ordered = list(dict.fromkeys(names))
    if len(ordered) == 1:
        return _bounded(f"{variable} == {cel_text(ordered[0])}")
    return _bounded(f"{variable} in [{', '.join(map(cel_text, ordered))}]")


def name_not_in(names: Iterable[str], variable: str = "name") -> str:
    """``name != 'n1'`` or ``!(name in ['n1', 'n2'])``"""
    ordered = list(dict.fromkeys(names))
    if len(ordered) == 1:
        return _bounded(f"{variable} != {cel_text(ordered[0])}")
    return _bounded(f"!({name_in(ordered, variable)})")


def _bounded(expression: str) -> str:
    if len(expression) > MAX_EXPRESSION:
        raise InvalidInput(f"a list of {expression.count(',') + 1} names is too long for one rule; split it by labels")
    return expression


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a list in a policy, and what the comment above it says."""

    value: Mapping[str, object]
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyText:
    """The parts of a policy file, ready to be written.

    >>> print(PolicyText(name="x", description="y", rules=[Entry({"capacity": {"resource": "memory"}})]))
    apiVersion: rebalancer/v1
    kind: Policy
    metadata: {name: x, description: y}
    <BLANKLINE>
    rules:
      - capacity: {resource: memory}
    """

    name: str
    description: str
    preface: Sequence[str] = ()
    """Comments at the top, a paragraph each."""
    rules: Sequence[Entry] = ()
    goals: Sequence[Entry] = ()
    names: Entry | None = None
    migration: Sequence[Entry] = ()
    limits: Entry | None = None
    without_equivalent: Sequence[str] = ()
    """Comments at the end: what the policy cannot say."""

    def __str__(self) -> str:
        if len(self.rules) > MAX_ENTRIES:
            raise InvalidInput(
                f"the policy would have {len(self.rules):,} rules; more than {MAX_ENTRIES:,} are refused"
            )
        parts = [self._head()]
        parts += [_list(key, entries) for key, entries in self._lists() if entries]
        if self.names:
            parts.append(f"{_comment(self.names.comment)}names: {_flow(self.names.value)}")
        if self.migration:
            parts.append(_list("migration", self.migration))
        if self.limits:
            parts.append(f"{_comment(self.limits.comment)}limits: {_flow(self.limits.value)}")
        if self.without_equivalent:
            items = "".join(_comment(f"- {text}") for text in self.without_equivalent)
            parts.append(f"# Without an equivalent:\n{items}".rstrip())
        return "\n\n".join(parts) + "\n"

    def _lists(self) -> Iterable[tuple[str, Sequence[Entry]]]:
        return (("rules", self.rules), ("goals", self.goals))

    def _head(self) -> str:
        preface = "#\n".join(_comment(paragraph) for paragraph in self.preface)
        metadata = _flow({"name": self.name, "description": self.description})
        return f"{preface}apiVersion: rebalancer/v1\nkind: Policy\nmetadata: {metadata}"


def _list(key: str, entries: Sequence[Entry]) -> str:
    lines = [f"{key}:"]
    for entry in entries:
        comment = _comment(entry.comment, indent="  ")
        if key == "migration":
            lines.append(f"{comment}  - {_flow(entry.value)}")
        else:
            ((word, body),) = entry.value.items()
            lines.append(f"{comment}  - {word}: {_flow(body)}")
    return "\n".join(lines)


def _comment(text: str, indent: str = "") -> str:
    if not text:
        return ""
    hanging = "  " if text.startswith("- ") else ""
    lines = textwrap.wrap(
        printable(text, 2000),
        _WIDTH - len(indent),
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# {hanging}",
    )
    return "\n".join(lines) + "\n"


def _flow(value: object) -> str:
    """A value in YAML's one-line style; text that could be taken for anything else is quoted."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(int(value) if value == int(value) else value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
