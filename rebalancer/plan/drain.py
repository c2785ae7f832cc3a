"""Can these moves all be made, one after another, from here? The banker's test, and the search for bounces.

Moving a domain to a host that can hold everything still to arrive there takes nothing from anybody, so such moves are
made at once; only moves to contended hosts are tried in different orders (planning order is strongly NP-hard in
general, so the number of tries is bounded).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rebalancer.plan.ledger import Ledger, Leg

__all__ = ["Budget", "drain"]

_DEEPEST = 100
_MOST_TRIES = 500
"""Orders tried in one drain."""


@dataclass(slots=True)
class Budget:
    """How often a move may still be looked at while one plan is made; without any left, only one order is tried.

    Counting looks, not seconds, keeps plans reproducible; a stop signal (a time limit, Ctrl-C) may end it early.
    """

    looks: int = 300_000
    stop: Callable[[], bool] = lambda: False

    def spend(self, looks: int) -> None:
        self.looks = 0 if self.stop() else max(self.looks - looks, 0)

    @property
    def spent(self) -> bool:
        return self.looks == 0


def drain(ledger: Ledger, legs: Sequence[Leg], budget: Budget) -> tuple[list[Leg], list[Leg]]:
    """An order in which legs can be made one at a time, and those that remain in the best order found.

    The ledger is as before afterwards.
    """
    return _Drain(ledger, budget).run(list(legs))


class _Drain:
    def __init__(self, ledger: Ledger, budget: Budget) -> None:
        self.ledger = ledger
        self.budget = budget
        self.tries = 0

    def run(self, legs: list[Leg], depth: int = 0) -> tuple[list[Leg], list[Leg]]:
        if depth >= _DEEPEST or self.budget.spent:
            return self._greedily(legs)
        done, left = self._settle(legs)
        best = (list(done), left)
        for leg in self._candidates(left):
            self.tries += 1
            if self.tries > _MOST_TRIES:
                break
            self.ledger.move(leg)
            further, remain = self.run([other for other in left if other is not leg], depth + 1)
            self.ledger.move(leg.reversed())
            if len(remain) < len(best[1]):
                best = ([*done, leg, *further], remain)
            if not remain or self.budget.spent:
                break
        for leg in reversed(done):
            self.ledger.move(leg.reversed())
        return best

    def _greedily(self, legs: list[Leg]) -> tuple[list[Leg], list[Leg]]:
        """One order, no second tries."""
        done, left = self._settle(legs)
        while (leg := next(self._candidates(left), None)) is not None:
            self.ledger.move(leg)
            further, left = self._settle([other for other in left if other is not leg])
            done += [leg, *further]
        for leg in reversed(done):
            self.ledger.move(leg.reversed())
        return done, left

    def _settle(self, legs: list[Leg]) -> tuple[list[Leg], list[Leg]]:
        """Makes every move that harms no other, as long as there is one."""
        done: list[Leg] = []
        while True:
            self.budget.spend(len(legs))
            contended = self.ledger.contended(legs)
            made = [leg for leg in legs if not contended[leg.destination] and self._try(leg)]
            if not made:
                return done, legs
            done += made
            gone = {leg.domain for leg in made}
            legs = [leg for leg in legs if leg.domain not in gone]

    def _try(self, leg: Leg) -> bool:
        if not self._fits(leg):
            return False
        self.ledger.move(leg)
        return True

    def _fits(self, leg: Leg) -> bool:
        return self.ledger.fits(leg.domain, leg.destination) and (
            not leg.fixed_name or self.ledger.name_is_free(leg.name, leg.destination)
        )

    def _candidates(self, legs: list[Leg]) -> Iterator[Leg]:
        """Those that fit; first those that leave a host others wait for, the largest first."""
        waited_for = {leg.destination for leg in legs}
        self.budget.spend(len(legs))
        fitting = [leg for leg in legs if self._fits(leg)]
        return iter(
            sorted(
                fitting,
                key=lambda leg: (leg.source not in waited_for, -float(self.ledger.demand[:, leg.domain].sum())),
            )
        )
