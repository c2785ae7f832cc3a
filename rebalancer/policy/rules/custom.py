"""Whatever a CEL expression says that must hold for a domain on its host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from rebalancer.cluster.text import printable
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, Rule, selector_findings
from rebalancer.policy.expressions import DomainSelector, PairCondition
from rebalancer.policy.pairs import condition_findings, condition_rows
from rebalancer.policy.view import View

__all__ = ["CustomRule"]


class CustomRule(Rule):
    """For every selected domain d: condition(d, host of d).

    The expression is about ``domain`` and ``host``. Where something that it reads is missing, it does not hold.
    """

    word: ClassVar[str] = "custom"

    condition: PairCondition
    """What must hold for a domain on its host: ``domain.labels.tier == host.labels.tier``."""
    select: DomainSelector = DomainSelector("true")
    """Which domains."""

    @property
    def detail(self) -> str:
        return printable(self.condition.source, 60)

    def terms(self, view: View) -> Iterable[Term]:
        allowed = condition_rows(self.condition, self.select, view)
        if allowed is not None:
            yield self.term(allowed)

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from condition_findings(self.condition, self.select, view)
