"""Hosts that have enough to do accept nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import AfterValidator, model_validator

from rebalancer.cluster.units import format_number
from rebalancer.documents import Name, ShareField
from rebalancer.placement.primitives import BoolArray, FloatArray
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import (
    Finding,
    HostsField,
    Rule,
    host_mask,
    hosts_findings,
    resource_findings,
    selector_findings,
    short,
)
from rebalancer.policy.expressions import DomainSelector, HostSelector
from rebalancer.policy.loads import LoadField, load_findings, load_title
from rebalancer.policy.masks import Rows
from rebalancer.policy.view import View

__all__ = ["NotWith"]


def _some(value: float) -> float:
    if value <= 0:
        raise ValueError("must be more than 0%")
    return value


class NotWith(Rule):
    """For every selected domain d: host(d) was under the threshold when the cluster was read, or d runs there already.

    What counts is the load as it was read, not what a plan makes of it: a host under pressure is left alone until it
    has recovered. Give ``resource`` and ``over``, or ``hosts``, or both (then each alone closes a host).
    """

    word: ClassVar[str] = "not_with"

    select: DomainSelector = DomainSelector("true")
    """Which domains are not accepted."""
    resource: Name | None = None
    """``memory``, ``cpu``, or any other resource that hosts report."""
    over: Annotated[ShareField, AfterValidator(_some)] | None = None
    """Hosts whose domains use more than this share of the host's capacity accept nothing: ``85%``."""
    load: LoadField | None = None
    """Which figure of domains' loads counts: ``p95``, ``mean@1h``, ``requested``…; by default what they use."""
    hosts: HostsField | None = None
    """Hosts that accept nothing: a CEL expression over hosts such as ``pressure.memory > 0.1``, or a list of names."""

    @model_validator(mode="after")
    def _says_a_threshold(self) -> Self:
        if (self.resource is None) != (self.over is None):
            raise ValueError("needs 'resource' and 'over' together, e.g. resource: memory, over: 85%")
        if self.load is not None and self.resource is None:
            raise ValueError("says 'load', but of no resource; add e.g. resource: memory, over: 85%")
        if self.resource is None and self.hosts is None:
            raise ValueError("says no threshold; add e.g. resource: memory, over: 85%")
        return self

    @property
    def detail(self) -> str:
        if self.resource is not None:
            return f"{load_title(self.resource, self.load)} over {format_number(100 * (self.over or 0.0))}%"
        return short(self.hosts) if isinstance(self.hosts, HostSelector) else ", ".join(self.hosts or ())

    def _used(self, view: View) -> FloatArray:
        """float[H]: the share of the resource in use now; 0 where the host does not report it."""
        if self.resource is None:
            return np.zeros(len(view.hosts))
        load = np.bincount(view.start, weights=view.demand(self.resource, self.load), minlength=len(view.hosts))
        capacity = view.capacity(self.resource)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.nan_to_num(load / capacity, posinf=np.inf), dtype=np.float64)

    def _closed(self, view: View) -> BoolArray:
        closed = self._used(view) > (np.inf if self.over is None else self.over + 1e-9)
        return np.asarray(closed | (False if self.hosts is None else host_mask(self.hosts, view)), dtype=np.bool_)

    def terms(self, view: View) -> Iterable[Term]:
        closed = self._closed(view)
        if not closed.any():
            return
        rows = Rows(len(view.domains), len(view.hosts))
        for d in view.where(self.select.matches).nonzero()[0]:
            own = int(view.start[d]) if closed[view.start[d]] else None
            rows.restrict(int(d), own, partial(_open, view, closed, own), partial(self._reason, view))
        primitive = rows.primitive()
        if primitive is not None:
            yield self.term(primitive)

    def _reason(self, view: View, host: int) -> str:
        used, name = float(self._used(view)[host]), view.hosts[host].name
        if self.over is not None and used > self.over + 1e-9:
            most = f"{format_number(100 * self.over)}%"
            return f"{name} uses {format_number(100 * used)}% of its {self.resource}; over {most} it accepts nothing"
        return f"{name} accepts nothing" + (f": {short(self.hosts)}" if isinstance(self.hosts, HostSelector) else "")

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        if self.resource is not None:
            yield from resource_findings(self.resource, view, view.accepting, "it accepts domains whatever it uses")
            yield from load_findings(self.resource, self.load, view)
        if isinstance(self.hosts, tuple):
            # That an expression selects no host is what one hopes for.
            yield from hosts_findings(self.hosts, view)


def _open(view: View, closed: BoolArray, own: int | None) -> BoolArray:
    return ~closed if own is None else ~closed | view.only(own)
