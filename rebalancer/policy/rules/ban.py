"""Domains that may not run on some hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, HostsField, Rule, host_mask, hosts_findings, selector_findings, short
from rebalancer.policy.expressions import DomainSelector
from rebalancer.policy.masks import Rows
from rebalancer.policy.view import View

__all__ = ["Ban"]


class Ban(Rule):
    """For every selected domain d: host(d) ∉ hosts."""

    word: ClassVar[str] = "ban"

    select: DomainSelector
    """Which domains."""
    hosts: HostsField
    """Where they may not run: a CEL expression over hosts, or a list of names."""

    @property
    def detail(self) -> str:
        return short(self.select)

    def terms(self, view: View) -> Iterable[Term]:
        allowed = ~host_mask(self.hosts, view)
        names = [host.name for host in view.hosts]
        rows = Rows(len(view.domains), len(view.hosts))
        for d in view.where(self.select.matches).nonzero()[0]:
            rows.restrict(int(d), "ban", lambda: allowed, lambda host: f"banned from {names[host]}")
        primitive = rows.primitive()
        return () if primitive is None else (self.term(primitive),)

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from hosts_findings(self.hosts, view)
