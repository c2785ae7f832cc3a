"""What the limits on one plan leave for detours: those who step aside count among the domains that it moves, and hosts
that somebody only passes through among those that domains come to and leave."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from rebalancer.placement.limits import MoveLimits
from rebalancer.placement.primitives import IntArray
from rebalancer.placement.problem import Problem
from rebalancer.plan.ledger import Leg

__all__ = ["Allowance"]


class Allowance:
    """Mutable: ``book`` follows the legs that are made (1) or taken back (-1), ``lets`` asks before.

    The moves to ``placement`` count from the beginning, whether they have been made or not; where they are beyond a
    limit themselves, that is the search's affair, and no more may come to it.
    """

    def __init__(self, problem: Problem, placement: IntArray) -> None:
        limits = problem.limits or MoveLimits()
        self._home = [int(host) for host in problem.start]
        self._movers = frozenset(int(domain) for domain in np.flatnonzero(placement != problem.start))
        self._budgets = [budget for budget in limits.budgets if np.isfinite(budget.most)]
        self._max_moves = problem.max_moves
        self._per_host, self._arrivals = limits.per_host, limits.arrivals_per_host
        self._moved: Counter[int] = Counter()
        """Of those who step aside, how many of their legs are made."""
        self._through: defaultdict[int, Counter[int]] = defaultdict(Counter)
        """Host → who comes there or leaves it, each as often as it does."""
        self._arriving: defaultdict[int, Counter[int]] = defaultdict(Counter)
        for domain in self._movers:
            self._count(Leg(domain, self._home[domain], int(placement[domain])), 1)

    @staticmethod
    def of(problem: Problem, placement: IntArray) -> Allowance | None:
        """None where nothing is limited."""
        limited = problem.max_moves is not None or problem.limits is not None
        return Allowance(problem, placement) if limited else None

    def lets(self, leg: Leg) -> bool:
        """Whether the limits have room for one more leg."""
        if self._steps_aside(leg.domain) and not self._moved[leg.domain] and not self._lets_another(leg.domain):
            return False
        return all(
            most is None or leg.domain in domains or len(domains) < most
            for most, domains in (
                *((self._per_host, self._through[host]) for host in (leg.source, leg.destination)),
                *((self._arrivals, self._arriving[host]) for host in self._reached(leg)),
            )
        )

    def book(self, leg: Leg, sign: int) -> None:
        if self._steps_aside(leg.domain):
            self._moved[leg.domain] += sign
            if not self._moved[leg.domain]:
                del self._moved[leg.domain]
        self._count(leg, sign)

    def _steps_aside(self, domain: int) -> bool:
        return domain not in self._movers

    def _lets_another(self, domain: int) -> bool:
        if self._max_moves is not None and len(self._movers) + len(self._moved) >= self._max_moves:
            return False
        everybody = [*self._movers, *self._moved, domain]
        return all(
            budget.bucket[domain] < 0
            or sum(budget.amount[other] for other in everybody if budget.bucket[other] == budget.bucket[domain])
            <= budget.most * (1 + 1e-9)
            for budget in self._budgets
        )

    def _reached(self, leg: Leg) -> Iterator[int]:
        yield leg.destination
        if self._steps_aside(leg.domain) and leg.source == self._home[leg.domain]:
            # It will come back.
            yield leg.source

    def _count(self, leg: Leg, sign: int) -> None:
        for host in (leg.source, leg.destination):
            _add(self._through[host], leg.domain, sign)
        for host in self._reached(leg):
            _add(self._arriving[host], leg.domain, sign)


def _add(counts: Counter[int], domain: int, sign: int) -> None:
    counts[domain] += sign
    if not counts[domain]:
        del counts[domain]
