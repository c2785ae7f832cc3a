"""Hosts keep some of a resource free, and what they lack of that is what counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import model_validator

from rebalancer.documents import Name
from rebalancer.placement.primitives import Capacity, FloatArray
from rebalancer.placement.problem import Term
from rebalancer.policy.amounts import Amount, Target, TargetField, per_amount
from rebalancer.policy.clause import Finding, Goal, Weight, host_mask, hosts_findings, resource_findings
from rebalancer.policy.expressions import HostSelector
from rebalancer.policy.loads import LoadField, load_findings, load_title
from rebalancer.policy.view import View

__all__ = ["Headroom"]


class Headroom(Goal):
    """Σ_h max(0, load_h - target_h) / per, over all selected hosts h.

    Exact: with whole numbers the cost is one, and ``per: 1``, the default, counts each core or byte.
    """

    word: ClassVar[str] = "headroom"

    resource: Name
    """``cpu``, ``memory``, or any other resource that hosts report."""
    target: TargetField = Target(share=1.0)
    """Up to where a host's load costs nothing: a share of what ``capacity`` names (``80%``) or an amount
    (``200 GiB``). All of it by default."""
    capacity: Name | None = None
    """Which capacity of hosts the target is a share of; by default that of the resource. A host may report one that is
    made for this, e.g. ``memory_safe``. A host that does not report it has no target."""
    per: Annotated[float, per_amount("resource"), Amount] = 1.0
    """How much too much costs one ``weight``: ``1 GiB``."""
    load: LoadField | None = None
    """Which figure of domains' loads counts: ``p95``, ``mean@1h``, ``requested``…; by default what they use."""
    weight: Weight = 1.0
    """Cost of each ``per`` beyond the target."""
    hosts: HostSelector = HostSelector("true")
    """Which hosts should have headroom."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if self.capacity is not None and self.target.amount is not None:
            raise ValueError("has an amount as 'target' and a 'capacity' as well; leave one of them out")
        return self

    @property
    def detail(self) -> str:
        return load_title(self.resource, self.load)

    def limit(self, view: View) -> FloatArray:
        """float[H], in base units; infinite where there is no target."""
        if self.target.share is None:
            limit = np.full(len(view.hosts), self.target.amount, dtype=np.float64)
        else:
            limit = view.capacity(self.capacity or self.resource) * self.target.share
        return np.where(host_mask(self.hosts, view) & ~np.isnan(limit), limit, np.inf)

    def terms(self, view: View) -> Iterable[Term]:
        demand = view.demand(self.resource, self.load)
        primitive = Capacity(resource=self.resource, demand=demand, limit=self.limit(view), scale=self.per)
        yield self.term(primitive, self.weight)

    def check(self, view: View) -> Iterator[Finding]:
        yield from hosts_findings(self.hosts, view)
        yield from load_findings(self.resource, self.load, view)
        if self.target.share is not None:
            named = self.capacity or self.resource
            key = "resource" if self.capacity is None else "capacity"
            for _, problem in resource_findings(named, view, host_mask(self.hosts, view), "no headroom is kept there"):
                yield (key,), problem
