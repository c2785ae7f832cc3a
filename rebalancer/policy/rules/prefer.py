"""Domains that had better run on some hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from rebalancer.placement.primitives import AssignmentCost, FloatArray
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import (
    Finding,
    HostsField,
    Rule,
    Weight,
    host_mask,
    hosts_findings,
    selector_findings,
    short,
)
from rebalancer.policy.expressions import DomainSelector
from rebalancer.policy.masks import Rows
from rebalancer.policy.view import View

__all__ = ["Prefer"]


class Prefer(Rule):
    """Cost: ``weight`` · |{d selected : host(d) ∉ hosts}|; with ``ranks``, ``weight`` · Σ over the selected domains of
    the number of ranks before the first that has host(d).

    Never a must: ``pin`` is. Give ``hosts`` or ``ranks``.
    """

    word: ClassVar[str] = "prefer"

    soft: Weight = Field(default=1.0, alias="weight")
    """Cost of each domain that runs elsewhere, or of each rank that it misses, in tier 1."""
    select: DomainSelector
    """Which domains."""
    hosts: HostsField | None = None
    """Where they had better run: a CEL expression over hosts, or a list of names."""
    ranks: Annotated[tuple[HostsField, ...], Field(min_length=1)] | None = None
    """The first choice, the second, and so on; all other hosts come last."""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if (self.hosts is None) == (self.ranks is None):
            raise ValueError("says not where; write either 'hosts' or 'ranks' (a list of such, the best first)")
        return self

    @property
    def detail(self) -> str:
        return short(self.select)

    def terms(self, view: View) -> Iterable[Term]:
        selected = view.where(self.select.matches)
        if not selected.any():
            return
        if self.hosts is None:
            yield self.term(AssignmentCost(costs=self._missed(view)[None, :], row=np.where(selected, 0, -1)))
            return
        preferred = host_mask(self.hosts, view)
        where = ", ".join(self.hosts) if isinstance(self.hosts, tuple) else f"hosts with {short(self.hosts)}"
        rows = Rows(len(view.domains), len(view.hosts))
        for d in selected.nonzero()[0]:
            rows.restrict(int(d), "prefer", lambda: preferred, f"had better run on {where}")
        primitive = rows.primitive()
        if primitive is not None:
            yield self.term(primitive)

    def _missed(self, view: View) -> FloatArray:
        """float[H]: the ranks before the first that has the host."""
        ranks = [host_mask(rank, view) for rank in self.ranks or ()]
        missed = np.argmax([*ranks, np.ones(len(view.hosts), dtype=np.bool_)], axis=0)
        return np.asarray(missed, dtype=np.float64)

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        if self.hosts is not None:
            yield from hosts_findings(self.hosts, view)
        for index, rank in enumerate(self.ranks or ()):
            for path, problem in hosts_findings(rank, view):
                yield ("ranks", index, *path[1:]), problem
