"""Hosts are not loaded beyond what they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from rebalancer.cluster.text import shown
from rebalancer.cluster.units import format_number
from rebalancer.documents import Model, Name, ShareField
from rebalancer.errors import InvalidInput, Problem
from rebalancer.placement.primitives import Capacity as CapacityPrimitive
from rebalancer.placement.primitives import FloatArray, IntArray, Pool
from rebalancer.placement.problem import Term
from rebalancer.policy.amounts import AmountField, AmountOrNumberField, ReserveField, Target, TargetField
from rebalancer.policy.clause import (
    Caution,
    Finding,
    Rule,
    across_findings,
    host_mask,
    hosts_findings,
    key_findings,
    resource_findings,
    selector_findings,
)
from rebalancer.policy.expressions import DomainKey, DomainSelector, HostSelector
from rebalancer.policy.groups import groups_of
from rebalancer.policy.loads import LoadField, load_findings, load_title
from rebalancer.policy.view import View
from rebalancer.policy.zones import lower_bound, upper_bound

__all__ = ["Capacity", "Moving", "Presence"]


def _share(value: float) -> float:
    if not 0 < value <= 1:
        raise ValueError(f"{format_number(value * 100)}% is not between 0% and 100%; to allow more, use overcommit")
    return value


class Moving(StrEnum):
    """Where a domain counts that a plan moves."""

    ONCE = "once"
    BOTH = "both"


class Presence(Model):
    """What a group takes of a zone at least, once, however many of its domains are there."""

    group: DomainKey
    """Domains with the same text are one group, e.g. ``labels.image``; without the label: none."""
    amount: AmountOrNumberField
    """What the group counts for at least: ``2 GiB``, or a CEL expression over the domain, of which the largest
    among the group's domains counts: ``double(labels.image_bytes)``."""


class Capacity(Rule):
    """For every zone z: Σ uses of the domains on the hosts of z ≤ Σ over these hosts of (capacity - reserve) ·
    overcommit · most. With ``least``: Σ uses ≥ that share of the hosts' capacity, or that amount.

    A zone is a host, or all hosts with the same value of a label together (``across: rack``). Domains count where they
    use the resource, arriving and leaving ones at both ends while they move (for ``least`` at neither). A zone with a
    host that does not report the resource has no limit, and ``least`` is not asked of zones where no host accepts
    domains. With ``moving: both`` the domains that left a host in this plan are on it, too. With ``presence`` every
    group that is present in a zone counts for its amount at least. What counts is Σ_z of the excess (and of what is
    missing) / per.
    """

    word: ClassVar[str] = "capacity"

    resource: Name
    """``memory``, ``cpu``, or any other resource that hosts report."""
    reserve: ReserveField = 0.0
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
    per: AmountField = None
    """The excess that counts as 1, which is what ``soft`` weighs: ``1 GiB``. By default the mean limit, so that
    resources of any size compare. Where all amounts are whole numbers and ``per`` is 1, costs are exact."""

    across: Name = "host"
    """``host``, or the label of hosts whose values are the zones: what their hosts have, they have together. A host
    without the label is not limited."""
    limit: TargetField | None = None
    """What each zone may hold, in place of what its hosts have: an amount (``2 TiB``), or a share of what all domains
    that count use together (``40%``)."""
    least: TargetField | None = None
    """What each zone holds at least: a share of what its hosts have (``20%``) or an amount (``64 GiB``)."""
    presence: Presence | None = None
    """What a group takes at least where any of its domains is, as with an image that they share:
    ``{group: labels.image, amount: 2 GiB}``."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.limit is not None and (self.reserve, self.overcommit, self.most) != (0.0, 1.0, 1.0):
            raise ValueError("has a 'limit' and reserve, overcommit or most as well; the limit is all that counts")
        if self.moving is Moving.BOTH and (self.across != "host" or self.presence is not None):
            raise ValueError("'moving: both' is about single hosts; leave 'across' and 'presence' out")
        return self

    @property
    def detail(self) -> str:
        what = load_title(self.resource, self.load)
        what += "" if self.across == "host" else f" across {self.across}"
        return what if self.moving is Moving.ONCE else f"{what}, moving on both ends"

    def limits(self, view: View) -> FloatArray:
        """float[H], in base units; infinite where there is none."""
        chosen = host_mask(self.hosts, view)
        if self.limit is not None:
            return np.where(chosen, self._given(self.limit, view), np.inf)
        capacity = view.capacity(self.resource)
        limit = np.maximum(capacity - self.reserve, 0.0) * self.overcommit * self.most
        return np.where(~np.isnan(capacity) & chosen, limit, np.inf)

    def terms(self, view: View) -> Iterable[Term]:
        demand = self._demand(view)
        limits = self.limits(view)
        zone = np.where(host_mask(self.hosts, view), view.zones(self.across), -1)
        if self.across == "host" and self.presence is None:
            primitive: CapacityPrimitive | Pool = CapacityPrimitive(
                resource=self.resource,
                demand=demand,
                limit=limits,
                scale=self.per,
                both_ends=self.moving is Moving.BOTH,
            )
        else:
            primitive = self._pool(demand, zone, view, most=self._together(zone, limits, view))
        yield self.term(primitive)
        if self.least is not None:
            least = lower_bound(zone, view, partial(self._wanted, self.least, view))
            yield replace(self.term(self._pool(demand, zone, view, least=least)), name=f"{self.title}, least")

    def _demand(self, view: View) -> FloatArray:
        return np.where(view.where(self.select.matches), view.demand(self.resource, self.load), 0.0)

    def _given(self, limit: Target, view: View) -> float:
        return limit.amount or 0.0 if limit.share is None else limit.share * float(self._demand(view).sum())

    def _together(self, zone: IntArray, limits: FloatArray, view: View) -> FloatArray:
        """float[Z]"""
        if self.limit is not None:
            return np.full(int(zone.max(initial=-1)) + 1, self._given(self.limit, view))
        return upper_bound(zone, limits)

    def _wanted(self, least: Target, view: View, hosts: IntArray) -> float:
        if least.share is None:
            return least.amount or 0.0
        return least.share * float(np.nan_to_num(view.capacity(self.resource)[hosts]).sum())

    def _pool(
        self,
        demand: FloatArray,
        zone: IntArray,
        view: View,
        *,
        most: FloatArray | None = None,
        least: FloatArray | None = None,
    ) -> Pool:
        number = int(zone.max(initial=-1)) + 1
        bounds = np.concatenate([each for each in (most, least) if each is not None])
        positive = bounds[np.isfinite(bounds) & (bounds > 0)]
        scale = self.per if self.per is not None else float(positive.mean()) if len(positive) else 1.0
        group, presence = (None, None) if self.presence is None else self._present(self.presence, view)
        return Pool(
            resource=self.resource,
            demand=demand,
            zone=zone,
            most=np.full(number, np.inf) if most is None else most,
            least=np.zeros(number) if least is None else least,
            scale=scale,
            group=group,
            presence=presence,
        )

    def _present(self, presence: Presence, view: View) -> tuple[IntArray, FloatArray]:
        """int[D] and float[G]: each domain's group, and what the group counts for at least."""
        group = groups_of(presence.group, self.select, view)
        amounts = np.zeros(int(group.max(initial=-1)) + 1)
        for d in np.flatnonzero(group >= 0):
            given = presence.amount
            amount = given if isinstance(given, float) else given.number(view.domains[d]) or 0.0
            if not 0 <= amount <= 1e18:
                raise InvalidInput(f"presence: amount is {amount:.6g} for domain {shown(view.domains[d].name)}")
            amounts[group[d]] = max(amounts[group[d]], amount)
        return group, amounts

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from hosts_findings(self.hosts, view)
        yield from across_findings(self.across, view, "not limited there")
        if self.presence is not None:
            for path, problem in key_findings(self.presence.group, self.select, view):
                yield ("presence", *path), problem
        if self.limit is None:
            yield from self._capacity_findings(view)
        yield from load_findings(self.resource, self.load, view)

    def _capacity_findings(self, view: View) -> Iterator[Finding]:
        limited = host_mask(self.hosts, view) & view.hosts_where(lambda host: host.readable)
        yield from resource_findings(self.resource, view, limited, "not limited there")
        capacity = view.capacity(self.resource)
        empty = [host.name for host, has in zip(view.hosts, capacity, strict=True) if 0 < has <= self.reserve]
        if empty and len(empty) == int((capacity > 0).sum()):
            yield ("reserve",), Problem("the reserve is all that any host has; nothing could run")
        elif empty:
            yield ("reserve",), Caution(f"the reserve is all that {', '.join(empty[:6])} has; nothing may run there")
