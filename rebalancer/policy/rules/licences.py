"""A product runs on as many hosts as there are licences for."""

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

__all__ = ["Licences"]


class Licences(Rule):
    """For every product p: |{zone of d's host : d runs p}| ≤ most. The zones too many count.

    A zone is a host, or all hosts with the same value of a label (``across: site``). While domains move, each is taken
    to be at whichever end is worse. Where several domains leave a host together for one that is not licensed yet, the
    product is on one host more until the last has gone, unless another order of moves avoids that; where it must not
    be, ``pin`` the product to its hosts.
    """

    word: ClassVar[str] = "licences"

    select: DomainSelector = DomainSelector("true")
    """Which domains run the product."""
    group: DomainKey | None = None
    """Several products at once: domains with the same text run the same, e.g. ``labels.product``; without the label:
    none. By default all selected domains run one product."""
    most: PositiveField
    """How many licences there are for each product."""
    across: Name = "host"
    """What a licence is for: a ``host``, or all hosts with the same value of a label. A host without the label needs
    its own."""

    @property
    def detail(self) -> str:
        return groups_title(self.group, self.select, self.across)

    def terms(self, view: View) -> Iterable[Term]:
        group, zone = groups_of(self.group, self.select, view), view.zones(self.across)
        yield self.term(GroupSpan(group=group, zone=zone, most=self.most))

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from key_findings(self.group, self.select, view)
        yield from across_findings(self.across, view, "each such host needs a licence of its own")
