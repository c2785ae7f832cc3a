"""Over how many zones a group is spread: what affinity and licences have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from rebalancer.documents import Name, PositiveField
from rebalancer.placement.primitives import GroupSpan
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, Rule, across_findings, key_findings, selector_findings
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.groups import groups_of, groups_title
from rebalancer.policy.view import View

__all__ = ["SpanRule"]


class SpanRule(Rule):
    """For every group g: |{zone of d's host : d ∈ g}| ≤ most."""

    unlabelled: ClassVar[str]
    """What it means for hosts that they lack the label."""
    eased: ClassVar[bool]
    """Whether a plan may go beyond it on the way where no order of its moves avoids that."""

    group: DomainKey | None = None
    """Domains with the same text are one group, e.g. ``labels.app``; without the label: none. By default all selected
    domains are one group."""
    select: DomainSelector = DomainSelector("true")
    """Which domains."""
    across: Name = "host"
    """``host``, or the label of hosts whose values are the zones. A host without the label is a zone of its own."""
    most: PositiveField
    """Over how many zones a group may be spread."""

    @property
    def detail(self) -> str:
        return groups_title(self.group, self.select, self.across)

    def terms(self, view: View) -> Iterable[Term]:
        group, zone = groups_of(self.group, self.select, view), view.zones(self.across)
        yield self.term(GroupSpan(group=group, zone=zone, most=self.most, eased=self.eased))

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from key_findings(self.group, self.select, view)
        yield from across_findings(self.across, view, self.unlabelled)
