"""Domains of a group that stand in several zones, and evenly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
from pydantic import model_validator

from rebalancer.documents import CountField, Name, PositiveField
from rebalancer.placement.primitives import GroupLeast, GroupSkew, IntArray
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Caution, Finding, Rule, across_findings, key_findings, selector_findings
from rebalancer.policy.expressions import DomainKey, DomainNumber, DomainSelector
from rebalancer.policy.groups import groups_of, groups_title
from rebalancer.policy.view import View

__all__ = ["Spread"]


class Spread(Rule):
    """For every group g: |{zone of d's host : d ∈ g}| ≥ min(least, |g|), and for all zones y, z:
    |{d ∈ g in y}| - |{d ∈ g in z}| ≤ skew.

    A zone is a host, or all hosts with the same value of a label (``across: rack``). Give ``least``, ``skew`` or both.
    While domains move, each is taken to be at whichever end is worse, so that moves that could break the rule are made
    one after another, over a third zone where need be.
    """

    word: ClassVar[str] = "spread"

    group: DomainKey | None = None
    """Domains with the same text are one group, e.g. ``labels.app``; without the label: none. By default all selected
    domains are one group."""
    select: DomainSelector = DomainSelector("true")
    """Which domains."""
    across: Name = "host"
    """``host``, or the label of hosts whose values are the zones. A host without the label is a zone of its own for
    ``least``, and not looked at for ``skew``."""
    least: PositiveField | DomainNumber | None = None
    """In how many zones a group stands at least (all of a smaller group apart): a number, or a CEL expression such as
    ``int(labels.spread)``, of which the largest among the group's domains counts."""
    skew: CountField | None = None
    """By how many domains of a group one zone may be ahead of another. Zones in which no host accepts domains are not
    looked at."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.least is None and self.skew is None:
            raise ValueError("says neither least nor skew; add e.g. least: 2")
        return self

    @property
    def detail(self) -> str:
        return groups_title(self.group, self.select, self.across)

    def terms(self, view: View) -> Iterable[Term]:
        group, zone = groups_of(self.group, self.select, view), view.zones(self.across)
        if self.least is not None:
            yield self.term(GroupLeast(group=group, zone=zone, least=self._wanted(group, view)))
        if self.skew is not None:
            looked_at = np.isin(zone, zone[view.accepting & (zone >= 0)])
            dense = np.unique(zone[looked_at], return_inverse=True)[1]
            zone = np.full_like(zone, -1)
            zone[looked_at] = dense
            term = self.term(GroupSkew(group=group, zone=zone, most=self.skew))
            yield term if self.least is None else replace(term, name=f"{term.name}, skew")

    def _wanted(self, group: IntArray, view: View) -> IntArray:
        """int[G]: in how many zones each group has to stand, which is never more than it has domains."""
        size = np.bincount(group[group >= 0])
        if not isinstance(self.least, DomainNumber):
            return np.minimum(size, self.least or 0).astype(np.int64)
        wanted = np.zeros(len(size))
        for g, domain in zip(group, view.domains, strict=True):
            if g >= 0:
                wanted[g] = max(wanted[g], self.least.number(domain) or 0.0)
        return np.ceil(np.minimum(wanted, size)).astype(np.int64)

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from key_findings(self.group, self.select, view)
        yield from across_findings(self.across, view, "each such host is a zone of its own for 'least' only")
        if self.least is not None:
            zones = set(view.zones(self.across).tolist())
            number = len(zones - {-1}) + int((view.zones(self.across) < 0).sum())
            wanted = self._wanted(groups_of(self.group, self.select, view), view).max(initial=0)
            if wanted > number:
                yield (
                    ("least",),
                    Caution(f"a group should stand in {wanted} zones, but across '{self.across}' there are {number}"),
                )
