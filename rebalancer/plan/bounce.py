"""Breaking a deadlock: the fewest extra moves, through any host, after which everything else can be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

from rebalancer.plan.drain import Budget, drain
from rebalancer.plan.ledger import Ledger, Leg

__all__ = ["Bounce", "Parking", "find_bounces"]

_MOST_BOUNCES = 3


@dataclass(frozen=True, slots=True)
class Bounce:
    """``first`` parks a domain; ``second`` takes it where it should be (which is home for a bystander)."""

    first: Leg
    second: Leg


@dataclass(frozen=True, kw_only=True, eq=False)
class Parking:
    """Where domains may be parked, and what that takes.

    ``hosts``: those that accept domains. ``cost``: seconds that a leg takes, infinite where it cannot be made.
    ``renames``: for each host, whether a domain may take another name when it leaves it.
    """

    hosts: Sequence[int]
    cost: Callable[[Leg], float]
    renames: Sequence[bool]


def find_bounces(
    ledger: Ledger, legs: Sequence[Leg], residents: Sequence[Leg], parking: Parking, budget: Budget
) -> list[Bounce] | None:
    """The cheapest of the shortest sequences of bounces, up to three, that let all ``legs`` be made; None: none found.

    ``residents``: for each domain that does not move and may, a leg from its host to itself; they may step aside for
    a while. Domains are parked where that breaks no rule if there is such a way, else where it breaks none that they
    do not break already.
    """
    for lenient in (False, True):
        search = _Bounces(ledger, residents, parking, budget, lenient)
        for length in range(1, _MOST_BOUNCES + 1):
            found = search.run(list(legs), length)
            if found is not None:
                return found
    return None


class _Bounces:
    def __init__(
        self, ledger: Ledger, residents: Sequence[Leg], parking: Parking, budget: Budget, lenient: bool
    ) -> None:
        self.ledger = ledger
        self.residents = residents
        self.parking = parking
        self.budget = budget
        self.lenient = lenient

    def run(self, legs: list[Leg], length: int) -> list[Bounce] | None:
        cost = self.parking.cost
        candidates = [(cost(bounce.first) + cost(bounce.second), bounce) for bounce in self._candidates(legs)]
        possible = sorted((pair for pair in candidates if pair[0] < inf), key=lambda pair: pair[0])
        for _, bounce in possible:
            if self.budget.spent:
                return None
            rest = [leg for leg in legs if leg.domain != bounce.second.domain] + [bounce.second]
            self.ledger.move(bounce.first)
            done, left = drain(self.ledger, rest, self.budget)
            found: list[Bounce] | None = None if left else []
            if left and length > 1:
                for leg in done:
                    self.ledger.move(leg)
                found = self.run(left, length - 1)
                for leg in reversed(done):
                    self.ledger.move(leg.reversed())
            self.ledger.move(bounce.first.reversed())
            if found is not None:
                return [bounce, *found]
        return None

    def _candidates(self, legs: list[Leg]) -> Iterator[Bounce]:
        """Domains that wait first, then bystanders on the hosts that are waited for."""
        waited_for = {leg.destination for leg in legs}
        waiting = {leg.domain for leg in legs}
        bystanders = [leg for leg in self.residents if leg.source in waited_for and leg.domain not in waiting]
        for leg in [*(leg for leg in legs if leg.source in waited_for), *bystanders]:
            for host in self.parking.hosts:
                renames = self.parking.renames[host] and not leg.fixed_name
                if (
                    host not in (leg.source, leg.destination)
                    and self.ledger.allows(leg.domain, host, lenient=self.lenient)
                    and self.ledger.fits(leg.domain, host)
                    # A name that is changed on the way there must be had back on the way on.
                    and (renames or self.ledger.name_is_free(leg.name, host))
                ):
                    first = replace(leg, destination=host)
                    yield Bounce(first, replace(leg, source=host, fixed_name=not renames))
