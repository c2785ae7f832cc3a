"""Hosts are not loaded beyond what they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, ClassVar

import numpy as np
from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema

from rebalancer.cluster.units import format_number, parse_quantity
from rebalancer.documents import Name, ShareField
from rebalancer.errors import Problem
from rebalancer.placement.primitives import Capacity as CapacityPrimitive
from rebalancer.placement.primitives import FloatArray
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import (
    Caution,
    Finding,
    Rule,
    host_mask,
    hosts_findings,
    resource_findings,
    selector_findings,
)
from rebalancer.policy.expressions import DomainSelector, HostSelector
from rebalancer.policy.loads import LoadField, load_findings, load_title
from rebalancer.policy.view import View

__all__ = ["Capacity", "Moving"]


def _amount(value: object, info: ValidationInfo) -> float:
    return parse_quantity(str(info.data.get("resource", "")), value)


def _some(value: object, info: ValidationInfo) -> float | None:
    if value is None:
        return None
    amount = _amount(value, info)
    if amount <= 0:
        raise ValueError("must be more than 0")
    return amount


def _share(value: float) -> float:
    if not 0 < value <= 1:
        raise ValueError(f"{format_number(value * 100)}% is not between 0% and 100%; to allow more, use overcommit")
    return value


class Moving(StrEnum):
    """Where a domain counts that a plan moves."""

    ONCE = "once"
    BOTH = "both"


class Capacity(Rule):
    """For every host h: Σ uses of the domains on h ≤ (capacity_h - reserve) · overcommit · most.

    Domains count where they use the resource, arriving and leaving ones on both hosts while they move. A host that
    does not report the resource has no limit. With ``moving: both`` the domains that left h in this plan are on h, too.
    What counts is Σ_h of the excess / per.
    """

    word: ClassVar[str] = "capacity"

    resource: Name
    """``memory``, ``cpu``, or any other resource that hosts report."""
    reserve: Annotated[
        float,
        PlainValidator(_amount),
        WithJsonSchema({"type": ["number", "string"], "minimum": 0, "examples": ["8 GiB", "2 cores"]}),
    ] = 0.0
    """What every host keeps for itself: bytes (``8 GiB``), cores, or the resource's own unit."""
    overcommit: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """How often what is left may be given away."""
    most: Annotated[ShareField, AfterValidator(_share)] = 1.0
    """The share of all that which may be used."""
    select: DomainSelector = DomainSelector("true")
    """Which domains count."""
    hosts: HostSelector = HostSelector("true")
    """Which hosts are limited."""
    moving: Moving = Moving.ONCE
    """``once``: what a domain leaves is free again for others as soon as it has gone. ``both``: only when all the moves
    have been made, as with disk space that is cleaned up afterwards; then no order of moves matters."""
    load: LoadField | None = None
    """Which figure of domains' loads counts: ``p95``, ``mean@1h``, ``requested``…; by default what they use."""
    per: Annotated[
        float | None,
        PlainValidator(_some),
        WithJsonSchema({"type": ["number", "string"], "exclusiveMinimum": 0, "examples": ["1 GiB", 1]}),
    ] = None
    """The excess that counts as 1, which is what ``soft`` weighs: ``1 GiB``. By default the mean limit, so that
    resources of any size compare. Where all amounts are whole numbers and ``per`` is 1, costs are exact."""

    @property
    def detail(self) -> str:
        what = load_title(self.resource, self.load)
        return what if self.moving is Moving.ONCE else f"{what}, moving on both ends"

    def limit(self, view: View) -> FloatArray:
        """float[H], in base units; infinite where there is none."""
        capacity = view.capacity(self.resource)
        limit = np.maximum(capacity - self.reserve, 0.0) * self.overcommit * self.most
        limited = ~np.isnan(capacity) & host_mask(self.hosts, view)
        return np.where(limited, limit, np.inf)

    def terms(self, view: View) -> Iterable[Term]:
        demand = np.where(view.where(self.select.matches), view.demand(self.resource, self.load), 0.0)
        yield self.term(
            CapacityPrimitive(
                resource=self.resource,
                demand=demand,
                limit=self.limit(view),
                scale=self.per,
                both_ends=self.moving is Moving.BOTH,
            )
        )

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from hosts_findings(self.hosts, view)
        limited = host_mask(self.hosts, view) & view.hosts_where(lambda host: host.readable)
        yield from resource_findings(self.resource, view, limited, "not limited there")
        yield from load_findings(self.resource, self.load, view)
        capacity = view.capacity(self.resource)
        empty = [host.name for host, has in zip(view.hosts, capacity, strict=True) if 0 < has <= self.reserve]
        if empty and len(empty) == int((capacity > 0).sum()):
            yield ("reserve",), Problem("the reserve is all that any host has; nothing could run")
        elif empty:
            yield ("reserve",), Caution(f"the reserve is all that {', '.join(empty[:6])} has; nothing may run there")
