"""Domains with a mirror on a second host: they go there and nowhere else, and find room there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from rebalancer.cluster.text import shown
from rebalancer.documents import AmountsField, Name
from rebalancer.placement.primitives import BoolArray, Capacity, FloatArray, IntArray
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Caution, Finding, Rule, resource_findings, selector_findings
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.masks import Rows
from rebalancer.policy.view import View

__all__ = ["Standby"]


class Standby(Rule):
    """For every selected domain d that names a standby host: host(d) is the host where d runs now, or its standby. For
    every host h and resource, with limit = (capacity - reserve) · overcommit: what domains without a standby use on h
    ≤ max(0, limit - Σ uses of the domains of which h is one of the two hosts).

    So whichever of its two hosts such a domain runs on, the other has room for it. Domains that run elsewhere count
    once, and what counts is their number, and per resource Σ_h of the excess as a share of the mean limit.
    """

    word: ClassVar[str] = "standby"

    host: DomainKey
    """The name of a domain's standby host, e.g. ``labels.secondary``; without the label it has none."""
    select: DomainSelector = DomainSelector("true")
    """Which domains."""
    resources: Annotated[tuple[Name, ...], Field(min_length=1)] = ("memory",)
    """What the standby keeps free."""
    reserve: AmountsField = Field(default_factory=dict)
    """What every host keeps for itself: ``{memory: 8 GiB}``."""
    overcommit: Mapping[Name, Annotated[float, Field(gt=0, le=1000)]] = Field(default_factory=dict)
    """How often what is left may be given away: ``{cpu: 4}``."""

    def _named(self, view: View) -> list[str | None]:
        selected = view.where(self.select.matches)
        return [self.host.key(item) if chosen else None for item, chosen in zip(view.domains, selected, strict=True)]

    def _standby(self, view: View) -> IntArray:
        """int[D]: the host, -1 where a domain has none, or none that there is."""
        found = [-1 if name is None else view.host_index.get(name, -1) for name in self._named(view)]
        return np.array(found, dtype=np.int64)

    def terms(self, view: View) -> Iterable[Term]:
        standby = self._standby(view)
        rows = Rows(len(view.domains), len(view.hosts))
        for d in np.flatnonzero(standby >= 0):
            home, other = int(view.start[d]), int(standby[d])
            ends = view.only(home) | view.only(other)
            words = f"runs on {view.hosts[home].name} or its standby {view.hosts[other].name}"
            rows.restrict(int(d), (home, other), ends.copy, words)
        primitive = rows.primitive()
        if primitive is None:
            return
        yield self.term(primitive)
        for resource in self.resources:
            yield replace(self.term(self._room(resource, standby, view)), name=f"{self.title}, {resource}")

    def _room(self, resource: str, standby: IntArray, view: View) -> Capacity:
        demand, mirrored = view.demand(resource), standby >= 0
        kept = self._kept(demand, standby, mirrored, view)
        limit = np.maximum(view.capacity(resource) - self.reserve.get(resource, 0.0), 0.0)
        limit = np.maximum(limit * self.overcommit.get(resource, 1.0) - kept, 0.0)
        return Capacity(
            resource=resource,
            demand=np.where(mirrored, 0.0, demand),
            limit=np.where(np.isnan(limit), np.inf, limit),
        )

    @staticmethod
    def _kept(demand: FloatArray, standby: IntArray, mirrored: BoolArray, view: View) -> FloatArray:
        """float[H]: what the domains use of which a host is one of the two."""
        number = len(view.hosts)
        kept = np.bincount(view.start[mirrored], weights=demand[mirrored], minlength=number)
        elsewhere = mirrored & (standby != view.start)
        kept = kept + np.bincount(standby[elsewhere], weights=demand[elsewhere], minlength=number)
        return np.asarray(kept, dtype=np.float64)

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        for index, resource in enumerate(self.resources):
            for _, problem in resource_findings(resource, view, view.accepting, "no room is kept there"):
                yield ("resources", index), problem
        names = self._named(view)
        if view.domains and all(name is None for name in names):
            yield ("host",), Caution(f"no domain names a standby by {shown(self.host.source)}")
        for domain, name in zip(view.domains, names, strict=True):
            if name is not None and name not in view.host_index:
                yield ("host",), Caution(f"the standby of '{domain.name}' is {shown(name)}; there is no such host")
                return
