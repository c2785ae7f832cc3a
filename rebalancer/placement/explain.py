"""Why: which rules a placement breaks, and what keeps a domain from a host. Read off the primitives, not the search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from rebalancer.cluster.units import format_bytes, format_number
from rebalancer.placement.evaluators import evaluator
from rebalancer.placement.primitives import AllowedHosts, Capacity, GroupMost, GroupSpan, IntArray
from rebalancer.placement.problem import Problem, Term
from rebalancer.placement.state import State

__all__ = ["Breach", "breaches", "refusals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One element (a host, a domain, a group) of a rule that does not hold, by how much, in words."""

    rule: str
    amount: float
    text: str


def breaches(problem: Problem, placement: IntArray, name: Callable[[int], str]) -> tuple[Breach, ...]:
    """Every hard rule's broken elements; ``name`` gives a domain's name for its index."""
    found: list[Breach] = []
    for term in problem.terms:
        if term.hard:
            found += [
                Breach(rule=term.name, amount=amount, text=text)
                for amount, text in _broken(term, problem, placement, name)
            ]
    return tuple(found)


def _broken(
    term: Term, problem: Problem, placement: IntArray, name: Callable[[int], str]
) -> Iterator[tuple[float, str]]:
    hosts = problem.hosts
    match term.primitive:
        case AllowedHosts() as allowed:
            for d in np.flatnonzero(allowed.mask >= 0):
                row, host = int(allowed.mask[d]), int(placement[d])
                if not allowed.masks[row, host]:
                    reason = allowed.reasons.get((row, host), "may not run here")
                    yield 1.0, f"'{name(int(d))}' on {hosts[host]}: {reason}"
        case Capacity() as capacity:
            loads = np.bincount(placement, weights=capacity.demand, minlength=len(hosts))
            for h in np.flatnonzero(loads > capacity.limit * (1 + 1e-9)):
                load, limit = (_amount(capacity.resource, float(x[h])) for x in (loads, capacity.limit))
                yield (
                    float(loads[h] - capacity.limit[h]),
                    f"{hosts[h]}: {load} of {capacity.resource}, limit {limit}",
                )
        case GroupMost() as most:
            yield from _crowded(most, hosts, placement, name)
        case GroupSpan() as span:
            yield from _apart(span, hosts, placement, name)
        case other:
            cost = evaluator(other, placement, len(hosts)).cost()
            if cost > 1e-9:
                yield cost, f"does not hold (by {format_number(cost)})"


def _crowded(
    most: GroupMost, hosts: tuple[str, ...], placement: IntArray, name: Callable[[int], str]
) -> Iterator[tuple[float, str]]:
    for group, zone in np.ndindex(most.fixed.shape):
        members = np.flatnonzero((most.group == group) & (most.zone[placement] == zone))
        surplus = len(members) + int(most.fixed[group, zone]) - most.most
        if surplus > 0:
            names = ", ".join(f"'{name(int(d))}' on {hosts[placement[d]]}" for d in members[:6])
            yield float(surplus), f"together: {names}" if names else "more definitions than allowed"


def _apart(
    span: GroupSpan, hosts: tuple[str, ...], placement: IntArray, name: Callable[[int], str]
) -> Iterator[tuple[float, str]]:
    for group in range(int(span.group.max(initial=-1)) + 1):
        members = np.flatnonzero(span.group == group)
        zones = {int(span.zone[h]) if span.zone[h] >= 0 else -1 - int(h) for h in placement[members]}
        if len(zones) > span.most:
            names = ", ".join(f"'{name(int(d))}' on {hosts[placement[d]]}" for d in members[:6])
            yield float(len(zones) - span.most), f"apart: {names}"


def refusals(problem: Problem, placement: IntArray, domain: int) -> Mapping[str, str]:
    """For each other host, which hard rules refuse the domain there, given where all others are; '' where none does."""
    state = State(problem, placement)
    source = int(placement[domain])
    found: dict[str, str] = {}
    for host, host_name in enumerate(problem.hosts):
        if host != source:
            found[host_name] = "; ".join(_refusing(problem, state, domain, host))
    return found


def _refusing(problem: Problem, state: State, domain: int, host: int) -> Iterator[str]:
    for term in problem.terms:
        if not term.hard:
            continue
        match term.primitive:
            case AllowedHosts() as allowed:
                row = int(allowed.mask[domain])
                if row >= 0 and not allowed.masks[row, host]:
                    yield f"{term.name}: {allowed.reasons.get((row, host), 'not allowed')}"
            case Capacity() as capacity:
                load = float(capacity.demand[state.placement == host].sum())
                demand, limit = float(capacity.demand[domain]), float(capacity.limit[host])
                if demand > 0 and load + demand > limit * (1 + 1e-9):
                    yield (
                        f"{term.name}: needs {_amount(capacity.resource, demand)}, "
                        f"{_amount(capacity.resource, max(limit - load, 0.0))} free"
                    )
            case _:
                if state.term_shift(term, domain)[host] > 0:
                    yield f"{term.name}: would break it"


def _amount(resource: str, value: float) -> str:
    return format_bytes(value) if resource in ("memory", "disk") else format_number(value)
