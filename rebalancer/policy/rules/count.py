"""Hosts run a limited number of domains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np

from rebalancer.documents import CountField
from rebalancer.placement.primitives import Capacity
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, HostsField, Rule, host_mask, hosts_findings, selector_findings, short
from rebalancer.policy.expressions import DomainSelector, HostSelector
from rebalancer.policy.view import View

__all__ = ["Count"]


class Count(Rule):
    """For every host h: |{d selected : d on h}| ≤ most. The domains too many count.

    A domain that moves counts on both ends.
    """

    word: ClassVar[str] = "count"

    select: DomainSelector = DomainSelector("true")
    """Which domains."""
    hosts: HostsField = HostSelector("true")
    """Which hosts are limited: a CEL expression over hosts, or a list of names."""
    most: CountField
    """How many of the domains each of the hosts may run."""

    @property
    def detail(self) -> str:
        return "" if self.select.source == "true" else short(self.select)

    def terms(self, view: View) -> Iterable[Term]:
        limit = np.where(host_mask(self.hosts, view), float(self.most), np.inf)
        demand = view.where(self.select.matches).astype(np.float64)
        yield self.term(Capacity(resource="domains", demand=demand, limit=limit, scale=1.0))

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from hosts_findings(self.hosts, view)
