"""Checking a document against a pydantic model: every problem at once, each with its position, in plain words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rebalancer.cluster.text import printable, shown
from rebalancer.documents.document import Document
from rebalancer.documents.schema import keys_at
from rebalancer.errors import InvalidInput, Position, Problem
from rebalancer.values import dataclass

__all__ = ["check", "validate"]

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "iterable_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "none_required": "null",
    "finite_number": "a finite number",
}
"""Errors that say only which type was expected; several at one place are the members of a union."""

_BOUNDS = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "string_pattern_mismatch": "must match {pattern}",
}


@dataclass(frozen=True, slots=True)
class _Found:
    """One pydantic error, put into words."""

    path: Path
    message: str
    expected: str = ""
    """Of a type error: what it should be."""
    at_key: bool = False
    inside: tuple[int, int] | None = None
    """Line and column within a text that is a language of its own."""


def validate(document: Document, model: type[M], path: Sequence[str | int] = ()) -> M:
    """The part of a document at ``path`` as a model; raises InvalidInput with every problem, in the file's order."""
    problems: list[Problem] = []
    value = check(document, model, path, problems)
    if value is None:
        raise InvalidInput(problems)
    return value


def check(document: Document, model: type[M], path: Sequence[str | int], problems: list[Problem]) -> M | None:
    """As :func:`validate`, but adds to ``problems`` and returns None: for callers that have more to check."""
    data = document.at(path)
    # Through JSON, because pydantic's strict mode reads lists into tuples and text into enums only from there.
    text = document.text if not path and document.is_json else json.dumps(data, ensure_ascii=False)
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        details = error.errors(include_url=False)
    found = _merge(_describe(detail, data, model) for detail in details if not _follows(detail))
    problems.extend(
        sorted(
            (_problem(item, document, tuple(path)) for item in found),
            key=lambda problem: problem.position or Position(document.file, 0, 0),
        )
    )
    return None


def _follows(detail: ErrorDetails) -> bool:
    """Pydantic does not count the items that are wrong, and then finds too few."""
    given = detail["input"]
    return detail["type"] == "too_short" and isinstance(given, list) and len(given) >= detail["ctx"]["min_length"]


def _problem(found: _Found, document: Document, path: Path) -> Problem:
    whole = (*path, *found.path)
    position = document.inside(whole, *found.inside) if found.inside else document.position(whole, key=found.at_key)
    where = _where(() if found.at_key else found.path)
    return Problem(printable(f"{where}{found.message}"), position)


def _where(path: Path) -> str:
    """The key that a message is about: ``memory: `` or ``connects[1]: ``."""
    named = next((index for index in range(len(path) - 1, -1, -1) if isinstance(path[index], str)), None)
    if named is None:
        return ""
    return printable(str(path[named]), 60) + "".join(f"[{index}]" for index in path[named + 1 :]) + ": "


def _describe(detail: ErrorDetails, data: object, model: type[BaseModel]) -> _Found:
    loc = detail["loc"]
    path, value = _resolve(loc, data)
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _Found(path, _unknown_key(str(path[-1]), keys_at(model, loc[:-1])), at_key=True)
    if kind == "missing":
        return _Found(path, f"'{loc[-1]}' is missing")
    if kind in _EXPECTED:
        return _Found(path, _type_message(_EXPECTED[kind], value), _EXPECTED[kind])
    if loc and loc[-1] == "[key]":
        words = _words(kind, context, str(path[-1]), detail["msg"])
        return _Found(path, f"key {shown(path[-1])}: {words}", at_key=True)
    return _Found(path, _words(kind, context, value, detail["msg"]), inside=_inside(context.get("error")))


def _inside(error: object) -> tuple[int, int] | None:
    """What the errors of an expression's compiler say of where they are."""
    line, column = getattr(error, "line", None), getattr(error, "column", None)
    return (line, column) if isinstance(line, int) and isinstance(column, int) else None


def _resolve(loc: Iterable[str | int], data: object) -> tuple[Path, object]:
    """The part of pydantic's location that exists in the data: it also names union members and missing keys."""
    path: list[str | int] = []
    for step in loc:
        if (isinstance(data, dict) and step in data) or (
            isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data)
        ):
            data = data[step]  # type: ignore[index]
            path.append(step)
    return tuple(path), data


def _unknown_key(key: str, allowed: Sequence[str]) -> str:
    message = f"unknown key {shown(key)}"
    close = get_close_matches(key, allowed, n=1)
    if close:
        return f"{message}; did you mean '{close[0]}'?"
    return f"{message}; the keys here are: {', '.join(allowed)}" if allowed else message


def _type_message(expected: str, value: object) -> str:
    message = f"must be {expected}, not {_type_of(value)}"
    # 1.10, 010 and true are what labels look like; YAML reads them as something else.
    return f"{message}; put it in quotes" if expected == "text" and isinstance(value, int | float) else message


def _type_of(value: object) -> str:
    if isinstance(value, str):
        return f"text ({shown(value, 30)})"
    if isinstance(value, bool) or value is None:
        return shown(value)
    if isinstance(value, int | float):
        return f"a number ({shown(value, 30)})"
    return shown(value)


def _words(kind: str, context: Mapping[str, Any], value: object, message: str) -> str:
    if "error" in context:
        return str(context["error"])
    if kind in ("enum", "literal_error"):
        return _unknown_word(shown(value), str(value), str(context["expected"]))
    if kind == "union_tag_invalid":
        discriminator, tag = str(context["discriminator"]).strip("'"), str(context["tag"])
        return _unknown_word(f"{discriminator} {shown(tag)}", tag, str(context["expected_tags"]))
    if kind == "union_tag_not_found":
        return f"{context['discriminator']} is missing"
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**context) + ("" if isinstance(value, list | dict) else f", not {shown(value)}")
    return message.replace("Input should be", "must be").replace("Input should", "should")


def _unknown_word(what: str, given: str, expected: str) -> str:
    """``expected``: ``'a', 'b' or 'c'``, as pydantic lists them."""
    words = re.findall(r"'([^']*)'", expected)
    close = get_close_matches(given, words, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    listed = ", ".join(f"'{word}'" for word in words[:-1])
    return (
        f"{what} is not known; write {listed} or '{words[-1]}'{hint}"
        if listed
        else f"{what} is not known; write {expected}"
    )


def _merge(found: Iterable[_Found]) -> list[_Found]:
    """One message a place where the members of a union each had their own to say."""
    items = list(dict.fromkeys(found))
    inner = {item.path[:length] for item in items for length in range(len(item.path) + (not item.expected))}
    merged: list[_Found] = []
    expected: dict[Path, list[_Found]] = {}
    for item in items:
        if not item.expected:
            merged.append(item)
        elif item.path not in inner:
            # Not one of a union whose other member fits better, and says what is wrong inside.
            expected.setdefault(item.path, []).append(item)
    for path, group in expected.items():
        if len(group) == 1:
            merged.append(group[0])
        else:
            words = " or ".join(dict.fromkeys(item.expected for item in group))
            merged.append(_Found(path, words and group[0].message.replace(group[0].expected, words, 1)))
    return merged
