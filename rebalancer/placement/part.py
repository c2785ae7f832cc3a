"""The problem of some domains, as if the others were not there."""

from __future__ import annotations

from dataclasses import replace

from rebalancer.placement.limits import MoveLimits
from rebalancer.placement.primitives import (
    AllowedHosts,
    Capacity,
    Failover,
    GroupMost,
    GroupsApart,
    GroupSpan,
    IntArray,
    Pool,
    Primitive,
)
from rebalancer.placement.problem import Problem, Term

__all__ = ["grows", "part_of"]


def grows(primitive: Primitive) -> bool:
    """Whether more domains never make it easier to keep, so that what some of them break all of them break."""
    match primitive:
        case AllowedHosts() | Capacity() | Failover() | GroupMost() | GroupSpan() | GroupsApart():
            return True
        case Pool():
            return not primitive.least.any()
        case _:
            return False


def part_of(problem: Problem, domains: IntArray, terms: tuple[Term, ...], *, limited: bool = True) -> Problem:
    """``terms``: those that are kept, each of which grows unless ``domains`` are all. ``limited``: whether the limits
    on moves are kept."""
    whole = len(domains) == len(problem.domains)
    return Problem(
        hosts=problem.hosts,
        domains=tuple(problem.domains[d] for d in domains),
        start=problem.start[domains],
        terms=terms if whole else tuple(replace(t, primitive=_part(t.primitive, domains)) for t in terms),
        max_moves=problem.max_moves if limited else None,
        limits=_limits(problem.limits, domains) if limited and problem.limits is not None else None,
        payload=None if problem.payload is None else problem.payload[domains],
    )


def _part(primitive: Primitive, domains: IntArray) -> Primitive:
    match primitive:
        case AllowedHosts():
            return replace(primitive, mask=primitive.mask[domains])
        case Capacity():
            return replace(primitive, demand=primitive.demand[domains])
        case Failover():
            return replace(primitive, demand=primitive.demand[:, domains])
        case GroupMost() | GroupSpan() | GroupsApart():
            return replace(primitive, group=primitive.group[domains])
        case Pool():
            group = None if primitive.group is None else primitive.group[domains]
            return replace(primitive, demand=primitive.demand[domains], group=group)
        case _:
            raise TypeError(f"{type(primitive).__name__} says nothing about some domains alone")


def _limits(limits: MoveLimits, domains: IntArray) -> MoveLimits:
    budgets = tuple(replace(b, amount=b.amount[domains], bucket=b.bucket[domains]) for b in limits.budgets)
    return replace(limits, budgets=budgets)
