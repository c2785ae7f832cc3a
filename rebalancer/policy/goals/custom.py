"""Whatever a CEL expression says of a domain on a host, as a cost or as a condition that should hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import model_validator

from rebalancer.cluster.text import printable
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, Goal, Weight, selector_findings
from rebalancer.policy.expressions import DomainSelector, PairCondition, PairNumber
from rebalancer.policy.pairs import condition_findings, condition_rows, cost_table
from rebalancer.policy.view import View

__all__ = ["Custom"]


class Custom(Goal):
    """Σ over the selected domains d: cost(d, host of d); or |{d : not condition(d, host of d)}|.

    The expression is about ``domain`` and ``host``. Where something that it reads is missing, the cost is 0, and the
    condition does not hold.
    """

    word: ClassVar[str] = "custom"

    cost: PairNumber | None = None
    """What a domain costs on a host, at least 0: ``domain.uses.cpu * double(host.labels.price)``."""
    condition: PairCondition | None = None
    """What should hold for a domain on its host: ``domain.labels.tier == host.labels.tier``. As a rule (``rules:``) it
    must hold."""
    select: DomainSelector = DomainSelector("true")
    """Which domains."""
    weight: Weight = 1.0
    """The cost is multiplied by it; of a condition: what each domain costs for which it does not hold."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.cost is None) == (self.condition is None):
            raise ValueError("needs either 'cost' or 'condition', an expression over domain and host")
        return self

    @property
    def detail(self) -> str:
        expression = self.cost or self.condition
        return "" if expression is None else printable(expression.source, 60)

    def terms(self, view: View) -> Iterable[Term]:
        if self.cost is not None:
            yield self.term(cost_table(self.cost, self.select, view), self.weight)
        elif self.condition is not None:
            allowed = condition_rows(self.condition, self.select, view)
            if allowed is not None:
                yield self.term(allowed, self.weight)

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        if self.condition is not None:
            yield from condition_findings(self.condition, self.select, view)
