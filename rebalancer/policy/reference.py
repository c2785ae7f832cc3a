"""The reference of the policy language, in Markdown, from the docstrings and fields of what is installed.

``python -m rebalancer.policy.reference docs`` makes ``policies.md`` (between marks) and ``policy.schema.json`` anew.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rebalancer.policy.aggressiveness import LEVELS
from rebalancer.policy.builtin import BUILTIN
from rebalancer.policy.equivalents import Equivalents, parse_equivalents
from rebalancer.policy.file import PolicyFile
from rebalancer.policy.library import policy_names
from rebalancer.policy.load import load_policies
from rebalancer.policy.registry import goal_names, load_goal, load_rule, rule_names
from rebalancer.policy.schema import json_schema, schema_text
from rebalancer.policy.show import flow

__all__ = ["filled_in", "main"]

_MARK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)
_ONCE_FOR_ALL = ("soft", "during", "tier", "windows")
"""Keys that every rule or goal has; the page says them once."""


def filled_in(page: str, equivalents: Equivalents) -> str:
    """The page with every part between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` made anew."""
    makers: Mapping[str, Callable[[], Iterator[str]]] = {
        "sections": _sections,
        "builtin": _builtin,
        "rules": lambda: _clauses({name: load_rule(name) for name in rule_names()}, "rules"),
        "goals": lambda: _clauses({name: load_goal(name) for name in goal_names()}, "goals"),
        "aggressiveness": _aggressiveness,
        "policies": _ready_made,
        "equivalents": lambda: _equivalents(equivalents),
    }
    return _MARK.sub(lambda found: "\n".join((found[1], *makers[found[2]](), "", found[3])), page)


def _sections() -> Iterator[str]:
    """The keys of the file, and those of each section."""
    schema = json_schema()
    for key, field in PolicyFile.model_fields.items():
        if key in ("api_version", "kind", "metadata", "extends", "rules", "goals"):
            continue
        yield from (f"### `{key}`", "", _plain(field.description or ""), "")
        yield from _keys(schema, _model_of(schema, key))
        yield ""


def _model_of(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The definition of a section: what its reference, or that of its items, leads to."""
    part = schema["properties"][key]
    part = part.get("items", part)
    reference = part.get("$ref") or part["allOf"][0]["$ref"]
    found: Mapping[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
    return found


def _keys(
    schema: Mapping[str, Any], definition: Mapping[str, Any], leave_out: Iterable[str] = (), indent: str = ""
) -> Iterator[str]:
    properties, required = definition.get("properties", {}), definition.get("required", ())
    for key, part in properties.items():
        if key in leave_out:
            continue
        must = " (required)" if key in required else _default(part)
        yield f"{indent}- `{key}`{must}: {_plain(part.get('description', ''))}".rstrip(": ")
        for reference in _references(part):
            below = schema["$defs"][reference.rpartition("/")[2]]
            if key not in _SHOWN_ELSEWHERE:
                yield from _keys(schema, below, indent=f"{indent}  ")


_SHOWN_ELSEWHERE = ("migration", "windows")


def _references(part: Mapping[str, Any]) -> Iterator[str]:
    for option in (part, part.get("items", {}), *part.get("anyOf", ()), *part.get("allOf", ())):
        if "$ref" in option:
            yield option["$ref"]


def _default(part: Mapping[str, Any]) -> str:
    default = part.get("default")
    return "" if default in (None, (), [], {}) else f" (`{flow(default)}`)"


def _plain(text: str) -> str:
    """A docstring as Markdown on one line."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return " ".join(text.replace("``", "`").split())


def _doc(text: str | None) -> str:
    """A docstring as Markdown, with its paragraphs and lists."""
    return re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", cleandoc(text or "")).replace("``", "`")


def _builtin() -> Iterator[str]:
    for terms in BUILTIN:
        module = sys.modules[terms.__module__]
        yield f"- **{terms.__module__.rpartition('.')[2]}**: {_plain(module.__doc__ or '')}"


def _clauses(models: Mapping[str, type[BaseModel]], section: str) -> Iterator[str]:
    schema = json_schema()
    for name, model in models.items():
        yield from (f"### `{name}`", "", _doc(model.__doc__), "")
        yield from _keys(
            schema, _definition(schema, section, name), ("windows",) if name == "prefer" else _ONCE_FOR_ALL
        )
        yield ""


def _definition(schema: Mapping[str, Any], section: str, name: str) -> Mapping[str, Any]:
    items = schema["properties"][section]["items"]["oneOf"]
    reference = next(item["properties"][name]["$ref"] for item in items if name in item["properties"])
    found: Mapping[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
    return found


def _aggressiveness() -> Iterator[str]:
    yield from ("| level | does | stands for |", "| --- | --- | --- |")
    for level, meaning in LEVELS.items():
        limits = {key: value for key, value in meaning.limits.items() if value not in (None, False)}
        yield f"| {level} | {meaning.words} | `{flow(limits)}` |"


def _ready_made() -> Iterator[str]:
    yield from ("| name | for |", "| --- | --- |")
    for name in policy_names():
        yield f"| [`{name}`](../policies/{name}.yaml) | {load_policies([name], str).description} |"


def _equivalents(equivalents: Equivalents) -> Iterator[str]:
    for system in equivalents.systems:
        yield from (f"### {system.system}", "", "| there | here | example |", "| --- | --- | --- |")
        for row in system.rows:
            yield f"| {row.theirs} | {row.ours} | {_example(row.policy)} |"
        yield ""
    yield from ("### Outside of what a rebalancer does", "")
    yield "No constraints or objectives of where domains run or how they get there, and so not in the tables above:"
    yield ""
    for system in equivalents.systems:
        yield from (f"- {system.system}: {each.theirs}: {each.because}" for each in system.outside)
    yield ""


def _example(policy: Mapping[str, Any]) -> str:
    parts = "<br>".join(f"`{key}: {flow(value)}`" for key, value in policy.items())
    return parts.replace("|", "\\|")


def main(folder: str) -> None:
    """Writes the page and the schema of a folder anew."""
    docs = Path(folder)
    equivalents = parse_equivalents((docs / "equivalents.yaml").read_text("utf-8"), "equivalents.yaml")
    page = docs / "policies.md"
    page.write_text(filled_in(page.read_text("utf-8"), equivalents), "utf-8")
    (docs / "policy.schema.json").write_text(schema_text(), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
