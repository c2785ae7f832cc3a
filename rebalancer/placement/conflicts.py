"""Which rules cannot be kept together, for which domains: smallest sets, by leaving out what is not needed.

In: a problem and the best placement that was found. Out: conflicts. A rule (a domain) is left out where the others
still cannot all be kept without it (a deletion filter): what remains is needed, each of it. That it cannot be kept is
proved where bounds say so or all placements were tried; else a search has not found how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from rebalancer.placement.bounds import score_bound
from rebalancer.placement.bounds.reach import reach_of
from rebalancer.placement.explain import Conflict
from rebalancer.placement.insertion import insert
from rebalancer.placement.part import grows, part_of
from rebalancer.placement.primitives import AllowedHosts, Capacity, GroupMost, GroupSpan, IntArray
from rebalancer.placement.problem import Problem, Term
from rebalancer.placement.search import search
from rebalancer.placement.state import State
from rebalancer.values import dataclass

__all__ = ["conflicts"]

LIMITS = "limits"
"""What the limits on moves are called among rules."""

_MOST_CONFLICTS = 5
_MOST_PARTS = 20
"""That are looked at; a rule that a thousand domains break is broken for few reasons."""
_MOST_NAMED = 50
"""Domains of one conflict; where it takes more, it is all that is too much."""
_MOST_WORK = 12_000_000
"""Moves that are tried in all searches together, and what takes as long."""
_TO_START = 50_000
_TO_BOUND = 10_000
_TO_INSERT = 1_000
"""For each domain."""
_TO_SEARCH = 3_000
"""For each domain, at most."""
_MOST_INSERTED = 100_000
"""Domains times hosts up to which it is first tried domain by domain."""
_SEEDS = (1, 2, 3, 4, 5)
"""One search may be unlucky; none of them is the one that the placement was found with."""
_EPSILON = 1e-9


def conflicts(
    problem: Problem, placement: IntArray, elapsed: Callable[[], float] = lambda: 0.0
) -> tuple[Conflict, ...]:
    """Of the rules that the placement breaks; some at most, and none where too much had to be searched for it."""
    found: list[Conflict] = []
    filter_ = _Filter(problem, elapsed)
    looked = 0
    for term in (term for term in problem.terms if term.hard):
        explained: set[int] = set()
        for part in _parts(term, problem, placement):
            looked += 1
            if len(found) == _MOST_CONFLICTS or looked > _MOST_PARTS:
                return tuple(found)
            if not explained.isdisjoint(part.tolist()):
                continue
            core = filter_.core(term, part)
            if core is None:
                continue
            explained.update(core.domains.tolist())
            if core.conflict not in found:
                found.append(core.conflict)
            if not core.conflict.domains:
                break
    return tuple(found)


def _parts(term: Term, problem: Problem, placement: IntArray) -> Iterator[IntArray]:
    """The domains that a broken rule is broken by, as far as that can be told apart; in the end all."""
    state = State(replace(problem, terms=(term,), max_moves=None, limits=None), placement)
    if state.costs()[1] <= _EPSILON:
        return
    match term.primitive:
        case AllowedHosts(masks=masks, mask=mask):
            bound = np.flatnonzero(mask >= 0)
            for d in bound[~masks[mask[bound], placement[bound]]]:
                yield np.array([d])
        case Capacity(demand=demand, limit=limit):
            load = np.bincount(placement, weights=demand, minlength=len(limit))
            for host in np.flatnonzero(load > limit * (1 + _EPSILON)):
                yield np.flatnonzero((placement == host) & (demand > 0))
        case GroupMost(group=group) | GroupSpan(group=group):
            for g in range(int(group.max(initial=-1)) + 1):
                members = np.flatnonzero(group == g)
                if any(state.term_shift(term, int(d)).min() < -_EPSILON for d in members):
                    yield members
        case _:
            pass
    yield np.arange(len(problem.domains))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Core:
    conflict: Conflict
    domains: IntArray


class _Filter:
    def __init__(self, problem: Problem, elapsed: Callable[[], float]) -> None:
        self._problem = problem
        self._elapsed = elapsed
        self._left = _MOST_WORK
        self._every = np.arange(len(problem.domains))
        self._limited = problem.max_moves is not None or problem.limits is not None
        self._proved = False
        """Whether what failed last is proved to."""

    def core(self, term: Term, part: IntArray) -> _Core | None:
        """What is in conflict where a rule is broken by these domains: among themselves, else among all."""
        rules = tuple(each for each in self._problem.terms if each.hard)
        growing = tuple(each for each in rules if grows(each.primitive))
        if grows(term.primitive) and self._fails(part, growing, limited=self._limited):
            return self._smallest(term, part, growing, part)
        if self._fails(self._every, rules, limited=self._limited):
            return self._smallest(term, self._every, rules, part)
        return None

    def _smallest(self, term: Term, domains: IntArray, rules: tuple[Term, ...], part: IntArray) -> _Core:
        rules, limited = self._fewest_rules(term, domains, rules, limited=self._limited)
        if all(grows(rule.primitive) for rule in rules):
            domains = self._fewest_domains(domains, rules, part, limited=limited)
            rules, limited = self._fewest_rules(term, domains, rules, limited=limited)
        nobody = len(domains) > _MOST_NAMED or (len(domains) == len(self._every) and len(domains) > 1)
        return _Core(
            conflict=Conflict(
                rules=(*dict.fromkeys(rule.name for rule in rules), *([LIMITS] if limited else [])),
                domains=() if nobody else tuple(self._problem.domains[d] for d in domains),
                proved=self._proved,
            ),
            domains=domains,
        )

    def _fewest_rules(
        self, term: Term, domains: IntArray, rules: tuple[Term, ...], *, limited: bool
    ) -> tuple[tuple[Term, ...], bool]:
        """The broken one is left out last, so that it is another conflict's rules that go."""
        if limited and self._fails(domains, rules, limited=False):
            limited = False
        for rule in sorted(rules, key=lambda rule: rule is term):
            fewer = tuple(other for other in rules if other is not rule)
            if (fewer or limited) and self._fails(domains, fewer, limited=limited):
                rules = fewer
        return rules, limited

    def _fewest_domains(self, domains: IntArray, rules: tuple[Term, ...], part: IntArray, *, limited: bool) -> IntArray:
        """Leaves out half of them, a quarter, … one: those last that the rule is broken by."""
        inside = np.isin(domains, part)
        ordered = np.concatenate([domains[~inside], domains[inside]])
        size = len(ordered) // 2
        while size:
            at = 0
            while at < len(ordered) and self._left > 0:
                fewer = np.delete(ordered, slice(at, at + size))
                if len(fewer) and self._fails(np.sort(fewer), rules, limited=limited):
                    ordered = fewer
                else:
                    at += size
            size //= 2
        return np.sort(ordered)

    def _fails(self, domains: IntArray, rules: tuple[Term, ...], *, limited: bool) -> bool:
        """Whether these domains cannot keep these rules, as far as can be told; False where there is no time left."""
        self._left -= _TO_BOUND
        if self._left < 0:
            return False
        problem = part_of(self._problem, domains, rules, limited=limited)
        if _is_impossible(problem):
            self._proved = True
            return True
        if len(domains) * len(problem.hosts) <= _MOST_INSERTED:
            self._left -= _TO_INSERT * len(domains)
            if _is_kept(problem, insert(problem, range(len(domains)))):
                return False
        for seed in _SEEDS:
            if self._left < _TO_SEARCH * len(domains) or self._elapsed() >= 1.0:
                return False
            found = search(problem, seed=seed, elapsed=self._elapsed)
            self._left -= found.evaluations + _TO_START
            if not found.complete or _is_kept(problem, found.host):
                return False
            if found.optimal:
                break
        self._proved = found.optimal
        return True


def _is_kept(problem: Problem, placement: IntArray) -> bool:
    """Whether no hard rule is broken, nor made worse on the way."""
    return float(State(problem, placement).costs()[:2].sum()) <= _EPSILON


def _is_impossible(problem: Problem) -> bool:
    """Whether bounds say so: what hosts are allowed is kept, and the other rules cost something."""
    reach = reach_of(problem, holds=True)
    if reach.nowhere().any() or (problem.max_moves is not None and reach.least_moves() > problem.max_moves):
        return True
    others = tuple(t if isinstance(t.primitive, AllowedHosts) else replace(t, tier=1) for t in problem.terms)
    return score_bound(replace(problem, terms=others), holds=True) > _EPSILON
