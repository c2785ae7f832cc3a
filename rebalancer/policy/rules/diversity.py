"""Hosts that run domains of several groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np

from rebalancer.documents import Name, PositiveField
from rebalancer.placement.explain.words import GROUPS
from rebalancer.placement.primitives import Pool
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import (
    Finding,
    HostsField,
    Rule,
    across_findings,
    host_mask,
    hosts_findings,
    key_findings,
    selector_findings,
)
from rebalancer.policy.expressions import DomainKey, DomainSelector, HostSelector
from rebalancer.policy.groups import groups_of, groups_title
from rebalancer.policy.view import View
from rebalancer.policy.zones import lower_bound

__all__ = ["Diversity"]


class Diversity(Rule):
    """For every zone: |{g : a domain of group g runs in it}| ≥ least. The groups too few count.

    A zone is a host, or all hosts with the same value of a label (``across: rack``); zones in which no host accepts
    domains are not looked at. A domain that moves counts on neither end until it has arrived. How many groups may meet
    at most is said by ``split``.
    """

    word: ClassVar[str] = "diversity"

    group: DomainKey
    """Domains with the same text are one group, e.g. ``labels.app``; without the label: none."""
    least: PositiveField
    """Of how many groups each zone runs domains."""
    select: DomainSelector = DomainSelector("true")
    """Which domains."""
    across: Name = "host"
    """``host``, or the label of hosts whose values are the zones. A host without the label is not looked at."""
    hosts: HostsField = HostSelector("true")
    """Which hosts are looked at: a CEL expression over hosts, or a list of names."""

    @property
    def detail(self) -> str:
        return groups_title(self.group, self.select, self.across)

    def terms(self, view: View) -> Iterable[Term]:
        group = groups_of(self.group, self.select, view)
        zone = np.where(host_mask(self.hosts, view), view.zones(self.across), -1)
        least = lower_bound(zone, view, lambda _: float(self.least))
        yield self.term(
            Pool(
                resource=GROUPS,
                demand=np.zeros(len(group)),
                zone=zone,
                most=np.full(len(least), np.inf),
                least=least,
                group=group,
                presence=np.ones(int(group.max(initial=-1)) + 1),
            )
        )

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from key_findings(self.group, self.select, view)
        yield from across_findings(self.across, view, "not looked at there")
        yield from hosts_findings(self.hosts, view)
