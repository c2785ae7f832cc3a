"""Domains that may run on some hosts only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, HostsField, Rule, host_mask, hosts_findings, selector_findings, short
from rebalancer.policy.expressions import DomainSelector
from rebalancer.policy.masks import Rows
from rebalancer.policy.view import View

__all__ = ["Pin"]


class Pin(Rule):
    """For every selected domain d: host(d) ∈ hosts."""

    word: ClassVar[str] = "pin"

    select: DomainSelector
    """Which domains."""
    hosts: HostsField
    """Where they may run: a CEL expression over hosts, or a list of names."""

    @property
    def detail(self) -> str:
        return short(self.select)

    def terms(self, view: View) -> Iterable[Term]:
        allowed = host_mask(self.hosts, view)
        where = ", ".join(self.hosts) if isinstance(self.hosts, tuple) else f"hosts with {short(self.hosts)}"
        rows = Rows(len(view.domains), len(view.hosts))
        for d in view.where(self.select.matches).nonzero()[0]:
            rows.restrict(int(d), "pin", lambda: allowed, f"pinned to {where}")
        primitive = rows.primitive()
        return () if primitive is None else (self.term(primitive),)

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from hosts_findings(self.hosts, view)
