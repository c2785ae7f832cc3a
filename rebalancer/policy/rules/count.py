"""Hosts run a limited number of domains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
from pydantic import model_validator

from rebalancer.cluster.text import shown
from rebalancer.documents import CountField, Name, PositiveField
from rebalancer.placement.primitives import BoolArray, Capacity, IntArray, Pool
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
from rebalancer.policy.groups import groups_title
from rebalancer.policy.view import View
from rebalancer.policy.zones import lower_bound

__all__ = ["Count"]


class Count(Rule):
    """For every zone z: least ≤ |{d selected : d on a host in z}| ≤ most; with a group, for every group anew. The
    domains too many or too few count.

    A zone is a host, or all hosts with the same value of a label (``across: rack``). ``least`` is not asked of zones in
    which no host accepts domains. A domain that moves counts on both ends for ``most``, and for ``least`` on neither
    until it has arrived. Exactly so many: ``{least: 2, most: 2}``.
    """

    word: ClassVar[str] = "count"

    select: DomainSelector = DomainSelector("true")
    """Which domains."""
    hosts: HostsField = HostSelector("true")
    """Which hosts are limited: a CEL expression over hosts, or a list of names."""
    most: CountField | None = None
    """How many of the domains each zone may run."""
    least: PositiveField | None = None
    """How many of the domains each zone runs at least."""
    across: Name = "host"
    """``host``, or the label of hosts whose values are the zones. A host without the label is not limited."""
    group: DomainKey | None = None
    """Domains with the same text are counted by themselves, e.g. ``labels.app``; without the label: not counted. By
    default all selected domains are counted together."""

    @model_validator(mode="after")
    def _says_how_many(self) -> Self:
        if self.most is None and self.least is None:
            raise ValueError("says neither 'most' nor 'least'; add e.g. most: 20")
        if self.most is not None and self.least is not None and self.least > self.most:
            raise ValueError(f"wants at least {self.least} and at most {self.most}; no number is both")
        return self

    @property
    def detail(self) -> str:
        return groups_title(self.group, self.select, self.across)

    def terms(self, view: View) -> Iterable[Term]:
        selected, chosen = view.where(self.select.matches), host_mask(self.hosts, view)
        if self.across == "host" and self.least is None and self.group is None:
            limit = np.where(chosen, float(self.most or 0), np.inf)
            demand = selected.astype(np.float64)
            yield self.term(Capacity(resource="domains", demand=demand, limit=limit, scale=1.0))
            return
        zone = np.where(chosen, view.zones(self.across), -1)
        for key, members in self._groups(selected, view):
            term = self.term(self._pool(members, zone, view))
            yield term if key is None else replace(term, name=f"{self.title} ({shown(key)})")

    def _groups(self, selected: BoolArray, view: View) -> Iterator[tuple[str | None, BoolArray]]:
        """Each group and who is in it: bool[D]."""
        if self.group is None:
            yield None, selected
            return
        group = self.group
        keys = [group.key(item) if chosen else None for item, chosen in zip(view.domains, selected, strict=True)]
        for key in dict.fromkeys(key for key in keys if key is not None):
            yield key, np.array([other == key for other in keys], dtype=np.bool_)

    def _pool(self, members: BoolArray, zone: IntArray, view: View) -> Pool:
        least = lower_bound(zone, view, lambda _: float(self.least or 0))
        most = np.full(len(least), np.inf if self.most is None else float(self.most))
        return Pool(resource="domains", demand=members.astype(np.float64), zone=zone, most=most, least=least)

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from key_findings(self.group, self.select, view)
        yield from across_findings(self.across, view, "not limited there")
        yield from hosts_findings(self.hosts, view)
