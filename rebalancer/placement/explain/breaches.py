"""What of a placement breaks a hard rule, element by element."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rebalancer.cluster.units import format_number
from rebalancer.placement.evaluators import evaluator
from rebalancer.placement.explain import groups, loads
from rebalancer.placement.explain.words import NameOf
from rebalancer.placement.primitives import (
    AllowedHosts,
    Capacity,
    Failover,
    GroupLeast,
    GroupMost,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    IntArray,
    Near,
    Pool,
    Primitive,
)
from rebalancer.placement.problem import Problem
from rebalancer.values import dataclass

__all__ = ["Breach", "Conflict", "breaches", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One element (a host, a domain, a group) of a rule that does not hold, by how much, in words."""

    rule: str
    amount: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """``rules``: by name; each is needed. ``domains``: UUIDs of those that are needed; none where it is all of them.
    ``proved``: whether it is certain that no placement keeps the rules together."""

    rules: tuple[str, ...]
    domains: tuple[str, ...] = ()
    proved: bool = False


def breaches(problem: Problem, placement: IntArray, name: NameOf) -> tuple[Breach, ...]:
    """Every hard rule's broken elements; ``name`` gives a domain's name for its index."""
    return tuple(
        Breach(rule=term.name, amount=amount, text=text)
        for term in problem.terms
        if term.hard
        for amount, text in broken(term.primitive, problem, placement, name)
    )


def broken(  # noqa: C901
    primitive: Primitive, problem: Problem, placement: IntArray, name: NameOf, domain: int | None = None
) -> Iterator[tuple[float, str]]:
    """By how much, and in words. ``domain``: only what may concern it is looked at."""
    hosts = problem.hosts
    match primitive:
        case AllowedHosts():
            yield from _forbidden(primitive, hosts, placement, name)
        case Capacity():
            yield from loads.overloaded(primitive, problem, placement, name)
        case Failover():
            yield from loads.unsafe(primitive, hosts, placement, name)
        case GroupMost():
            yield from groups.crowded(primitive, hosts, placement, name, domain)
        case GroupSpan():
            yield from groups.scattered(primitive, hosts, placement, name, domain)
        case GroupLeast():
            yield from groups.gathered(primitive, hosts, placement, name, domain)
        case GroupSkew():
            yield from groups.uneven(primitive, hosts, placement, name, domain)
        case GroupsApart():
            yield from groups.meeting(primitive, hosts, placement, name)
        case Pool():
            yield from loads.pooled(primitive, hosts, placement)
        case Near():
            yield from groups.lonely(primitive, hosts, placement, name, domain)
        case _:
            cost = evaluator(primitive, placement, len(hosts)).cost()
            if cost > 1e-9:
                yield cost, f"does not hold (by {format_number(cost)})"


def _forbidden(
    allowed: AllowedHosts, hosts: tuple[str, ...], placement: IntArray, name: NameOf
) -> Iterator[tuple[float, str]]:
    bound = np.flatnonzero(allowed.mask >= 0)
    for d in bound[~allowed.masks[allowed.mask[bound], placement[bound]]]:
        row, host = int(allowed.mask[d]), int(placement[d])
        reason = allowed.reasons.get((row, host), "may not run here")
        yield 1.0, f"'{name(int(d))}' on {hosts[host]}: {reason}"
