"""A placement under construction: what it costs, what each move would change, and back."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.evaluators import evaluator
from rebalancer.placement.limits import Tally
from rebalancer.placement.primitives import FloatArray, IntArray
from rebalancer.placement.problem import Problem, Term

__all__ = ["State", "improves"]

_TOLERANCE = 1e-9


class State:
    """Costs come as vectors, most important first: ``[worsening, tier 0, tier 1, …]``, compared lexicographically.

    ``worsening`` is how far hard rules are broken beyond both their bound and where they stood at the start, element
    by element, plus the moves beyond ``max_moves`` and what goes beyond the other limits. It is 0 at the start and a
    search that only accepts what is not worse keeps it there.
    """

    def __init__(self, problem: Problem, placement: IntArray | None = None) -> None:
        self.problem = problem
        self.start = problem.start
        self.placement = problem.start.copy()
        self.moved = 0
        hosts = len(problem.hosts)
        self._evaluators = [(term, evaluator(term.primitive, problem.start, hosts)) for term in problem.terms]
        self._tally = None if problem.limits is None else Tally(problem.limits, problem.start, hosts)
        self.levels = problem.tiers + 1
        if placement is not None:
            for domain in np.flatnonzero(placement != problem.start):
                self.apply(int(domain), int(placement[domain]))

    def costs(self) -> FloatArray:
        """float[levels]"""
        costs = np.zeros(self.levels)
        for term, each in self._evaluators:
            costs[term.tier + 1] += term.weight * each.cost()
            if term.hard:
                costs[0] += each.worsening()
        costs[0] += self._surplus(self.moved)
        if self._tally is not None:
            costs[0] += self._tally.surplus()
        return costs

    def parts(self) -> dict[str, float]:
        """The weighted cost of each term, by its name (terms of one name are added)."""
        parts: dict[str, float] = {}
        for term, each in self._evaluators:
            parts[term.name] = parts.get(term.name, 0.0) + term.weight * each.cost()
        return parts

    def shifts(self, domain: int) -> FloatArray:
        """float[levels, H]: what moving the domain to each host would change."""
        source = int(self.placement[domain])
        change = np.zeros((self.levels, len(self.problem.hosts)))
        for term, each in self._evaluators:
            change[term.tier + 1] += term.weight * each.shift(domain, source)
            if term.hard:
                worse = each.worsen(domain, source)
                if worse is not None:
                    change[0] += worse
        if self.problem.max_moves is not None:
            home = int(self.start[domain])
            away = np.ones(change.shape[1], dtype=np.int64)
            away[home] = 0
            for extra in (-1, 0, 1):
                change[0, away - int(source != home) == extra] += self._surplus(self.moved + extra) - self._surplus(
                    self.moved
                )
        if self._tally is not None:
            change[0] += self._tally.shift(domain, source)
        return change

    def term_shift(self, term: Term, domain: int) -> FloatArray:
        """float[H]: what moving the domain to each host would change of one term's cost, unweighted."""
        each = next(each for candidate, each in self._evaluators if candidate is term)
        return each.shift(domain, int(self.placement[domain]))

    def apply(self, domain: int, destination: int) -> None:
        source = int(self.placement[domain])
        if source == destination:
            return
        for _, each in self._evaluators:
            each.apply(domain, source, destination)
        if self._tally is not None:
            self._tally.apply(domain, source, destination)
        home = int(self.start[domain])
        self.moved += int(destination != home) - int(source != home)
        self.placement[domain] = destination

    def restore(self, placement: IntArray) -> None:
        """Goes (back) to another placement, move by move."""
        for domain in np.flatnonzero(self.placement != placement):
            self.apply(int(domain), int(placement[domain]))

    def _surplus(self, moved: int) -> float:
        most = self.problem.max_moves
        return 0.0 if most is None else float(max(moved - most, 0))


def improves(change: FloatArray) -> bool:
    """Whether a change of cost vector (float[levels]) is for the better, lexicographically."""
    for value in change:
        if value < -_TOLERANCE:
            return True
        if value > _TOLERANCE:
            return False
    return False
