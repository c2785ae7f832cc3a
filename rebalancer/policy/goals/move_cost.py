"""Moves must be worth it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from rebalancer.cluster import Domain
from rebalancer.cluster.text import shown
from rebalancer.documents import Model
from rebalancer.errors import InvalidInput
from rebalancer.placement.primitives import DistanceCost, GroupMoves
from rebalancer.placement.primitives import MoveCost as MoveCostPrimitive
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Caution, Finding, Goal, Weight, key_findings, selector_findings, short
from rebalancer.policy.expressions import DomainKey, DomainNumber, DomainSelector
from rebalancer.policy.groups import groups_of
from rebalancer.policy.view import View

__all__ = ["MoveCost", "PerDistance", "PerGroup"]

_Cost = Annotated[float, Field(ge=0, le=1e9)]


class PerGroup(Model):
    """max_g |{d ∈ g that move}|: no group is disturbed much more than another."""

    group: DomainKey
    """Domains with the same text are one group, e.g. ``labels.app``; without the label: none."""
    select: DomainSelector = DomainSelector("true")
    """Which domains."""
    weight: Weight = 1.0
    """Cost of each move of the group that has most."""


class PerDistance(Model):
    """Σ over the domains that move: the distance from the host that they leave to the one they go to."""

    weight: Weight = 1.0
    """Cost of each unit of distance, which hosts report in a unit of their own; 0 where nothing is known."""


class MoveCost(Goal):
    """Σ over the domains that move: per_move + per_gib · memory in GiB + per_second · predicted seconds,
    + per_group · the largest number of domains of one group that move
    + per_distance · Σ over the domains that move: the distance between their hosts.

    Memory is what a migration has to send at least once. The prediction is rough (see
    :func:`~rebalancer.policy.view.rough_duration`) unless the planner has a better one.
    """

    word: ClassVar[str] = "move_cost"

    per_move: _Cost | DomainNumber = 0.0
    """Cost of every move: a number, or a CEL expression over the domain, e.g. ``double(labels.priority) * 2.0``;
    nothing where a label that it reads is missing."""
    per_gib: _Cost = 0.0
    """Cost of each GiB (2³⁰ bytes) of memory moved."""
    per_second: _Cost = 0.0
    """Cost of each second that a migration is predicted to take."""
    per_group: PerGroup | None = None
    """Cost of each move of the group that has most of them: ``{group: labels.app, weight: 2}``."""
    per_distance: PerDistance | None = None
    """Cost of each unit of distance between the two hosts: ``{weight: 1}``."""

    def _cost(self, domain: Domain, view: View) -> float:
        cost = self._per_move(domain)
        if self.per_gib:
            cost += self.per_gib * (domain.migration.memory or domain.uses.get("memory", 0.0)) / 2**30
        return cost + (self.per_second * view.predict(domain) if self.per_second else 0.0)

    def _per_move(self, domain: Domain) -> float:
        if isinstance(self.per_move, float):
            return self.per_move
        cost = self.per_move.number(domain) or 0.0
        if not 0 <= cost <= 1e15:
            raise InvalidInput(
                f"per_move: {shown(self.per_move.source)} is {cost:.6g} for domain {shown(domain.name)}; "
                "a cost is at least 0 and at most 1e15"
            )
        return cost

    def terms(self, view: View) -> Iterable[Term]:
        if self.per_move != 0 or self.per_gib or self.per_second:
            cost = np.array([self._cost(domain, view) for domain in view.domains], dtype=np.float64)
            yield self.term(MoveCostPrimitive(cost=cost), 1.0)
        if self.per_group is not None:
            by = self.per_group
            term = self.term(GroupMoves(group=groups_of(by.group, by.select, view)), by.weight)
            yield replace(term, name=f"{self.title} per {short(by.group)}")
        if self.per_distance is not None:
            term = self.term(DistanceCost(distance=view.distances), self.per_distance.weight)
            yield replace(term, name=f"{self.title} per distance")

    def check(self, view: View) -> Iterator[Finding]:
        number = self.per_move
        if isinstance(number, DomainNumber) and all(number.number(domain) is None for domain in view.domains):
            message = f"no domain has what {shown(number.source)} reads: moves cost nothing by it"
            yield ("per_move",), Caution(message)
        if self.per_group is not None:
            by = self.per_group
            found = [*selector_findings(by.select, view), *key_findings(by.group, by.select, view)]
            yield from ((("per_group", *path), problem) for path, problem in found)
        if self.per_distance is not None and len(view.hosts) > 1:
            lacking = [host.name for host in view.hosts if not host.distance]
            if lacking:
                some = ", ".join(lacking[:6]) + (f" and {len(lacking) - 6} more" if len(lacking) > 6 else "")
                yield ("per_distance",), Caution(f"no distances are known from {some}: taken to be 0")
