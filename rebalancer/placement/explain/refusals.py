"""What keeps a domain from each other host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rebalancer.placement.explain.breaches import broken
from rebalancer.placement.explain.loads import held
from rebalancer.placement.explain.words import DOMAINS, NameOf, amount_of, bare_amount, listed
from rebalancer.placement.primitives import AllowedHosts, Capacity, IntArray
from rebalancer.placement.problem import Problem, Term
from rebalancer.placement.state import State

__all__ = ["refusals"]


def refusals(problem: Problem, placement: IntArray, domain: int, name: NameOf | None = None) -> Mapping[str, str]:
    """For each other host, which hard rules refuse the domain there, given where all others are; '' where none does.

    ``name`` gives a domain's name for its index; without it UUIDs are shown.
    """
    state = State(problem, placement)
    known = problem.domains.__getitem__ if name is None else name
    source = int(placement[domain])
    found: dict[str, str] = {}
    for host, host_name in enumerate(problem.hosts):
        if host != source:
            found[host_name] = "; ".join(_refusing(problem, state, domain, host, known))
    return found


def _refusing(problem: Problem, state: State, domain: int, host: int, name: NameOf) -> Iterator[str]:
    for term in problem.terms:
        if not term.hard:
            continue
        match term.primitive:
            case AllowedHosts() as allowed:
                row = int(allowed.mask[domain])
                if row >= 0 and not allowed.masks[row, host]:
                    yield f"{term.name}: {allowed.reasons.get((row, host), 'not allowed')}"
            case Capacity() as capacity:
                lack = _lack(capacity, problem, state.placement, domain, host)
                if lack:
                    yield f"{term.name}: {lack}"
            case _:
                if state.term_shift(term, domain)[host] > 1e-9:
                    yield f"{term.name}: would break it{_how(term, problem, state.placement, domain, host, name)}"


def _lack(capacity: Capacity, problem: Problem, placement: IntArray, domain: int, host: int) -> str:
    demand, limit = float(capacity.demand[domain]), float(capacity.limit[host])
    if capacity.both_ends and host == problem.start[domain]:
        return ""
    load = float(held(capacity, problem, placement)[host])
    if demand <= 0 or load + demand <= limit * (1 + 1e-9):
        return ""
    if capacity.resource == DOMAINS:
        return f"has {amount_of(DOMAINS, load)}, limit {bare_amount(DOMAINS, limit)}"
    needed, free = (bare_amount(capacity.resource, value) for value in (demand, max(limit - load, 0.0)))
    return f"needs {needed}, {free} free"


def _how(term: Term, problem: Problem, placement: IntArray, domain: int, host: int, name: NameOf) -> str:
    """What would be broken there that is not broken now, or not as badly."""
    moved = placement.copy()
    moved[domain] = host
    before = {text for _, text in broken(term.primitive, problem, placement, name, domain)}
    texts = [text for _, text in broken(term.primitive, problem, moved, name, domain) if text not in before]
    return f" ({listed(texts, 2)})" if texts else ""
