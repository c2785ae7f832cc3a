"""The text of one policy file, checked key by key; every problem at once, each with its position."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any

from rebalancer.cluster.text import shown
from rebalancer.documents import Document, FileModel, Name, check, header, parse_document
from rebalancer.errors import InvalidInput, Position, Problem, RebalancerError
from rebalancer.policy.clause import Goal, Rule
from rebalancer.policy.entries import LimitsEntry, LinkEntry, MigrationEntry, NamesEntry
from rebalancer.policy.expressions import DomainKey, DomainSelector, ExpressionError, HostSelector, LinkSelector
from rebalancer.policy.model import Clause, Located, Path, Source
from rebalancer.policy.registry import goal_names, load_goal, load_rule, rule_names

__all__ = ["Layer", "PolicyFile", "parse_layer"]


class PolicyFile(FileModel):
    """What is allowed (rules), what is good (goals), and how to migrate."""

    extends: tuple[Name, ...] = ()
    """Policies that this one builds on, by name (``balance``) or path (``./site.yaml``). Later keys win, lists
    append."""
    rules: tuple[dict[str, Any], ...] = ()
    """What must hold."""
    goals: tuple[dict[str, Any], ...] = ()
    """What is weighed."""
    names: NamesEntry = NamesEntry()
    """What happens when a domain goes to a host on which its name is taken."""
    links: tuple[LinkEntry, ...] = ()
    """What migrations together may take of the network's links."""
    migration: tuple[MigrationEntry, ...] = ()
    """How domains are migrated."""
    limits: LimitsEntry = LimitsEntry()
    """How much a plan may do, and what it must gain."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One policy file, read. Layers are merged into a policy by :func:`~rebalancer.policy.load.merge`."""

    file: str
    name: str
    description: str
    extends: tuple[tuple[str, Position], ...]
    rules: tuple[Clause, ...]
    goals: tuple[Clause, ...]
    names: NamesEntry
    links: tuple[Located[LinkEntry], ...]
    migration: tuple[Located[MigrationEntry], ...]
    limits: LimitsEntry


def parse_layer(text: str, file: str) -> Layer:
    """Raises InvalidInput with everything that is wrong in the file."""
    document = parse_document(text, file)
    header(document, "Policy")
    problems: list[Problem] = []
    read = check(document, PolicyFile, (), problems)
    rules = _clauses(document, _RULES, problems)
    goals = _clauses(document, _GOALS, problems)
    if problems or read is None:
        sharpened = dict.fromkeys(_sharpen(problem, document) for problem in problems)
        raise InvalidInput(sorted(sharpened, key=lambda problem: problem.position or document.position()))
    return Layer(
        file=file,
        name=read.metadata.name or PurePosixPath(file).stem,
        description=read.metadata.description,
        extends=tuple((name, document.position(("extends", index))) for index, name in enumerate(read.extends)),
        rules=rules,
        goals=goals,
        names=read.names,
        links=tuple(Located(item, _source(document, ("links", i))) for i, item in enumerate(read.links)),
        migration=tuple(Located(item, _source(document, ("migration", i))) for i, item in enumerate(read.migration)),
        limits=read.limits,
    )


@dataclass(frozen=True)
class _Section:
    """A list of clauses: ``rules`` or ``goals``."""

    key: str
    word: str
    names: Callable[[], tuple[str, ...]]
    load: Callable[[str], type[Rule] | type[Goal]]
    other: str
    other_names: Callable[[], tuple[str, ...]]


_RULES = _Section("rules", "rule", rule_names, load_rule, "goal", goal_names)
_GOALS = _Section("goals", "goal", goal_names, load_goal, "rule", rule_names)


def _clauses(document: Document, section: _Section, problems: list[Problem]) -> tuple[Clause, ...]:
    items = document.data.get(section.key) if isinstance(document.data, dict) else None
    clauses: list[Clause] = []
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):  # what is none has been reported already
            clause = _clause(document, section, (section.key, index), item, problems)
            clauses += [clause] if clause is not None else []
    return tuple(clauses)


def _clause(
    document: Document, section: _Section, path: Path, item: Mapping[str, object], problems: list[Problem]
) -> Clause | None:
    if len(item) != 1:
        problems.append(_not_one_key(document, section, path, item))
        return None
    name = next(iter(item))
    if name not in section.names():
        problems.append(Problem(_unknown(name, section), document.position((*path, name), key=True)))
        return None
    found: list[Problem] = []
    try:
        body = check(document, section.load(name), (*path, name), found)
    except RebalancerError as error:
        found.append(Problem(str(error), document.position((*path, name), key=True)))
        body = None
    problems.extend(replace(problem, message=f"{name}: {problem.message}") for problem in found)
    if not isinstance(body, Rule | Goal):
        return None
    return Clause(name, body, _source(document, (*path, name)))


def _not_one_key(document: Document, section: _Section, path: Path, item: Mapping[str, object]) -> Problem:
    keys = list(item)
    if not keys:
        return Problem(
            f"a {section.word} is missing here; write one of {', '.join(section.names())}", document.position(path)
        )
    position = document.position((*path, keys[1]), key=True)
    if keys[0] in section.names() and item[keys[0]] is None:
        return Problem(f"the keys of '{keys[0]}' stand too far left; indent them by two more", position)
    return Problem(
        f"an item of {section.key} has one key, the {section.word}'s name; put {shown(keys[1])} in an item of its own",
        position,
    )


def _unknown(name: str, section: _Section) -> str:
    if name in section.other_names():
        return f"'{name}' is a {section.other}; write it under '{section.other}s:'"
    close = get_close_matches(name.replace("-", "_"), [*section.names(), *section.other_names()], n=1)
    if close:
        near = f"'{close[0]}'" if close[0] in section.names() else f"the {section.other} '{close[0]}'"
        return f"there is no {section.word} {shown(name)}; did you mean {near}?"
    return f"there is no {section.word} {shown(name)}; the {section.word}s are: {', '.join(section.names())}"


def _source(document: Document, path: Path) -> Source:
    return Source({part: document.position((*path, *part)) for part, _ in _parts(document.at(path))})


def _parts(data: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every value inside a value, itself included, with the path to it."""
    yield path, data
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _parts(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _parts(value, (*path, index))


def _sharpen(problem: Problem, document: Document) -> Problem:
    """Where a problem is about an expression: its position inside the text, not that of the whole."""
    for path, value in _parts(document.data):
        if isinstance(value, str) and document.position(path) == problem.position:
            for kind in (DomainSelector, HostSelector, LinkSelector, DomainKey):
                error = _error(kind, value)
                if error is not None and problem.message.endswith(str(error)):
                    return _inside(problem, document, value, error)
    return problem


def _error(kind: Callable[[str], object], source: str) -> ExpressionError | None:
    try:
        kind(source)
    except ExpressionError as error:
        return error
    return None


def _inside(problem: Problem, document: Document, source: str, error: ExpressionError) -> Problem:
    start = problem.position
    if start is None or (error.line, error.column) == (1, 1):
        return problem
    lines = re.split(r"\r\n|\r|\n", document.text)
    before = source.split("\n")[error.line - 1][: error.column - 1]
    text = lines[start.line - 1][start.column - 1 :]
    if text[:1] in ("|", ">"):
        # A block: its first line follows the mark. Folded lines are not found there, and keep the mark's position.
        row = start.line + error.line
        indent = len(lines[row - 1]) - len(lines[row - 1].lstrip()) if row <= len(lines) else 0
        if row <= len(lines) and lines[row - 1][indent:].startswith(before):
            return replace(problem, position=Position(start.file, row, indent + error.column))
    else:
        quote = text[0] if text[:1] in ("'", '"') else ""
        written = quote + _escaped(before, quote)
        if error.line == 1 and text.startswith(written):
            return replace(problem, position=Position(start.file, start.line, start.column + len(written)))
    return replace(problem, message=f"{problem.message} (line {error.line}, column {error.column} of the expression)")


def _escaped(text: str, quote: str) -> str:
    if quote == "'":
        return text.replace("'", "''")
    return text.replace("\\", "\\\\").replace('"', '\\"') if quote == '"' else text
