"""Domains that are kept apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np

from rebalancer.documents import Name, PositiveField
from rebalancer.placement.primitives import GroupMost
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, Rule, across_findings, key_findings, selector_findings
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.groups import groups_of, groups_title
from rebalancer.policy.view import View

__all__ = ["AntiAffinity"]


class AntiAffinity(Rule):
    """For every group g and every zone z: |{d ∈ g on a host in z}| ≤ most.

    A zone is a host, or all hosts with the same value of a label (``across: rack``).
    """

    word: ClassVar[str] = "anti_affinity"

    group: DomainKey | None = None
    """Domains with the same text are one group, e.g. ``labels.app``; without the label: none. By default all selected
    domains are one group."""
    select: DomainSelector = DomainSelector("true")
    """Which domains."""
    across: Name = "host"
    """``host``, or the label of hosts whose values are the zones. A host without the label may run any number."""
    most: PositiveField = 1
    """How many domains of a group a zone may have."""

    @property
    def detail(self) -> str:
        return groups_title(self.group, self.select, self.across)

    def terms(self, view: View) -> Iterable[Term]:
        group, zone = groups_of(self.group, self.select, view), view.zones(self.across)
        # One zone at least, where no host has the label.
        fixed = np.zeros((int(group.max(initial=-1)) + 1, int(zone.max(initial=0)) + 1), dtype=np.int64)
        yield self.term(GroupMost(group=group, zone=zone, most=self.most, fixed=fixed))

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from key_findings(self.group, self.select, view)
        yield from across_findings(self.across, view, "any number of a group may run there")
