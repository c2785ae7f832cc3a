"""Moves must be worth it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from rebalancer.cluster import Domain
from rebalancer.placement.primitives import MoveCost as MoveCostPrimitive
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Goal
from rebalancer.policy.view import View

__all__ = ["MoveCost"]

_Cost = Annotated[float, Field(ge=0, le=1e9)]


class MoveCost(Goal):
    """Σ over the domains that move: per_move + per_gib · memory in GiB + per_second · predicted seconds.

    Memory is what a migration has to send at least once. The prediction is rough (see
    :func:`~rebalancer.policy.view.rough_duration`) unless the planner has a better one.
    """

    word: ClassVar[str] = "move_cost"

    per_move: _Cost = 0.0
    """Cost of every move."""
    per_gib: _Cost = 0.0
    """Cost of each GiB (2³⁰ bytes) of memory moved."""
    per_second: _Cost = 0.0
    """Cost of each second that a migration is predicted to take."""

    def _cost(self, domain: Domain, view: View) -> float:
        memory = domain.migration.memory or domain.uses.get("memory", 0.0)
        seconds = view.predict(domain) if self.per_second else 0.0
        return self.per_move + self.per_gib * memory / 2**30 + self.per_second * seconds

    def terms(self, view: View) -> Iterable[Term]:
        cost = np.array([self._cost(domain, view) for domain in view.domains], dtype=np.float64)
        yield self.term(MoveCostPrimitive(cost=cost), 1.0)
