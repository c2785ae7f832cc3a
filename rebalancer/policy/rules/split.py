"""Groups of domains that do not meet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from rebalancer.cluster.text import shown
from rebalancer.documents import Name, PositiveField
from rebalancer.placement.primitives import GroupsApart, IntArray
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import (
    Caution,
    Finding,
    Rule,
    across_findings,
    key_findings,
    selector_findings,
    short,
)
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.groups import groups_of, groups_title
from rebalancer.policy.view import View

__all__ = ["Split"]


class Split(Rule):
    """For every zone: the domains in it are of ``most`` groups at most, not counting those of no group.

    A zone is a host, or all hosts with the same value of a label (``across: rack``). Of every zone the groups too many
    count. A domain that moves counts on both ends. Give ``groups`` or ``group``.
    """

    word: ClassVar[str] = "split"

    groups: Annotated[tuple[DomainSelector, ...], Field(min_length=2)] | None = None
    """What each group consists of; a domain is in the first that selects it."""
    group: DomainKey | None = None
    """Domains with the same text are one group, e.g. ``labels.tenant``; without the label: none."""
    select: DomainSelector = DomainSelector("true")
    """Which domains."""
    across: Name = "host"
    """``host``, or the label of hosts whose values are the zones. A host without the label is a zone of its own."""

    most: PositiveField = 1
    """How many of the groups may meet in a zone."""

    @model_validator(mode="after")
    def _says_groups(self) -> Self:
        if (self.groups is None) == (self.group is None):
            raise ValueError("says not which groups; write either 'groups' (selectors) or 'group' (a key)")
        return self

    @property
    def detail(self) -> str:
        if self.groups is None:
            return groups_title(self.group, self.select, self.across)
        across = "" if self.across == "host" else f" across {self.across}"
        return " from ".join(map(short, self.groups)) + across

    def terms(self, view: View) -> Iterable[Term]:
        group = self._chosen(view) if self.groups is not None else groups_of(self.group, self.select, view)
        yield self.term(GroupsApart(group=group, zone=view.zones(self.across), most=self.most))

    def _chosen(self, view: View) -> IntArray:
        """int[D]: the first of ``groups`` that selects a domain."""
        group = np.full(len(view.domains), -1, dtype=np.int64)
        selected = view.where(self.select.matches)
        for index, selector in reversed(list(enumerate(self.groups or ()))):
            group[view.where(selector.matches) & selected] = index
        return group

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from key_findings(self.group, self.select, view)
        yield from across_findings(self.across, view, "each such host is a zone of its own")
        for index, selector in enumerate(self.groups or ()):
            for path, problem in selector_findings(selector, view):
                yield ("groups", index, *path[1:]), problem
        for domain in view.domains:
            found = [selector for selector in self.groups or () if selector.matches(domain)]
            if len(found) > 1:
                words = " and ".join(shown(selector.source) for selector in found)
                yield ("groups",), Caution(f"'{domain.name}' is selected by {words}; it is in the first")
                return
