"""A policy, loaded and checked: what is allowed (rules), what is good (goals), and how to migrate."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field, fields
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from rebalancer.cluster import DirectedLink, Domain, Link
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.errors import InvalidInput, Position, Problem
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Caution
from rebalancer.policy.entries import LinkEntry, MigrationEntry, MigrationOptions, ProtectEntry
from rebalancer.policy.expressions import DomainSelector
from rebalancer.policy.settings import Hints, Limits, LinkCap, MigrationSettings, Names, OnClash, Rung
from rebalancer.policy.steps import DeadlineEntry, GroupEntry, NoDelayEntry, PrecedenceEntry
from rebalancer.policy.view import View
from rebalancer.policy.windows import WindowEntry, opening
from rebalancer.values import dataclass

__all__ = [
    "Clause",
    "Definition",
    "Limits",
    "LinkCap",
    "Located",
    "MigrationSettings",
    "Names",
    "OnClash",
    "Override",
    "Path",
    "Policy",
    "Rung",
    "Setting",
    "Source",
    "Steps",
]

Path = tuple[str | int, ...]
"""Keys and indices that lead to a part of a clause or entry; ``()`` is the whole."""

E_co = TypeVar("E_co", covariant=True)


class Definition(Protocol):
    """What a rule or a goal says. See ``rules/anti_affinity.py`` for the shape of one."""

    def terms(self, view: View) -> Iterable[Term]:
        """What it compiles to for this cluster."""

    def check(self, view: View) -> Iterable[tuple[Path, Problem]]:
        """What in it does not fit this cluster (unknown hosts or labels): (path of keys below it, problem).

        A :class:`~rebalancer.policy.clause.Caution` among them is a warning.
        """


@dataclass(frozen=True)
class Source:
    """Where a clause or an entry is written, and each part of it; empty for one that was made by a program."""

    positions: Mapping[Path, Position] = field(default_factory=dict)
    data: object = None
    """What is written there, as plain values."""

    def at(self, path: Path = ()) -> Position | None:
        """The position of a part, or of the nearest part around it."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path)


@dataclass(frozen=True)
class Clause:
    """A rule or a goal as it stands in a policy."""

    name: str
    """The word it is written with, e.g. ``anti_affinity``."""
    body: Definition
    source: Source = field(default_factory=Source)

    def terms(self, view: View) -> tuple[Term, ...]:
        """Raises InvalidInput with the clause's position where one of its expressions fails for a domain or host."""
        if not self.counts(view):
            return ()
        try:
            return tuple(self.body.terms(view))
        except InvalidInput as error:
            raise InvalidInput([self._placed(problem, ()) for problem in error.problems]) from error

    def check(self, view: View) -> tuple[Problem, ...]:
        """What in the clause does not fit this cluster, with positions; warnings are Cautions."""
        try:
            found = (*self.body.check(view), *self._windows_findings(view))
            return tuple(self._placed(problem, path) for path, problem in found)
        except InvalidInput as error:
            return tuple(self._placed(problem, ()) for problem in error.problems)

    @property
    def windows(self) -> tuple[WindowEntry, ...]:
        """When it counts; always, where there are none."""
        found = getattr(self.body, "windows", ())
        return found if isinstance(found, tuple) else ()

    def counts(self, view: View) -> bool:
        """Whether it counts at the time when the cluster was read."""
        return not self.windows or (view.now is not None and opening(self.windows, view.now).is_open)

    def _windows_findings(self, view: View) -> Iterator[tuple[Path, Problem]]:
        if self.windows and view.now is None:
            yield ("windows",), Problem("nobody knows whether its windows are open: the snapshot has no 'taken_at'")
        elif view.now is not None and not self.counts(view):
            words = opening(self.windows, view.now).words(view.now)
            yield ("windows",), Caution(f"does not count now: its windows are {words}")

    def _placed(self, problem: Problem, path: Path) -> Problem:
        position = problem.position or self.source.at(path)
        return type(problem)(f"{self.name}: {problem.message}", position)


@dataclass(frozen=True)
class Located(Generic[E_co]):
    """An entry of ``links:``, ``migration:`` or ``protect:`` and where it is written."""

    entry: E_co
    source: Source = field(default_factory=Source)


@dataclass(frozen=True, kw_only=True)
class Override:
    """What is different for some domains. ``migration`` is an entry of its own, as if it were the last."""

    select: DomainSelector
    without: tuple[str, ...] = ()
    rules: tuple[Clause, ...] = ()
    goals: tuple[Clause, ...] = ()
    migration: Located[MigrationOptions] | None = None
    source: Source = field(default_factory=Source)


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The section ``steps:``; what it comes to for a cluster is said by
    :func:`~rebalancer.policy.step_rules.step_rules`."""

    precedence: tuple[Located[PrecedenceEntry], ...] = ()
    serialize: tuple[Located[GroupEntry], ...] = ()
    sync: tuple[Located[GroupEntry], ...] = ()
    deadline: tuple[Located[DeadlineEntry], ...] = ()
    no_delay: tuple[Located[NoDelayEntry], ...] = ()

    def entries(self) -> Iterator[tuple[str, Located[Any]]]:
        """Every entry with the key that it stands under, in the order of the keys."""
        for item in fields(self):
            yield from ((item.name, located) for located in getattr(self, item.name))

    def __bool__(self) -> bool:
        return any(True for _ in self.entries())

    def __add__(self, other: Steps) -> Steps:
        return Steps(**{item.name: getattr(self, item.name) + getattr(other, item.name) for item in fields(self)})


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of ``names``, ``limits`` or ``hints``: the value as it is written, where, and what it stands in for."""

    value: object
    position: Position | None = None
    stands_for: str = ""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Immutable; equal content gives equal ``digest``, whatever files and lines it comes from.

    ``rules`` and ``goals`` are as they are written; ``clauses`` is what they come to with the overrides.
    """

    name: str
    digest: str
    description: str = ""
    rules: tuple[Clause, ...] = ()
    goals: tuple[Clause, ...] = ()
    names: Names = field(default_factory=Names)
    links: tuple[Located[LinkEntry], ...] = ()
    migration: tuple[Located[MigrationEntry], ...] = ()
    steps: Steps = field(default_factory=Steps)
    limits: Limits = field(default_factory=Limits)
    protect: tuple[Located[ProtectEntry], ...] = ()
    overrides: tuple[Override, ...] = ()
    hints: Hints = field(default_factory=Hints)
    settings: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)
    """Section → key → what is written."""
    windows: tuple[Located[WindowEntry], ...] = ()
    """When ``apply`` may move anything; always, where there are none."""

    @cached_property
    def clauses(self) -> tuple[Clause, ...]:
        """Every rule and then every goal that counts, each for the domains that it counts."""
        # It builds on this module.
        from rebalancer.policy.overrides import narrowed

        return narrowed(self)

    def link_caps(self, link: Link, hosts: Collection[str]) -> Mapping[DirectedLink, BytesPerSecond]:
        """What migrations together may take of this link in each direction (the last entry that selects it). ``hosts``:
        of the cluster, by name."""
        entry = self.link_entry(link)
        if entry is None:
            return {DirectedLink(link.name, end): link.capacity for end in link.connects}
        return entry.entry.caps(link, hosts)

    def link_entry(self, link: Link) -> Located[LinkEntry] | None:
        """The entry that decides about a link; None: its whole capacity may be taken."""
        return next((entry for entry in reversed(self.links) if entry.entry.select.matches(link)), None)

    def migration_settings(self, domain: Domain) -> MigrationSettings:
        """The entries that select the domain, merged, later keys winning; defaults where none says anything."""
        return MigrationSettings(**{key: value for key, (value, _) in self.asked_of_migration(domain).items()})

    def asked_of_migration(self, domain: Domain) -> dict[str, tuple[Any, Source]]:
        """Only what the policy says itself about migrating a domain: option → value, and which entry says so."""
        asked: dict[str, tuple[Any, Source]] = {}
        for located in self.migration:
            if located.entry.select.matches(domain):
                asked |= {key: (value, located.source) for key, value in located.entry.written().items()}
        for override in self.overrides:
            if override.migration is not None and override.select.matches(domain):
                source = override.migration.source
                asked |= {key: (value, source) for key, value in override.migration.entry.written().items()}
        return asked
