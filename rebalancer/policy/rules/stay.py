"""Domains that are not moved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import ClassVar

from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, Rule, selector_findings, short
from rebalancer.policy.expressions import DomainSelector
from rebalancer.policy.masks import Rows
from rebalancer.policy.view import View

__all__ = ["Stay"]


class Stay(Rule):
    """For every selected domain d: host(d) is the host that d runs on now."""

    word: ClassVar[str] = "stay"

    select: DomainSelector
    """Which domains."""

    @property
    def detail(self) -> str:
        return short(self.select)

    def terms(self, view: View) -> Iterable[Term]:
        rows = Rows(len(view.domains), len(view.hosts))
        for d in view.where(self.select.matches).nonzero()[0]:
            home = int(view.start[d])
            rows.restrict(int(d), home, partial(view.only, home), f"must stay on {view.hosts[home].name}")
        primitive = rows.primitive()
        return () if primitive is None else (self.term(primitive),)

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
