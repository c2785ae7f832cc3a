"""Expressions over a domain and a host, laid out as tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from rebalancer.cluster.text import shown
from rebalancer.errors import InvalidInput
from rebalancer.placement.primitives import AllowedHosts, AssignmentCost, BoolArray, IntArray
from rebalancer.policy.clause import Caution, Finding
from rebalancer.policy.expressions import DomainSelector, PairCondition, PairNumber
from rebalancer.policy.masks import Rows
from rebalancer.policy.view import View

__all__ = ["condition_findings", "condition_rows", "cost_table"]

_MOST = 1e15


def cost_table(cost: PairNumber, select: DomainSelector, view: View) -> AssignmentCost:
    """What the selected domains cost on each host; InvalidInput where that is negative or beyond all measure."""
    chosen = np.flatnonzero(view.where(select.matches))
    rows, table = cost.table([view.domains[d] for d in chosen], view.hosts)
    costs = np.array([[value or 0.0 for value in row] for row in table], dtype=np.float64)
    costs = costs.reshape(len(table), len(view.hosts))
    for row, host in np.argwhere((costs < 0) | (costs > _MOST)):
        name = view.domains[chosen[rows.index(row)]].name
        raise InvalidInput(
            f"the expression {shown(cost.source)} is {costs[row, host]:.6g} for domain {shown(name)} on host "
            f"{shown(view.hosts[host].name)}; a cost is at least 0 and at most {_MOST:.0e}"
        )
    row_of = np.full(len(view.domains), -1, dtype=np.int64)
    row_of[chosen] = rows
    return AssignmentCost(costs=costs, row=row_of)


def _condition(condition: PairCondition, select: DomainSelector, view: View) -> tuple[IntArray, list[int], BoolArray]:
    """The selected domains, the row of each, and for each row where the condition holds: bool[M, H]."""
    chosen = np.flatnonzero(view.where(select.matches))
    rows, table = condition.table([view.domains[d] for d in chosen], view.hosts)
    holds = np.array([[value is True for value in row] for row in table], dtype=np.bool_)
    return chosen, rows, holds.reshape(len(table), len(view.hosts))


def condition_rows(condition: PairCondition, select: DomainSelector, view: View) -> AllowedHosts | None:
    """Where the selected domains may be; None where none is selected."""
    chosen, rows, holds = _condition(condition, select, view)
    allowed = Rows(len(view.domains), len(view.hosts))
    for domain, row in zip(chosen, rows, strict=True):
        allowed.restrict(int(domain), row, partial(holds.__getitem__, row), "does not hold there")
    return allowed.primitive()


def condition_findings(condition: PairCondition, select: DomainSelector, view: View) -> Iterator[Finding]:
    """Domains for which the condition holds nowhere."""
    chosen, rows, holds = _condition(condition, select, view)
    nowhere = [view.domains[d].name for d, row in zip(chosen, rows, strict=True) if not holds[row].any()]
    if nowhere:
        some = shown(nowhere[0]) + (f" and {len(nowhere) - 1} more" if len(nowhere) > 1 else "")
        yield ("condition",), Caution(f"it holds on no host for {some}")
