"""The effective policy as one file: everything that counts, as it is written, and where."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from rebalancer.cluster.text import printable
from rebalancer.documents import API_VERSION
from rebalancer.errors import Position
from rebalancer.policy.builtin import BUILTIN, hints, protect
from rebalancer.policy.clause import Goal, Rule
from rebalancer.policy.model import Clause, Located, Policy, Setting, Source

__all__ = ["flow", "show_policy"]


_SAID_BELOW = (protect.terms, hints.terms)


def show_policy(policy: Policy) -> str:
    """YAML that says the same as the policy's files together (reading it gives the same digest), with comments::

    rules:
      - capacity: {resource: memory, most: 98%}  # policies/balance.yaml:12
    """
    always = ", ".join(terms.__module__.rpartition(".")[2] for terms in BUILTIN if terms not in _SAID_BELOW)
    lines = [
        f"# Effective policy: {printable(policy.name, 200) or 'without a name'}",
        f"# Always on, whatever a policy says: {always}",
        f"apiVersion: {API_VERSION}",
        "kind: Policy",
        f"metadata: {flow({'name': policy.name, 'description': policy.description})}",
    ]
    lines += _section("rules", [(_clause(clause), clause.source) for clause in policy.rules])
    lines += _section("goals", [(_clause(clause), clause.source) for clause in policy.goals])
    lines += _settings("names", policy.settings)
    lines += _section("links", map(_located, policy.links))
    lines += _section("migration", map(_located, policy.migration))
    lines += _steps(policy)
    lines += _section("windows", map(_located, policy.windows))
    lines += _settings("limits", policy.settings)
    lines += _section("protect", map(_located, policy.protect))
    lines += _section("overrides", [(flow(override.source.data), override.source) for override in policy.overrides])
    lines += _settings("hints", policy.settings)
    return "\n".join(lines) + "\n"


def _clause(clause: Clause) -> str:
    data, body = clause.source.data, clause.body
    if data is None and isinstance(body, Rule | Goal):
        data = body.model_dump(mode="json", exclude_defaults=True)
    return f"{clause.name}: {flow(data)}"


def _located(located: Located[object]) -> tuple[str, Source]:
    return flow(located.source.data), located.source


def _section(key: str, entries: Iterable[tuple[str, Source]]) -> Iterator[str]:
    found = [f"  - {text}{_where(source.at())}" for text, source in entries]
    if found:
        yield from (f"{key}:", *found)


def _steps(policy: Policy) -> Iterator[str]:
    said: set[str] = set()
    for key, located in policy.steps.entries():
        if not said:
            yield "steps:"
        if key not in said:
            yield f"  {key}:"
            said.add(key)
        text, source = _located(located)
        yield f"    - {text}{_where(source.at())}"


def _settings(key: str, settings: Mapping[str, Mapping[str, Setting]]) -> Iterator[str]:
    written = settings.get(key, {})
    if not written:
        return
    yield f"{key}:" if any(setting.value is not None for setting in written.values()) else f"{key}: {{}}"
    said: set[str] = set()
    for name, setting in sorted(written.items(), key=lambda item: not item[1].stands_for):
        if setting.stands_for and setting.stands_for not in said:
            yield f"  # {setting.stands_for}:{_where(setting.position)}"
        said.add(setting.stands_for)
        if setting.value is None:
            yield f"  # {name}: none"
        else:
            yield f"  {name}: {flow(setting.value)}{_where(setting.position)}"


def _where(position: Position | None) -> str:
    return f"  # {printable(position.file, 300)}:{position.line}" if position else ""


_PLAIN = re.compile(r"[A-Za-z_][\w./-]*(?: [\w./-]+)*|[0-9]+(?:\.[0-9]+)?(?:%| ?[A-Za-z]+(?:/s)?)", re.ASCII)
_EXPONENT = re.compile(r"[0-9.]+[eExXob][0-9]*", re.ASCII)
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def flow(value: object) -> str:
    """A value in YAML's one-line style; text that could be taken for anything else is quoted."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS and not _EXPONENT.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)
