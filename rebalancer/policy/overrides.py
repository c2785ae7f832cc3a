"""What is different for some domains: clauses that do not count them, and clauses that count nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches

from rebalancer.cluster import Domain
from rebalancer.cluster.text import shown
from rebalancer.documents import Document, Model
from rebalancer.errors import Problem
from rebalancer.policy.clause import Goal, Rule
from rebalancer.policy.clauses import GOALS, RULES, parse_clauses, source_of
from rebalancer.policy.entries import OverrideEntry
from rebalancer.policy.expressions import MAX_LENGTH, DomainSelector
from rebalancer.policy.model import Clause, Located, Override, Policy
from rebalancer.policy.registry import goal_names, load_goal, load_rule, rule_names
from rebalancer.values import dataclass

__all__ = ["narrowed", "parse_overrides"]


def parse_overrides(
    document: Document, entries: Sequence[OverrideEntry], problems: list[Problem]
) -> tuple[Override, ...]:
    return tuple(_parse(document, index, entry, problems) for index, entry in enumerate(entries))


def _parse(document: Document, index: int, entry: OverrideEntry, problems: list[Problem]) -> Override:
    path = ("overrides", index)
    rules = parse_clauses(document, RULES, path, problems)
    goals = parse_clauses(document, GOALS, path, problems)
    for number, name in enumerate(entry.without):
        message = _cannot_lift(name)
        if message:
            problems.append(Problem(f"overrides: {message}", document.position((*path, "without", number))))
    for clause in (*rules, *goals):
        problems += _cannot_narrow(clause, entry.select)
    if not (entry.without or entry.rules or entry.goals or entry.migration):
        problems.append(
            Problem(
                "overrides: nothing is different here; add without, rules, goals or migration", document.position(path)
            )
        )
    migration = Located(entry.migration, source_of(document, (*path, "migration"))) if entry.migration else None
    return Override(
        select=entry.select,
        without=entry.without,
        rules=rules,
        goals=goals,
        migration=migration,
        source=source_of(document, path),
    )


def _selects(model: type[Model]) -> bool:
    return "select" in model.model_fields


def _cannot_lift(name: str) -> str | None:
    known = (*rule_names(), *goal_names())
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(known)}"
        return f"there is no rule or goal {shown(name)}; {hint}"
    if not _selects(load_rule(name) if name in rule_names() else load_goal(name)):
        return f"'{name}' has no 'select', so no domain can be taken out of it"
    return None


def _cannot_narrow(clause: Clause, select: DomainSelector) -> Iterator[Problem]:
    body = clause.body
    if not isinstance(body, Rule | Goal) or not _selects(type(body)):
        message = f"{clause.name}: it has no 'select', so it cannot be for some domains alone; write it outside"
        yield Problem(message, clause.source.at())
    elif len(select.source) + len(_select_of(body).source) > MAX_LENGTH - 10:
        yield Problem(f"{clause.name}: its select and that of the override are too long together", clause.source.at())


def narrowed(policy: Policy) -> tuple[Clause, ...]:
    """Every rule and then every goal, each for the domains that it counts."""
    inside = [
        ([_within(c, override.select) for c in override.rules], [_within(c, override.select) for c in override.goals])
        for override in policy.overrides
    ]
    return (
        *_lifted(policy.rules, policy.overrides),
        *(clause for rules, _ in inside for clause in rules),
        *_lifted(policy.goals, policy.overrides),
        *(clause for _, goals in inside for clause in goals),
    )


def _lifted(clauses: Iterable[Clause], overrides: Sequence[Override]) -> Iterator[Clause]:
    for clause in clauses:
        lifted = tuple(override.select for override in overrides if clause.name in override.without)
        yield _with_select(clause, _Except.of(_select_of(clause.body), lifted)) if lifted else clause


def _within(clause: Clause, select: DomainSelector) -> Clause:
    own = _select_of(clause.body)
    if "true" in (own.source, select.source):
        both = select if own.source == "true" else own
    else:
        both = DomainSelector(f"({select.source}) && ({own.source})")
    return _with_select(clause, both)


def _select_of(body: object) -> DomainSelector:
    select = getattr(body, "select", None)
    return select if isinstance(select, DomainSelector) else DomainSelector("true")


def _with_select(clause: Clause, select: DomainSelector) -> Clause:
    body = clause.body
    if not isinstance(body, Rule | Goal):
        return clause
    return replace(clause, body=body.model_copy(update={"select": select}))


@dataclass(frozen=True, slots=True)
class _Except(DomainSelector):
    """What one selector selects and none of some others does.

    In CEL a negation does not select a domain that lacks the label; so this is no expression, and ``source`` only
    says it in words.
    """

    base: DomainSelector
    lifted: tuple[DomainSelector, ...]

    @classmethod
    def of(cls, base: DomainSelector, lifted: tuple[DomainSelector, ...]) -> _Except:
        words = " or ".join(select.source for select in lifted)
        return cls(f"{base.source} except {words}", base, lifted)

    def __post_init__(self) -> None:
        """There is nothing to compile."""

    def matches(self, domain: Domain) -> bool:
        return self.base.matches(domain) and not any(select.matches(domain) for select in self.lifted)
