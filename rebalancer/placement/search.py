"""Local search: shifts, then ejection chains (swaps among them), then kicks; deterministic for a seed and an effort.

Repairs what is broken first and never makes a rule worse, because costs are compared in that order (see
:class:`~rebalancer.placement.state.State`). Effort counts evaluations, so that the result does not depend on the
machine; a stop signal (a time limit, Ctrl-C) may only cut it short.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rebalancer.placement.primitives import FloatArray, IntArray
from rebalancer.placement.problem import Problem
from rebalancer.placement.state import State, best_column, improves

__all__ = ["Placement", "search"]

_CANDIDATE_HOSTS = 6
_FOLLOWING_HOSTS = 2
_CHAIN_LENGTH = 2
_FRUITLESS_KICKS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """``host``: int[D]. ``complete``: False where the search was cut short by its stop signal."""

    host: IntArray
    evaluations: int
    complete: bool


class _BudgetSpentError(Exception):
    pass


class _Search:
    def __init__(self, problem: Problem, seed: int, evaluations: int, stop: Callable[[], bool]) -> None:
        self.state = State(problem)
        self.random = np.random.default_rng(seed)
        self.left = evaluations
        self.spent = 0
        self.stop = stop
        self.stopped = False

    def shifts(self, domain: int) -> FloatArray:
        self.spent += 1
        if self.spent % 64 == 0 and self.stop():
            self.stopped = True
        if self.stopped or self.spent > self.left:
            raise _BudgetSpentError
        return self.state.shifts(domain)

    def descend(self) -> None:
        """Moves single domains to their best host until none gains."""
        number = len(self.state.placement)
        waiting = list(self.random.permutation(number))
        idle = 0
        while idle < number:
            domain = int(waiting[0])
            waiting = [*waiting[1:], waiting[0]]
            change = self.shifts(domain)
            host = best_column(change)
            if improves(change[:, host]):
                self.state.apply(domain, host)
                idle = 0
            else:
                idle += 1

    def exchange(self) -> bool:
        """One round of chains: a domain goes where it gains most but for others, which then make room."""
        gained = False
        for domain in self.random.permutation(len(self.state.placement)):
            gained |= self._chain(int(domain), np.zeros(self.state.levels), _CHAIN_LENGTH, _CANDIDATE_HOSTS)
        return gained

    def _chain(self, domain: int, so_far: FloatArray, length: int, width: int) -> bool:
        """Whether moving the domain, and up to ``length`` others after it, gained; if not, all is as before."""
        state = self.state
        source = int(state.placement[domain])
        change = self.shifts(domain) + so_far[:, None]
        host = best_column(change)
        if host != source and improves(change[:, host]):
            state.apply(domain, host)
            return True
        if length == 0:
            return False
        # Rank hosts by the tiers below the hard rules, which the moves that follow may mend.
        order = np.lexsort(tuple(change[level] for level in range(state.levels - 1, 0, -1)))
        for host in [int(h) for h in order if h != source][:width]:
            residents = [int(d) for d in np.flatnonzero(state.placement == host)]
            state.apply(domain, host)
            try:
                for other in residents:
                    if self._chain(other, change[:, host], length - 1, _FOLLOWING_HOSTS):
                        return True
            except _BudgetSpentError:
                state.apply(domain, source)
                raise
            state.apply(domain, source)
        return False

    def kick(self, lawful: bool) -> None:
        """Moves a few random domains to random hosts; ``lawful``: only where that makes no rule worse."""
        state = self.state
        for _ in range(int(self.random.integers(2, 4 + len(state.placement) // 10))):
            domain = int(self.random.integers(len(state.placement)))
            hosts = np.arange(len(state.problem.hosts))
            if lawful:
                change = self.shifts(domain)
                hosts = np.flatnonzero((change[0] <= 1e-9) & (change[1] <= 1e-9))
            if len(hosts):
                state.apply(domain, int(self.random.choice(hosts)))


def search(problem: Problem, *, seed: int = 0, effort: int = 5, stop: Callable[[], bool] = lambda: False) -> Placement:
    """The best placement found from ``problem.start``.

    ``effort``: how much work to spend, 1 to 10. ``stop`` is polled now and then; once true, the best so far is
    returned.
    """
    if not problem.domains or not problem.hosts:
        return Placement(host=problem.start.copy(), evaluations=0, complete=True)
    run = _Search(problem, seed, _evaluations(len(problem.domains), effort), stop)
    state = run.state
    best, best_costs = state.placement.copy(), state.costs()
    try:
        rounds = 0
        while rounds <= _FRUITLESS_KICKS * effort:
            run.descend()
            while run.exchange():
                run.descend()
            if improves(state.costs() - best_costs):
                best, best_costs = state.placement.copy(), state.costs()
                rounds = 0
            else:
                state.restore(best)
                rounds += 1
            run.kick(lawful=rounds % 2 == 0)
    except _BudgetSpentError:
        if improves(state.costs() - best_costs):
            best, best_costs = state.placement.copy(), state.costs()
    state.restore(best)
    _take_back(state)
    return Placement(host=state.placement.copy(), evaluations=run.spent, complete=not run.stopped)


def _evaluations(domains: int, effort: int) -> int:
    """How often one domain may be looked at on all hosts: enough for several descents, and for chains in proportion."""
    return 20 * domains + effort * min(400 + 20 * domains, 4_000)


def _take_back(state: State) -> None:
    """Undoes moves that gain nothing."""
    for domain in np.flatnonzero(state.placement != state.start):
        home = int(state.start[domain])
        change = state.shifts(int(domain))[:, home]
        if not improves(-change):
            state.apply(int(domain), home)
