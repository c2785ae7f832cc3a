"""Few hosts do all the work, so that others can be switched off or kept as spares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np

from rebalancer.documents import Name
from rebalancer.placement.primitives import HostsInUse
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, Goal, Weight, resource_findings
from rebalancer.policy.loads import LoadField, load_findings, load_title
from rebalancer.policy.view import View

__all__ = ["Pack"]


class Pack(Goal):
    """Σ over the hosts h on which domains run: (1 + 2 u_h - u_h²) / 2, where u_h ≤ 1 is the utilisation of host h.

    A host in use costs a half, and up to another half as it fills. An empty host costs nothing, and a full one no more
    than one that is nearly full: domains leave emptier hosts for fuller ones, until hosts are freed entirely.
    """

    word: ClassVar[str] = "pack"

    resource: Name = "memory"
    """The resource whose utilisation decides which hosts are filled first."""
    weight: Weight = 1.0
    """Cost of each full host."""
    load: LoadField | None = None
    """Which figure of domains' loads counts: ``p95``, ``mean@1h``, ``requested``…; by default what they use."""

    @property
    def detail(self) -> str:
        return load_title(self.resource, self.load)

    def terms(self, view: View) -> Iterable[Term]:
        capacity = np.nan_to_num(view.capacity(self.resource))
        yield self.term(HostsInUse(demand=view.demand(self.resource, self.load), capacity=capacity), self.weight)

    def check(self, view: View) -> Iterator[Finding]:
        yield from resource_findings(self.resource, view, view.accepting, "filled in no order")
        yield from load_findings(self.resource, self.load, view)
