"""Few hosts do all the work, so that others can be switched off or kept as spares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np

from rebalancer.documents import Name
from rebalancer.placement.primitives import HostsInUse
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, Goal, Weight, resource_findings
from rebalancer.policy.view import View

__all__ = ["Pack"]


class Pack(Goal):
    """|{h : some domain runs on h}| - mean_h u_h², where u_h is the utilisation of host h.

    The second part, less than one host, only leads the way: full hosts are filled first, so that others run empty.
    """

    word: ClassVar[str] = "pack"

    resource: Name = "memory"
    """The resource whose utilisation decides which hosts are filled first."""
    weight: Weight = 1.0
    """Cost of each host in use."""

    @property
    def detail(self) -> str:
        return self.resource

    def terms(self, view: View) -> Iterable[Term]:
        capacity = np.nan_to_num(view.capacity(self.resource))
        yield self.term(HostsInUse(demand=view.demand(self.resource), capacity=capacity), self.weight)

    def check(self, view: View) -> Iterator[Finding]:
        yield from resource_findings(self.resource, view, view.accepting, "filled in no order")
