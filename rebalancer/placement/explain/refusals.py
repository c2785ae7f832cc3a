"""What keeps a domain from each other host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from rebalancer.cluster.units import format_bytes, format_number
from rebalancer.placement.explain.breaches import broken
from rebalancer.placement.explain.loads import held
from rebalancer.placement.explain.words import DOMAINS, NameOf, amount_of, bare_amount, listed
from rebalancer.placement.limits import Budget, MoveLimits
from rebalancer.placement.primitives import AllowedHosts, Capacity, IntArray
from rebalancer.placement.problem import Problem, Term
from rebalancer.placement.state import State

__all__ = ["refusals"]


def refusals(problem: Problem, placement: IntArray, domain: int, name: NameOf | None = None) -> Mapping[str, str]:
    """For each other host, which hard rules and limits refuse the domain there, given where all others are; '' where
    none does.

    ``name`` gives a domain's name for its index; without it UUIDs are shown.
    """
    state = State(problem, placement)
    known = problem.domains.__getitem__ if name is None else name
    source = int(placement[domain])
    found: dict[str, str] = {}
    for host, host_name in enumerate(problem.hosts):
        if host != source:
            refusing = (*_refusing(problem, state, domain, host, known), *_limiting(problem, placement, domain, host))
            found[host_name] = "; ".join(refusing)
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
                    yield f"{term.name}: {term.refusal or _broken(term, problem, state.placement, domain, host, name)}"


def _limiting(problem: Problem, placement: IntArray, domain: int, host: int) -> Iterator[str]:
    """Limits on what one plan does that are used up, by the domain's going there too."""
    home = int(problem.start[domain])
    if host == home:
        return
    moved = np.flatnonzero(placement != problem.start)
    after = placement.copy()
    after[domain] = host
    moving = np.flatnonzero(after != problem.start)
    if problem.max_moves is not None and len(moving) > max(problem.max_moves, len(moved)):
        yield f"limits: max_moves: the plan moves {_number(len(moved))}, limit {problem.max_moves}"
    limits = problem.limits
    if limits is None:
        return
    for budget in limits.budgets:
        bucket = int(budget.bucket[domain])
        if bucket < 0 or placement[domain] != home:
            continue
        used = float(budget.amount[moved[budget.bucket[moved] == bucket]].sum())
        if used + budget.amount[domain] > budget.most:
            yield f"limits: {budget.name}: {_spent(budget, used, float(budget.amount[domain]))}"
    yield from _through(problem, limits, placement, after)


def _through(problem: Problem, limits: MoveLimits, before: IntArray, after: IntArray) -> Iterator[str]:
    """What would come to a host, or come and go there, beyond the limit."""
    for host, name in enumerate(problem.hosts):
        for word, most, count, words in (
            ("arrivals_per_host", limits.arrivals_per_host, _arriving, "come to"),
            ("per_host", limits.per_host, _passing, "come to or leave"),
        ):
            now, then = count(problem.start, before, host), count(problem.start, after, host)
            if most is not None and then > max(most, now):
                yield f"limits: {word}: {_number(now)} {words} {name}, limit {most}"


def _arriving(start: IntArray, placement: IntArray, host: int) -> int:
    return int(((placement != start) & (placement == host)).sum())


def _passing(start: IntArray, placement: IntArray, host: int) -> int:
    return int(((placement != start) & ((placement == host) | (start == host))).sum())


def _number(moves: int) -> str:
    return f"{moves} domain" + ("" if moves == 1 else "s")


def _spent(budget: Budget, used: float, more: float) -> str:
    if budget.name == "max_bytes":
        return f"{format_bytes(used)} are moved, and it has {format_bytes(more)}, limit {format_bytes(budget.most)}"
    return f"{_number(int(used))} of its group are moved, limit {format_number(budget.most)}"


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


def _broken(term: Term, problem: Problem, placement: IntArray, domain: int, host: int, name: NameOf) -> str:
    """That, and what would be broken there that is not broken now, or not as badly."""
    moved = placement.copy()
    moved[domain] = host
    before = {text for _, text in broken(term.primitive, problem, placement, name, domain)}
    texts = [text for _, text in broken(term.primitive, problem, moved, name, domain) if text not in before]
    return "would break it" + (f" ({listed(texts, 2)})" if texts else "")
