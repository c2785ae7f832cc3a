"""What hosts have free of two resources stays in proportion, so that nothing is left that nobody can use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar

import numpy as np

from rebalancer.documents import Name
from rebalancer.placement.primitives import Ratio as RatioPrimitive
from rebalancer.placement.problem import Term
from rebalancer.policy.amounts import Amount, per_amount
from rebalancer.policy.clause import Finding, Goal, Weight, host_mask, hosts_findings, resource_findings
from rebalancer.policy.expressions import HostSelector
from rebalancer.policy.loads import LoadField, load_findings
from rebalancer.policy.view import View

__all__ = ["Ratio"]


class Ratio(Goal):
    """Σ_h max(0, target · free_h(of) - free_h(to)) / per, over the selected hosts h that report both.

    For each free core (``of: cpu``) there should be 4 GiB (``target``) of free memory (``to``), or it is stranded.
    Exact: with whole numbers the cost is one. Free is what is left of the capacity, less than nothing where hosts are
    overcommitted.
    """

    word: ClassVar[str] = "ratio"

    of: Name
    """The resource that should not be left over."""
    to: Name
    """The resource that it needs beside it."""
    target: Annotated[float, per_amount("to"), Amount]
    """How much of ``to`` belongs to each unit (core, byte, …) of ``of``: ``4 GiB``."""
    per: Annotated[float, per_amount("to"), Amount] = 1.0
    """How much of ``to`` that is missing costs one ``weight``: ``1 GiB``."""
    load: LoadField | None = None
    """Which figure of domains' loads counts: ``p95``, ``mean@1h``, ``requested``…; by default what they use."""
    weight: Weight = 1.0
    """Cost of each ``per`` that is missing."""
    hosts: HostSelector = HostSelector("true")
    """Which hosts count."""

    @property
    def detail(self) -> str:
        return f"{self.of} to {self.to}"

    def terms(self, view: View) -> Iterable[Term]:
        first, second = view.capacity(self.of), view.capacity(self.to)
        counted = host_mask(self.hosts, view) & ~np.isnan(first) & ~np.isnan(second)
        primitive = RatioPrimitive(
            first=view.demand(self.of, self.load),
            second=view.demand(self.to, self.load),
            # A host with any amount of the second free never lacks it.
            first_capacity=np.where(counted, first, 0.0),
            second_capacity=np.where(counted, second, np.inf),
            target=self.target,
        )
        yield self.term(primitive, self.weight / self.per)

    def check(self, view: View) -> Iterator[Finding]:
        yield from hosts_findings(self.hosts, view)
        for key, resource in (("of", self.of), ("to", self.to)):
            for _, problem in resource_findings(resource, view, host_mask(self.hosts, view), "not looked at there"):
                yield (key,), problem
            yield from load_findings(resource, self.load, view)
