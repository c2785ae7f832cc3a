"""Hosts that exclude each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from rebalancer.cluster.text import shown
from rebalancer.documents import Name, PositiveField
from rebalancer.placement.primitives import BoolArray, GroupSpan
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
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.groups import groups_of, groups_title
from rebalancer.policy.view import View

__all__ = ["Exclusive"]


class Exclusive(Rule):
    """For every set of hosts that exclude each other: |{h in the set : a selected domain runs on h}| ≤ most; with a
    group, for every group anew. The hosts too many count.

    Give ``sets`` or ``across``. While domains move, each is taken to be at whichever end is worse.
    """

    word: ClassVar[str] = "exclusive"

    sets: Annotated[tuple[HostsField, ...], Field(min_length=1)] | None = None
    """The sets, each a CEL expression over hosts or a list of names: ``[[h1, h2], "labels.row == 'b'"]``."""
    across: Name | None = None
    """The label of hosts whose values are the sets: hosts with the same value exclude each other."""
    most: PositiveField = 1
    """How many hosts of a set may be in use."""
    select: DomainSelector = DomainSelector("true")
    """Which domains make a host one that is in use."""
    group: DomainKey | None = None
    """Hosts exclude each other for the domains of one group only: those with the same text, e.g. ``labels.app``."""

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if (self.sets is None) == (self.across is None):
            raise ValueError("says not which hosts; write either 'sets' (lists of hosts) or 'across' (a label)")
        return self

    @property
    def detail(self) -> str:
        return groups_title(self.group, self.select, self.across or "host")

    def _sets(self, view: View) -> Iterator[tuple[str, BoolArray]]:
        """What each set is called, and bool[H]."""
        if self.sets is not None:
            for hosts in self.sets:
                mask = host_mask(hosts, view)
                yield ", ".join(host.name for host, inside in zip(view.hosts, mask, strict=True) if inside), mask
            return
        across = str(self.across)
        for value in dict.fromkeys(host.labels[across] for host in view.hosts if across in host.labels):
            yield shown(value), np.array([host.labels.get(across) == value for host in view.hosts], dtype=np.bool_)

    def terms(self, view: View) -> Iterable[Term]:
        group = groups_of(self.group, self.select, view)
        for name, inside in self._sets(view):
            if not inside.any():
                continue
            zone = np.where(inside, np.cumsum(inside) - 1, -1).astype(np.int64)
            term = self.term(GroupSpan(group=group, zone=zone, most=self.most, alone=False, eased=False))
            yield replace(term, name=f"{self.title} ({name})")

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from key_findings(self.group, self.select, view)
        if self.across is not None:
            yield from across_findings(self.across, view, "they exclude nobody")
        for index, hosts in enumerate(self.sets or ()):
            for path, problem in hosts_findings(hosts, view):
                yield ("sets", index, *path[1:]), problem
