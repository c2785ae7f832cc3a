"""Breaking a deadlock: the fewest extra moves, through any host, after which everything else can be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rebalancer.plan.drain import drain
from rebalancer.plan.ledger import Ledger, Leg

__all__ = ["Bounce", "find_bounces"]

_MOST_DRAINS = 3_000
_MOST_BOUNCES = 3


@dataclass(frozen=True, slots=True)
class Bounce:
    """``first`` parks a domain; ``second`` takes it where it should be (which is home for a bystander)."""

    first: Leg
    second: Leg


def find_bounces(
    ledger: Ledger,
    legs: Sequence[Leg],
    residents: Sequence[Leg],
    hosts: Sequence[int],
    cost: Callable[[Leg], float],
) -> list[Bounce] | None:
    """The cheapest of the shortest sequences of bounces, up to three, that let all ``legs`` be made; None: none found.

    ``residents``: for each domain that does not move and may, a leg from its host to itself; they may step aside for
    a while. ``hosts``: where a domain may be parked; where it breaks no rule if there is such a way, else where it
    breaks none that it does not break already.
    """
    for lenient in (False, True):
        search = _Bounces(ledger, residents, hosts, cost, lenient)
        for length in range(1, _MOST_BOUNCES + 1):
            found = search.run(list(legs), length)
            if found is not None:
                return found
    return None


class _Bounces:
    def __init__(
        self,
        ledger: Ledger,
        residents: Sequence[Leg],
        hosts: Sequence[int],
        cost: Callable[[Leg], float],
        lenient: bool,
    ) -> None:
        self.ledger = ledger
        self.residents = residents
        self.hosts = hosts
        self.cost = cost
        self.lenient = lenient
        self.drains = 0

    def run(self, legs: list[Leg], length: int) -> list[Bounce] | None:
        for bounce in sorted(self._candidates(legs), key=lambda b: self.cost(b.first) + self.cost(b.second)):
            self.drains += 1
            if self.drains > _MOST_DRAINS:
                return None
            rest = [leg for leg in legs if leg.domain != bounce.second.domain] + [bounce.second]
            self.ledger.move(bounce.first)
            done, left = drain(self.ledger, rest)
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
            for host in self.hosts:
                if (
                    host not in (leg.source, leg.destination)
                    and self.ledger.allows(leg.domain, host, lenient=self.lenient)
                    and self.ledger.fits(leg.domain, host)
                    and (not leg.fixed_name or self.ledger.name_is_free(leg.name, host))
                ):
                    first = Leg(leg.domain, leg.source, host, leg.name, leg.fixed_name)
                    yield Bounce(first, Leg(leg.domain, host, leg.destination, leg.name, leg.fixed_name))
