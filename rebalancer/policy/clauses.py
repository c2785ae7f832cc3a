"""The clauses of a policy file: lists whose items have one key each, the word of a rule or goal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches

from rebalancer.cluster.text import shown
from rebalancer.documents import Document, check
from rebalancer.errors import Problem, RebalancerError
from rebalancer.policy.clause import Goal, Rule
from rebalancer.policy.model import Clause, Path, Source
from rebalancer.policy.registry import goal_names, load_goal, load_rule, rule_names
from rebalancer.values import dataclass

__all__ = ["GOALS", "RULES", "Section", "parse_clauses", "parts", "source_of"]


@dataclass(frozen=True)
class Section:
    """A list of clauses: ``rules`` or ``goals``."""

    key: str
    word: str
    names: Callable[[], tuple[str, ...]]
    load: Callable[[str], type[Rule] | type[Goal]]
    other: str
    other_names: Callable[[], tuple[str, ...]]


RULES = Section("rules", "rule", rule_names, load_rule, "goal", goal_names)
GOALS = Section("goals", "goal", goal_names, load_goal, "rule", rule_names)


def parse_clauses(document: Document, section: Section, above: Path, problems: list[Problem]) -> tuple[Clause, ...]:
    """The clauses of a section, which may stand below something else (``above``)."""
    around = document.at(above)
    items = around.get(section.key) if isinstance(around, dict) else None
    clauses: list[Clause] = []
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):  # what is none has been reported already
            clause = _clause(document, section, (*above, section.key, index), item, problems)
            clauses += [clause] if clause is not None else []
    return tuple(clauses)


def _clause(
    document: Document, section: Section, path: Path, item: Mapping[str, object], problems: list[Problem]
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
    return Clause(name, body, source_of(document, (*path, name)))


def _not_one_key(document: Document, section: Section, path: Path, item: Mapping[str, object]) -> Problem:
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


def _unknown(name: str, section: Section) -> str:
    if name in section.other_names():
        return f"'{name}' is a {section.other}; write it under '{section.other}s:'"
    close = get_close_matches(name.replace("-", "_"), [*section.names(), *section.other_names()], n=1)
    if close:
        near = f"'{close[0]}'" if close[0] in section.names() else f"the {section.other} '{close[0]}'"
        return f"there is no {section.word} {shown(name)}; did you mean {near}?"
    return f"there is no {section.word} {shown(name)}; the {section.word}s are: {', '.join(section.names())}"


def source_of(document: Document, path: Path) -> Source:
    """Where everything below a path is written, and what is written there."""
    data = document.at(path)
    return Source({part: document.position((*path, *part)) for part, _ in parts(data)}, data)


def parts(data: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every value inside a value, itself included, with the path to it."""
    yield path, data
    if isinstance(data, dict):
        for key, value in data.items():
            yield from parts(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from parts(value, (*path, index))
