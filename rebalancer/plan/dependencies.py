"""Which earlier steps a step really needs: as few as free what it takes, never all that happened to come before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rebalancer.plan.ledger import Claim, Ledger

__all__ = ["Dependencies"]


class Dependencies:
    """Follows a plan step by step, in the order in which steps start and finish.

    What is free at the beginning, and what each departure frees, is given away once. A step takes from what it waits
    for anyway, then from what was free, then from the largest departures, the earliest of equals; so it waits for as
    few as will do, and for none that others already wait for in vain. The moves of groups whose domains mind each
    other are different: a step needs those made before it where not any order would have done.
    """

    def __init__(self, ledger: Ledger, homes: Iterable[int]) -> None:
        self._ledger = ledger
        self._taken: dict[tuple[str | int, ...], float] = {}
        """Of what was there at the beginning."""
        self._freed: dict[tuple[str | int, ...], dict[str, float]] = {}
        """By whom, and how much of it nobody has taken yet."""
        self._names_freed: dict[tuple[int, str], str] = {}
        self._last_leg: dict[int, str] = {}
        self._watches = [each.again() for each in ledger.watches]
        """Here a domain may be wherever it was or will have been: any of the steps so far may not be made yet."""
        self._made: dict[tuple[int, int], set[str]] = {}
        """(watch, element) → the steps that have been made, but for those that one of them needs anyway."""
        self._waits: dict[int, dict[tuple[int, int], set[str]]] = {}
        """domain → what its running step needs because of which element."""
        for domain, host in enumerate(homes):
            for claim in ledger.claims(domain, host, standing=True):
                self._taken[claim.key] = self._taken.get(claim.key, 0.0) + claim.amount

    def start(self, domain: int, source: int, destination: int, name: str) -> tuple[str, ...]:
        """The ids of the steps that this one, starting now, needs."""
        needed: set[str] = set()
        if domain in self._last_leg:
            needed.add(self._last_leg[domain])
        freed_name = self._names_freed.get((destination, name))
        if freed_name is not None:
            needed.add(freed_name)
        for claim in self._new_claims(domain, destination, source):
            needed |= self._take(claim, needed)
        for steps in self._ordered(domain, destination):
            needed |= steps
        return tuple(sorted(needed, key=lambda step: (len(step), step)))

    def finish(self, step: str, domain: int, source: int, destination: int, name: str) -> None:
        """A step has freed what its domain held on the source, its name there included."""
        for claim in self._new_claims(domain, source, destination):
            self._freed.setdefault(claim.key, {})[step] = claim.amount
        self._names_freed[source, name] = step
        waits = self._waits.pop(domain, {})
        for index, each in enumerate(self._watches):
            for element in each.left(domain, source) if each.concerns(domain) else ():
                made = self._made.setdefault((index, element), set())
                made -= waits.get((index, element), set())
                made.add(step)
        self._last_leg[domain] = step

    def _ordered(self, domain: int, destination: int) -> Iterator[set[str]]:
        """The steps made so far that this one must not overtake."""
        waits = self._waits.setdefault(domain, {})
        for index, each in enumerate(self._watches):
            if not each.concerns(domain):
                continue
            before = each.places.zones[domain]
            zones = before | each.zones((destination,))
            if zones != before:
                each.places.put(domain, zones)
            for element in each.broken(domain, each.zones((destination,))):
                waits[index, element] = set(self._made.get((index, element), ()))
                yield waits[index, element]

    def _new_claims(self, domain: int, host: int, other: int) -> list[Claim]:
        """What the domain takes on the host but does not hold on the other anyway (a zone of both)."""
        elsewhere = {claim.key for claim in self._ledger.claims(domain, other)}
        return [claim for claim in self._ledger.claims(domain, host) if claim.key not in elsewhere]

    def _take(self, claim: Claim, known: set[str]) -> set[str]:
        """The departures that it takes."""
        freed = self._freed.get(claim.key, {})
        missing = claim.amount
        for step in [step for step in freed if step in known]:
            missing -= self._use(freed, step, missing)
        taken = self._taken.get(claim.key, 0.0)
        free = min(max(claim.bound - taken, 0.0), missing)
        self._taken[claim.key] = taken + free
        missing -= free
        chosen: set[str] = set()
        for step, _ in sorted(freed.items(), key=lambda departure: -departure[1]):
            # Sums of fractions (cores) must not make one wait for a trifle.
            if missing <= 1e-9 * claim.amount:
                break
            chosen.add(step)
            missing -= self._use(freed, step, missing)
        return chosen

    @staticmethod
    def _use(freed: dict[str, float], step: str, most: float) -> float:
        used = min(freed[step], most)
        freed[step] -= used
        if freed[step] <= 0:
            del freed[step]
        return used
