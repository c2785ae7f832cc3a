"""Moves that no order alone makes possible: the fewest extra ones, through any host, by domains that move anyway or
that step aside and return.

Where few domains wait, every sequence with one extra move is looked at, then every one with two, and so on; where many
do, one detour after another is chosen that lets most of the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from rebalancer.plan.budget import Budget
from rebalancer.plan.ledger import Leg
from rebalancer.plan.order import greedily
from rebalancer.plan.walk import Walk
from rebalancer.values import dataclass

__all__ = ["Detours", "by_and_by", "every_way"]

_MOST_EXTRA = 8
_MOST_SOLUTIONS = 6
_MOST_PARKINGS = 12
"""Hosts that one domain is tried on, those that take it soonest."""
_MOST_TRIED = 40
_MOST_SETBACKS = 4

Cost = Callable[[int, int, int], float]
"""Seconds that a domain takes from one host to another; infinite where that cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detours:
    """``found``: sequences of all moves, each with the fewest extra ones; ``complete``: there is no other way at all,
    so that none found means that none exists."""

    found: tuple[tuple[Leg, ...], ...]
    complete: bool


def every_way(walk: Walk, domains: Iterable[int], cost: Cost, budget: Budget, *, lenient: bool = False) -> Detours:
    """All ways of making the domains' moves are looked at, those with the fewest extra moves first, as far as the
    budget goes. The walk is as before afterwards.

    ``lenient``: a domain may be parked where it breaks a rule that it breaks already.
    """
    start = walk.length
    for extra in range(1, _MOST_EXTRA + 1):
        search = _EveryWay(walk, domains, cost, budget, lenient)
        found = [tuple(walk.legs[start:]) for _ in islice(search.run(extra, None), _MOST_SOLUTIONS)]
        walk.back(start)
        if found or not search.limited or budget.looks == 0:
            return Detours(found=tuple(found), complete=not search.limited and budget.looks > 0)
    return Detours(found=(), complete=False)


class _EveryWay:
    """A domain need not step off a host before somebody who would not fit otherwise is about to come there: any
    sequence can be put into that form. So after a domain has stepped off a host, something must arrive there next
    (``focus``). Rules on groups reach beyond a host; under them there is no such form."""

    def __init__(self, walk: Walk, domains: Iterable[int], cost: Cost, budget: Budget, lenient: bool) -> None:
        self.walk = walk
        self.misplaced = dict.fromkeys(domains)
        self.cost = cost
        self.budget = budget
        self.lenient = lenient
        self.limited = False
        """Whether more extra moves could have led further."""
        self._moved: dict[int, int] = {}
        self._options: dict[int, list[tuple[float, int]]] = {}
        self._seen: dict[tuple[frozenset[tuple[int, int]], int | None], int] = {}

    def run(self, extra: int, focus: int | None) -> Iterator[None]:
        """Yields when everything is where it should be."""
        if not self.misplaced:
            yield
            return
        key = (frozenset(self._moved.items()), focus)
        if self._seen.get(key, -1) >= extra or not self.budget.look(1 + len(self.misplaced)):
            return
        solved = False
        walk = self.walk
        for domain in list(self.misplaced):
            goal = walk.goal[domain]
            if focus in (None, goal) and walk.fits(domain, goal):
                for _ in self._go(domain, goal, extra, None):
                    solved = True
                    yield
        for _, domain, host, price in self._candidates(extra, focus):
            source = walk.at[domain]
            for _ in self._go(domain, host, extra - price, None if walk.ledger.has_rules else source):
                solved = True
                yield
        if not solved:
            self._seen[key] = extra

    def _go(self, domain: int, host: int, extra: int, focus: int | None) -> Iterator[None]:
        walk, here = self.walk, self.walk.length
        before, moved = domain in self.misplaced, self._moved.get(domain)
        walk.go(domain, host)
        self._mark(domain, misplaced=host != walk.goal[domain])
        self._moved[domain] = host
        yield from self.run(extra, focus)
        walk.back(here)
        self._mark(domain, misplaced=before)
        if moved is None:
            del self._moved[domain]
        else:
            self._moved[domain] = moved

    def _mark(self, domain: int, *, misplaced: bool) -> None:
        if misplaced:
            self.misplaced[domain] = None
        else:
            self.misplaced.pop(domain, None)

    def _candidates(self, extra: int, focus: int | None) -> list[tuple[float, int, int, int]]:
        """Extra moves: (seconds, domain, host, how many extra moves that makes), the shortest first."""
        found: list[tuple[float, int, int, int]] = []
        if extra == 0:
            self.limited = True
            return found
        for source in self._sources(extra, focus):
            for domain in self.walk.on[source]:
                price = self._price(domain)
                if price <= extra:
                    for seconds, host in self._ways_out(domain):
                        if self.walk.fits(domain, host):
                            found.append((seconds, domain, host, price))
                elif price < 3:
                    self.limited = True
        if focus is not None:
            found += self._ways_in(extra, focus)
        self.budget.look(1 + len(found))
        return sorted(found)

    def _price(self, domain: int) -> int:
        """How many extra moves it makes if the domain steps aside; more than there can be where it must not."""
        if domain in self.misplaced:
            return 1
        # Those that wait in other parts of the plan are left alone.
        at_home = self.walk.at[domain] == self.walk.goal[domain]
        return 2 if at_home and self.walk.movable[domain] else _MOST_EXTRA + 1

    def _ways_out(self, domain: int) -> list[tuple[float, int]]:
        """The hosts that could take the domain for a while, with the seconds of the way there and on."""
        walk = self.walk
        key = domain * len(walk.on) + walk.at[domain]
        found = self._options.get(key)
        if found is None:
            ways = (
                (self.cost(domain, walk.at[domain], host) + self.cost(domain, host, walk.goal[domain]), host)
                for host in walk.parking
                if host not in (walk.at[domain], walk.goal[domain])
                and walk.ledger.allows(domain, host, lenient=self.lenient)
            )
            found = self._options[key] = sorted(way for way in ways if way[0] < float("inf"))
        return found

    def _ways_in(self, extra: int, focus: int) -> list[tuple[float, int, int, int]]:
        """Who could step aside to a host that somebody has just stepped off."""
        found: list[tuple[float, int, int, int]] = []
        for source, domains in enumerate(self.walk.on):
            for domain in domains if source != focus else ():
                price = self._price(domain)
                if price <= extra and self.walk.fits(domain, focus):
                    ways = self._ways_out(domain)
                    found += [(seconds, domain, host, price) for seconds, host in ways if host == focus]
        return found

    def _sources(self, extra: int, focus: int | None) -> list[int]:
        """Hosts that somebody should step off: where somebody does not fit; with several extra moves left, also where
        one who steps aside would not."""
        walk = self.walk
        if focus is not None:
            return [focus]
        if extra > 1 or walk.ledger.has_rules:
            return list(range(len(walk.on)))
        wanted = {walk.goal[domain] for domain in self.misplaced if not walk.fits(domain, walk.goal[domain])}
        self.limited = self.limited or any(
            self._can_step_off(host) for host in range(len(walk.on)) if host not in wanted
        )
        return sorted(wanted)

    def _can_step_off(self, source: int) -> bool:
        """Whether some domain could leave a host, for which there would have to be more extra moves."""
        return any(
            self._price(domain) <= _MOST_EXTRA
            and any(self.walk.fits(domain, host) for _, host in self._ways_out(domain))
            for domain in self.walk.on[source]
        )


def _parkings(walk: Walk, domain: int, cost: Cost) -> list[int]:
    hosts = [host for host in walk.parking if host not in (walk.at[domain], walk.goal[domain])]
    if len(hosts) <= _MOST_PARKINGS:
        return hosts
    able = [host for host in hosts if walk.fits(domain, host)]
    if len(able) > _MOST_PARKINGS:
        able.sort(key=lambda host: cost(domain, walk.at[domain], host))
    return able[:_MOST_PARKINGS]


def by_and_by(walk: Walk, domains: Iterable[int], cost: Cost, budget: Budget, *, lenient: bool = False) -> list[int]:
    """Makes moves and detours until all domains are where they should be, or nothing helps; those that remain."""
    left, setbacks = greedily(walk, domains), 0
    least = len(left)
    while left and setbacks <= _MOST_SETBACKS:
        best: tuple[int, float, int, int] | None = None
        for seconds, domain, host in _promising(walk, left, cost, lenient):
            here = walk.length
            walk.go(domain, host)
            remain = greedily(walk, dict.fromkeys([*left, domain]))
            walk.back(here)
            found = (len(remain), seconds, domain, host)
            best = found if best is None or found < best else best
            if not budget.look(1 + len(left) // 4) or not remain:
                break
        if best is None or budget.looks == 0:
            break
        _, _, domain, host = best
        walk.go(domain, host)
        left = greedily(walk, dict.fromkeys([*left, domain]))
        setbacks = 0 if len(left) < least else setbacks + 1
        least = min(least, len(left))
    return left


def _promising(walk: Walk, left: list[int], cost: Cost, lenient: bool) -> list[tuple[float, int, int]]:
    """Who could step aside from a host that others wait for, and where to; first what lets somebody in at once."""
    waiting = frozenset(left)
    found: list[tuple[bool, float, int, int]] = []
    for source in sorted({walk.goal[domain] for domain in left}):
        lacks = [dict(walk.ledger.missing(d, source)) for d in left if walk.goal[d] == source]
        for domain in list(walk.on[source]):
            if not walk.movable[domain] or (domain not in waiting and walk.at[domain] != walk.goal[domain]):
                continue
            frees = dict(zip(walk.ledger.resources, walk.ledger.taken(domain, source), strict=True))
            helps = any(all(frees[r] >= amount * (1 - 1e-9) for r, amount in lack.items()) for lack in lacks)
            for host in _parkings(walk, domain, cost):
                if walk.fits(domain, host) and walk.ledger.allows(domain, host, lenient=lenient):
                    seconds = cost(domain, source, host) + cost(domain, host, walk.goal[domain])
                    # One that does not move anyway has one more way to go.
                    found.append((not helps, seconds * (1 if domain in waiting else 2), domain, host))
    found = sorted(each for each in found if each[1] < float("inf"))[:_MOST_TRIED]
    return [(seconds, domain, host) for _, seconds, domain, host in found]
