"""Domains that talk to each other run close to each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from rebalancer.cluster.text import shown
from rebalancer.documents import Name
from rebalancer.errors import InvalidInput
from rebalancer.placement.primitives import FloatArray
from rebalancer.placement.primitives import Traffic as TrafficPrimitive
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Caution, Finding, Goal, Weight, across_findings, selector_findings, short
from rebalancer.policy.expressions import DomainKey, DomainNumber, DomainSelector
from rebalancer.policy.view import View

__all__ = ["Traffic"]

_MOST_PAIRS = 200_000


class Traffic(Goal):
    """Σ over all pairs of a domain a that ``select`` selects and another, b, that ``to`` selects, in one group:
    rate(a) · distance(host of a, host of b).

    The distance is 0 between hosts of one zone and 1 between others; with ``by_distance`` it is what hosts report. A
    pair counts once in each direction in which it is selected.
    """

    word: ClassVar[str] = "traffic"

    select: DomainSelector
    """Who talks."""
    to: DomainSelector
    """With whom."""
    group: DomainKey | None = None
    """Domains talk only with those of the same text, e.g. ``labels.app``; without the label: with nobody. By default
    all talk with all."""
    rate: Annotated[float, Field(gt=0, le=1e9)] | DomainNumber = 1.0
    """How much each says to each: a number, or a CEL expression over the domain that talks, e.g.
    ``loads.mean.network``; nothing where it reads what is missing."""
    across: Name = "host"
    """``host``, or the label of hosts whose values are the zones. A host without the label is a zone of its own."""
    by_distance: bool = False
    """``true``: what counts is the distance between hosts that they report themselves."""
    weight: Weight = 1.0
    """Cost of each unit of rate over each unit of distance."""

    @property
    def detail(self) -> str:
        within = "" if self.across == "host" else f" across {self.across}"
        return f"{short(self.select)} to {short(self.to)}{within}"

    def terms(self, view: View) -> Iterable[Term]:
        pairs, rates = self._pairs(view)
        if not len(pairs):
            return
        distance = self._distance(view)
        yield self.term(TrafficPrimitive(pairs=pairs, rate=rates, distance=distance), self.weight)

    def _pairs(self, view: View) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int64]], FloatArray]:
        keys = ["" if self.group is None else self.group.key(item) for item in view.domains]
        partners: dict[str | None, list[int]] = {}
        for d in np.flatnonzero(view.where(self.to.matches)).tolist():
            partners.setdefault(keys[d], []).append(d)
        pairs: list[tuple[int, int]] = []
        rates: list[float] = []
        for d in np.flatnonzero(view.where(self.select.matches)).tolist():
            rate = self._rate(view, d)
            others = partners.get(keys[d], ()) if keys[d] is not None and rate else ()
            pairs += [(d, other) for other in others if other != d]
            rates += [rate] * (len(pairs) - len(rates))
            if len(pairs) > _MOST_PAIRS:
                raise InvalidInput(f"more than {_MOST_PAIRS} pairs of domains talk; select fewer, or give a group")
        return np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array(rates, dtype=np.float64)

    def _rate(self, view: View, domain: int) -> float:
        if isinstance(self.rate, float):
            return self.rate
        rate = self.rate.number(view.domains[domain]) or 0.0
        if not 0 <= rate <= 1e15:
            name = shown(view.domains[domain].name)
            raise InvalidInput(f"rate: {shown(self.rate.source)} is {rate:.6g} for domain {name}; a rate is 0 to 1e15")
        return rate

    def _distance(self, view: View) -> FloatArray:
        """float[H, H]"""
        if self.by_distance:
            return view.distances
        zone = view.zones(self.across)
        same = (zone[:, None] == zone[None, :]) & (zone >= 0)[:, None]
        np.fill_diagonal(same, val=True)
        return np.where(same, 0.0, 1.0)

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from selector_findings(self.to, view, "to")
        yield from across_findings(self.across, view, "each such host is a zone of its own")
        if isinstance(self.rate, DomainNumber):
            talking = [item for item in view.domains if self.select.matches(item)]
            if talking and all(self.rate.number(item) is None for item in talking):
                yield ("rate",), Caution(f"no domain has what {shown(self.rate.source)} reads: nobody says anything")
        if self.by_distance and len(view.hosts) > 1 and not any(host.distance for host in view.hosts):
            yield ("by_distance",), Caution("no host reports distances: all are taken to be 0")
