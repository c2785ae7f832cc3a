"""What ``limits:`` comes to for a cluster: budgets for the search, and terms that keep domains where they are.

A domain that must not move without need (``only_repairs``, or because it moved lately) costs 1 when it does, in a tier
of its own between the rules and everything else: so it moves where a rule cannot be repaired otherwise, and never for
a goal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from rebalancer.placement.limits import Budget, MoveLimits
from rebalancer.placement.primitives import BoolArray, MoveCost
from rebalancer.placement.problem import Term
from rebalancer.policy.history import History
from rebalancer.policy.settings import Limits
from rebalancer.policy.view import View

__all__ = ["move_limits", "reluctant", "with_reluctance"]

_ONLY_REPAIRS = "only_repairs"
_PREFIX = "limits: "


def move_limits(limits: Limits, view: View) -> MoveLimits | None:
    budgets = tuple(_budgets(limits, view))
    found = MoveLimits(budgets=budgets, per_host=limits.per_host, arrivals_per_host=limits.arrivals_per_host)
    return found if budgets or (found.per_host, found.arrivals_per_host) != (None, None) else None


def _budgets(limits: Limits, view: View) -> Iterator[Budget]:
    number = len(view.domains)
    if limits.max_bytes is not None:
        memory = [float(domain.migration.memory or domain.uses.get("memory", 0.0)) for domain in view.domains]
        yield Budget(
            name="max_bytes",
            amount=np.array(memory, dtype=np.float64),
            bucket=np.zeros(number, dtype=np.int64),
            most=float(limits.max_bytes),
            unit=2.0**20,
        )
    if limits.per_group is not None:
        yield Budget(
            name="per_group",
            amount=np.ones(number),
            bucket=view.groups(limits.per_group.group.key),
            most=float(limits.per_group.most),
        )


def with_reluctance(terms: Iterable[Term], limits: Limits, view: View, history: History | None) -> Iterator[Term]:
    """The terms, all but rules a tier lower where some domains must not move without need."""
    found = tuple(_reluctance(limits, view, history))
    for term in terms:
        yield replace(term, tier=term.tier + 1) if found and not term.hard else term
    yield from found


def reluctant(terms: Iterable[Term]) -> frozenset[int]:
    """The domains that have moved lately or often enough to move for repairs only."""
    lately = (
        term.primitive.cost
        for term in terms
        if isinstance(term.primitive, MoveCost) and term.name.startswith(_PREFIX) and _ONLY_REPAIRS not in term.name
    )
    return frozenset(int(domain) for cost in lately for domain in np.flatnonzero(cost))


def _reluctance(limits: Limits, view: View, history: History | None) -> Iterator[Term]:
    if limits.only_repairs:
        yield _term(_ONLY_REPAIRS, np.ones(len(view.domains), dtype=np.bool_))
        return
    if history is None:
        return
    if limits.cooldown:
        ago = [history.since_move(domain.uuid) for domain in view.domains]
        lately = np.array([since is not None and since < limits.cooldown for since in ago], dtype=np.bool_)
        if lately.any():
            yield _term("cooldown", lately)
    if limits.per_domain is not None:
        most, within = limits.per_domain.most, limits.per_domain.within
        spent = view.where(lambda domain: history.moves_within(domain.uuid, within) >= most)
        if spent.any():
            yield _term("per_domain", spent)


def _term(name: str, kept: BoolArray) -> Term:
    return Term(name=_PREFIX + name, primitive=MoveCost(cost=kept.astype(np.float64)), tier=1)
