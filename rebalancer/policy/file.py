"""The text of one policy file, checked key by key; every problem at once, each with its position."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from pathlib import PurePosixPath
from typing import Any, TypeVar

from rebalancer.documents import Document, FileModel, Name, check, header, parse_document
from rebalancer.errors import InvalidInput, Position, Problem
from rebalancer.policy.clauses import GOALS, RULES, parse_clauses, parts, source_of
from rebalancer.policy.entries import (
    HintsEntry,
    LimitsEntry,
    LinkEntry,
    MigrationEntry,
    NamesEntry,
    OverrideEntry,
    ProtectEntry,
)
from rebalancer.policy.expressions import DomainKey, DomainSelector, ExpressionError, HostSelector, LinkSelector
from rebalancer.policy.model import Clause, Located, Override, Source, Steps
from rebalancer.policy.overrides import parse_overrides
from rebalancer.policy.steps import StepsEntry
from rebalancer.policy.windows import WindowEntry
from rebalancer.values import dataclass

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
    names: NamesEntry = NamesEntry.model_construct()
    """What happens when a domain goes to a host on which its name is taken."""
    links: tuple[LinkEntry, ...] = ()
    """What migrations together may take of the network's links."""
    migration: tuple[MigrationEntry, ...] = ()
    """How domains are migrated."""
    steps: StepsEntry = StepsEntry.model_construct()
    """In which order and when domains are migrated. A move that cannot be made so is not made."""
    windows: tuple[WindowEntry, ...] = ()
    """When ``apply`` may move anything; always by default. ``plan`` and ``check`` say whether one is open."""
    limits: LimitsEntry = LimitsEntry.model_construct()
    """How much a plan may do, and what it must gain."""
    protect: tuple[ProtectEntry, ...] = ()
    """Domains that are never moved."""
    overrides: tuple[OverrideEntry, ...] = ()
    """What is different for some domains."""
    hints: HintsEntry = HintsEntry.model_construct()
    """What the owners of domains may ask for."""


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
    windows: tuple[Located[WindowEntry], ...] = ()
    steps: Steps = field(default_factory=Steps)
    protect: tuple[Located[ProtectEntry], ...] = ()
    overrides: tuple[Override, ...] = ()
    hints: HintsEntry = field(default_factory=HintsEntry.model_construct)
    sources: Mapping[str, Source] = field(default_factory=dict)
    """Of ``names``, ``limits`` and ``hints``, where they are written."""


_SETTINGS = ("names", "limits", "hints")


def parse_layer(text: str, file: str) -> Layer:
    """Raises InvalidInput with everything that is wrong in the file."""
    document = parse_document(text, file)
    header(document, "Policy")
    problems: list[Problem] = []
    read = check(document, PolicyFile, (), problems)
    rules = parse_clauses(document, RULES, (), problems)
    goals = parse_clauses(document, GOALS, (), problems)
    overrides = parse_overrides(document, () if read is None else read.overrides, problems)
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
        links=_located(document, "links", read.links),
        migration=_located(document, "migration", read.migration),
        limits=read.limits,
        windows=_located(document, "windows", read.windows),
        steps=_steps(document, read.steps),
        protect=_located(document, "protect", read.protect),
        overrides=overrides,
        hints=read.hints,
        sources={key: source_of(document, (key,)) for key in _SETTINGS if key in read.model_fields_set},
    )


E = TypeVar("E")


def _located(document: Document, key: str, entries: tuple[E, ...]) -> tuple[Located[E], ...]:
    return tuple(Located(entry, source_of(document, (key, index))) for index, entry in enumerate(entries))


def _steps(document: Document, steps: StepsEntry) -> Steps:
    """``steps:`` is a mapping of lists."""
    return Steps(
        **{
            key: tuple(Located(e, source_of(document, ("steps", key, i))) for i, e in enumerate(getattr(steps, key)))
            for key in StepsEntry.model_fields
        }
    )


def _sharpen(problem: Problem, document: Document) -> Problem:
    """Where a problem is about an expression: its position inside the text, not that of the whole."""
    for path, value in parts(document.data):
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
