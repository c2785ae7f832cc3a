"""The cluster survives the loss of hosts or racks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from rebalancer.documents import AmountsField, Name
from rebalancer.errors import Problem
from rebalancer.placement.primitives import Failover as FailoverPrimitive
from rebalancer.placement.primitives import FloatArray
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, Rule, across_findings, resource_findings
from rebalancer.policy.view import View

__all__ = ["Failover"]


class Failover(Rule):
    """For any ``tolerate`` zones that are lost, whichever they are: of each resource the other hosts have free, in sum,
    what ran on the lost ones; and each single domain fits, with all its resources, on one of the others that is left.

    That is necessary for a restart of everything, and nearly always enough (whether all pieces fit at once is a packing
    problem of its own, and is not solved here). A zone is a host, or all hosts with the same value of a label
    (``across: rack``). Free is (capacity - reserve) · overcommit less what runs there; a host that does not accept
    domains, or does not report a resource, has nothing free. Per resource the room that is short counts, as a share of
    the mean host, and the domains that find no place. While domains move, each is taken to be at whichever end is
    worse; with ``during: relaxed`` room for a failure may be used for moving.
    """

    word: ClassVar[str] = "failover"

    tolerate: Annotated[int, Field(ge=1, le=100)] = 1
    """How many zones may be lost at once."""
    across: Name = "host"
    """``host``, or the label of hosts whose values are the zones. A host without the label is a zone of its own."""
    resources: Annotated[tuple[Name, ...], Field(min_length=1)] = ("memory",)
    """What a domain needs to start."""
    reserve: AmountsField = Field(default_factory=dict)
    """What every host keeps for itself: ``{memory: 8 GiB}``."""
    overcommit: Mapping[Name, Annotated[float, Field(gt=0, le=1000)]] = Field(default_factory=dict)
    """How often what is left may be given away: ``{cpu: 4}``."""

    @property
    def detail(self) -> str:
        return f"{self.tolerate} {self.across}" if (self.tolerate, self.across) != (1, "host") else ""

    def terms(self, view: View) -> Iterable[Term]:
        if not view.hosts:
            return
        yield self.term(
            FailoverPrimitive(
                demand=np.array([view.demand(resource) for resource in self.resources]),
                limit=np.array([self._limit(resource, view) for resource in self.resources]),
                zone=view.zones(self.across),
                tolerate=self.tolerate,
                resources=self.resources,
            )
        )

    def _limit(self, resource: str, view: View) -> FloatArray:
        capacity = np.where(view.accepting, np.nan_to_num(view.capacity(resource)), 0.0)
        left = np.maximum(capacity - self.reserve.get(resource, 0.0), 0.0)
        return np.asarray(left * self.overcommit.get(resource, 1.0), dtype=np.float64)

    def check(self, view: View) -> Iterator[Finding]:
        yield from across_findings(self.across, view, "each such host is a zone of its own")
        for index, resource in enumerate(self.resources):
            for _, problem in resource_findings(resource, view, view.accepting, "nothing can be restarted there"):
                yield ("resources", index), problem
        for key, named in (("reserve", self.reserve), ("overcommit", self.overcommit)):
            for resource in named:
                if resource not in self.resources:
                    yield (
                        (key, resource),
                        Problem(f"'{resource}' is none of the resources ({', '.join(self.resources)})"),
                    )
        zones = view.zones(self.across)
        number = len(set(zones.tolist()) - {-1}) + int((zones < 0).sum())
        if view.hosts and number <= self.tolerate:
            yield ("tolerate",), Problem(f"across '{self.across}' there are {number} zones; none would be left")
