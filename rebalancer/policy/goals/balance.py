"""Hosts share a resource's load in proportion to what they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar

import numpy as np
from pydantic import AfterValidator

from rebalancer.documents import Name, ShareField
from rebalancer.placement.primitives import BoolArray, Evenness
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, Goal, Weight, host_mask, hosts_findings, resource_findings
from rebalancer.policy.expressions import HostSelector
from rebalancer.policy.view import View

__all__ = ["Balance"]


def _below_all(value: float) -> float:
    if value >= 1:
        raise ValueError("must be less than 100%")
    return value


class Balance(Goal):
    """With u_h = load / capacity of host h and ū their common mean: 100 · sqrt(mean_h max(0, |u_h - ū| - tolerance)²).

    In words: how many percentage points the hosts' utilisation differs, as a standard deviation. Hosts that accept
    domains and report the resource count; what has to leave other hosts (maintenance) is part of the mean.
    """

    word: ClassVar[str] = "balance"

    resource: Name
    """``cpu``, ``memory``, or any other resource that hosts report."""
    weight: Weight = 1.0
    """Cost of each percentage point."""
    tolerance: Annotated[ShareField, AfterValidator(_below_all)] = 0.0
    """Utilisation may differ from the mean by this much without any cost: ``5%`` is five percentage points."""
    hosts: HostSelector = HostSelector("true")
    """Which hosts share the load."""

    @property
    def detail(self) -> str:
        return self.resource

    def _counted(self, view: View) -> BoolArray:
        capacity = view.capacity(self.resource)
        return np.asarray(view.accepting & host_mask(self.hosts, view) & (capacity > 0), dtype=np.bool_)

    def terms(self, view: View) -> Iterable[Term]:
        counted = self._counted(view)
        if not counted.any():
            return
        capacity, demand = np.nan_to_num(view.capacity(self.resource)), view.demand(self.resource)
        shared = counted | (~view.accepting & host_mask(self.hosts, view))
        target = float(demand[shared[view.start]].sum() / capacity[counted].sum())
        yield self.term(
            Evenness(
                resource=self.resource,
                demand=demand,
                capacity=capacity,
                counted=counted,
                target=target,
                tolerance=self.tolerance,
            ),
            self.weight,
        )

    def check(self, view: View) -> Iterator[Finding]:
        yield from hosts_findings(self.hosts, view)
        counted = view.accepting & host_mask(self.hosts, view)
        yield from resource_findings(self.resource, view, counted, "not balanced there")
