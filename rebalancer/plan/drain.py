"""Can these moves all be made, one after another, from here? The banker's test, and the search for bounces.

Moving a domain to a host that can hold everything still to arrive there takes nothing from anybody, so such moves are
made at once; only moves to contended hosts are tried in different orders (planning order is strongly NP-hard in
general, so the number of tries is bounded).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rebalancer.plan.ledger import Ledger, Leg

__all__ = ["drain", "is_contended"]

_MOST_TRIES = 2_000
_DEEPEST = 100


def is_contended(ledger: Ledger, legs: Sequence[Leg], host: int) -> bool:
    """Whether the host cannot hold all that is still to arrive, if nobody left."""
    arriving = [leg.domain for leg in legs if leg.destination == host]
    need = ledger.demand[:, arriving].sum(axis=1) if arriving else 0.0
    return bool((ledger.load[:, host] + need > ledger.bound[:, host]).any())


def drain(ledger: Ledger, legs: Sequence[Leg]) -> tuple[list[Leg], list[Leg]]:
    """An order in which legs can be made one at a time, and those that remain in the best order found.

    The ledger is as before afterwards.
    """
    return _Drain(ledger).run(list(legs))


class _Drain:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.tries = 0

    def run(self, legs: list[Leg], depth: int = 0) -> tuple[list[Leg], list[Leg]]:
        done, left = self._settle(legs)
        best = (list(done), left)
        for leg in self._candidates(left):
            self.tries += 1
            if self.tries > _MOST_TRIES and depth < _DEEPEST:
                break
            self.ledger.move(leg)
            remaining = [other for other in left if other is not leg]
            further, remain = self.run(remaining, depth + 1) if depth < _DEEPEST else self._greedily(remaining)
            self.ledger.move(leg.reversed())
            if len(remain) < len(best[1]):
                best = ([*done, leg, *further], remain)
            if not remain or depth >= _DEEPEST:
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
            open_hosts = {
                host for host in {leg.destination for leg in legs} if not is_contended(self.ledger, legs, host)
            }
            made = [leg for leg in legs if leg.destination in open_hosts and self._try(leg)]
            if not made:
                return done, legs
            done += made
            legs = [leg for leg in legs if leg not in made]

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
        fitting = [leg for leg in legs if self._fits(leg)]
        return iter(
            sorted(
                fitting,
                key=lambda leg: (leg.source not in waited_for, -float(self.ledger.demand[:, leg.domain].sum())),
            )
        )
