"""What all rules and goals have in common, and what they find in a cluster that does not fit."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from rebalancer.cluster.text import printable, shown
from rebalancer.documents import Model, Name
from rebalancer.errors import Problem
from rebalancer.placement.primitives import BoolArray, Primitive
from rebalancer.placement.problem import Term
from rebalancer.policy.expressions import DomainKey, DomainSelector, HostSelector
from rebalancer.policy.view import View
from rebalancer.policy.windows import WindowEntry
from rebalancer.values import dataclass

__all__ = [
    "Caution",
    "During",
    "Finding",
    "Goal",
    "HostsField",
    "Rule",
    "Weight",
    "across_findings",
    "host_mask",
    "hosts_findings",
    "key_findings",
    "resource_findings",
    "selector_findings",
    "short",
]

Finding = tuple[tuple[str | int, ...], Problem]
"""The path of keys below a clause, and what is wrong there."""

Weight = Annotated[float, Field(gt=0, le=1e9)]


@dataclass(frozen=True, slots=True)
class Caution(Problem):
    """A warning: probably not meant, but harmless; it is reported and nothing is refused."""


class During(StrEnum):
    """When a rule has to hold."""

    CONTINUOUS = "continuous"
    """At every moment of a plan."""
    RELAXED = "relaxed"
    """When the plan has ended."""


class _Clause(Model, ABC):
    word: ClassVar[str]
    """The key it is written with."""

    windows: tuple[WindowEntry, ...] = ()
    """Counts only while one of these is open, at the time when the cluster was read; always by default."""

    @property
    def detail(self) -> str:
        """What tells it from others of its kind, in a few words."""
        return ""

    @property
    def title(self) -> str:
        return f"{self.word}: {self.detail}" if self.detail else self.word

    @abstractmethod
    def terms(self, view: View) -> Iterable[Term]:
        """What it compiles to for this cluster."""

    def check(self, view: View) -> Iterable[Finding]:  # noqa: ARG002
        """What in it does not fit this cluster."""
        return ()


class Rule(_Clause):
    """Must hold. Broken before we start: repaired first, and never made worse."""

    soft: Weight | None = None
    """Turns the rule into a preference of this weight, in tier 1."""
    during: During = During.CONTINUOUS
    """``continuous``: at every moment of a plan. ``relaxed``: when it has ended."""

    def term(self, primitive: Primitive) -> Term:
        return Term(
            name=self.title,
            primitive=primitive,
            weight=1.0 if self.soft is None else self.soft,
            tier=0 if self.soft is None else 1,
            continuous=self.during is During.CONTINUOUS,
        )


class Goal(_Clause):
    """Is weighed. Goals of a lower tier (a higher number) never cost anything on a higher one."""

    tier: Annotated[int, Field(ge=1, le=9)] = 1
    """1 comes first."""

    def term(self, primitive: Primitive, weight: float) -> Term:
        return Term(name=self.title, primitive=primitive, weight=weight, tier=self.tier)


HostsField = HostSelector | Annotated[tuple[Name, ...], Field(min_length=1)]
"""Hosts: a CEL expression, or a list of names."""


def short(expression: DomainSelector | DomainKey | HostSelector) -> str:
    """An expression as it stands in the name of a rule."""
    return printable(expression.source, 60)


def host_mask(hosts: HostSelector | tuple[str, ...], view: View) -> BoolArray:
    """bool[H]"""
    if isinstance(hosts, tuple):
        return view.hosts_where(lambda host: host.name in hosts)
    return view.hosts_where(hosts.matches)


def _nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    close = get_close_matches(name, sorted(known), n=1, cutoff=cutoff)
    return f"; did you mean '{close[0]}'?" if close else ""


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:6]) + (f" and {len(ordered) - 6} more" if len(ordered) > 6 else "")


_LABEL = re.compile(r"\blabels\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*(['\"])(.*?)\2\s*\])")


def _unread_labels(source: str, known: set[str]) -> str:
    """Which labels an expression reads that nothing has: the likely reason why it matches nothing."""
    missing = dict.fromkeys(match[1] or match[3] for match in _LABEL.finditer(source))
    return "".join(
        f": none has the label {shown(name)}{_nearest(name, known)}" for name in missing if name not in known
    )


def selector_findings(selector: DomainSelector, view: View, key: str = "select") -> Iterator[Finding]:
    """A selector that selects no domain."""
    if selector.source != "true" and view.domains and not any(selector.matches(domain) for domain in view.domains):
        known = {label for domain in view.domains for label in domain.labels}
        yield (
            (key,),
            Caution(f"no domain is selected by {shown(selector.source)}{_unread_labels(selector.source, known)}"),
        )


def key_findings(group: DomainKey | None, selector: DomainSelector, view: View) -> Iterator[Finding]:
    """A group that no selected domain is in."""
    members = [domain for domain in view.domains if selector.matches(domain)]
    if group is not None and members and all(group.key(domain) is None for domain in members):
        known = {label for domain in view.domains for label in domain.labels}
        yield (
            ("group",),
            Caution(f"no domain is in a group by {shown(group.source)}{_unread_labels(group.source, known)}"),
        )


def hosts_findings(hosts: HostSelector | tuple[str, ...], view: View, key: str = "hosts") -> Iterator[Finding]:
    """Names of hosts that do not exist; a selector that selects none."""
    if isinstance(hosts, tuple):
        for index, name in enumerate(hosts):
            if name not in view.host_index:
                near = _nearest(name, view.host_index)
                yield (
                    (key, index),
                    Problem(f"there is no host {shown(name)}{near or f' (hosts: {_listed(view.host_index)})'}"),
                )
    elif not host_mask(hosts, view).any():
        known = {label for host in view.hosts for label in host.labels}
        yield (key,), Caution(f"no host is selected by {shown(hosts.source)}{_unread_labels(hosts.source, known)}")


def across_findings(across: str, view: View, without: str) -> Iterator[Finding]:
    """A label that no host has, or only some; ``without``: what that means for the hosts that lack it."""
    if across == "host":
        return
    known = {label for host in view.hosts for label in host.labels}
    if across not in known:
        near = _nearest(across, {"host", *known}) or f" (labels: {_listed({'host', *known})})"
        yield ("across",), Problem(f"no host has the label {shown(across)}{near}")
        return
    lacking = [host.name for host in view.hosts if across not in host.labels]
    if lacking:
        yield ("across",), Caution(f"no label {shown(across)} on {_listed(lacking)}: {without}")


def resource_findings(
    resource: str, view: View, counted: Sequence[bool] | BoolArray, without: str
) -> Iterator[Finding]:
    """A resource that no host reports, or only some of those that count."""
    known = {name for host in view.hosts for name in host.capacity}
    if resource not in known:
        # Unless it is likely misspelt (and gpu is not a misspelt cpu), this may be a policy that suits many clusters.
        near = _nearest(resource, known, cutoff=0.8)
        kind = Problem if near else Caution
        yield ("resource",), kind(f"no host reports a capacity of {shown(resource)}{near or f': {without}'}")
        return
    lacking = [
        host.name for host, counts in zip(view.hosts, counted, strict=True) if counts and resource not in host.capacity
    ]
    if lacking:
        yield ("resource",), Caution(f"no capacity of {shown(resource)} is known of {_listed(lacking)}: {without}")
