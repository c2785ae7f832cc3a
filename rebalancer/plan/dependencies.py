"""Which earlier steps a step really needs: as few as free what it takes, never all that happened to come before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rebalancer.plan.ledger import Claim, Ledger

__all__ = ["Dependencies"]


class Dependencies:
    """Follows a plan step by step, in the order in which steps start and finish.

    A step needs departures only where all that arrived before it, together with it, would not have fitted beside
    what was there at the beginning. Then it needs the largest departures, the earliest of equals. The moves of groups
    whose domains mind each other are different: a step needs those made before it where not any order would have done.
    """

    def __init__(self, ledger: Ledger, homes: Iterable[int]) -> None:
        self._ledger = ledger
        self._taken: dict[tuple[str | int, ...], float] = {}
        self._freed: dict[tuple[str | int, ...], list[tuple[str, float]]] = {}
        self._names_freed: dict[tuple[int, str], str] = {}
        self._last_leg: dict[int, str] = {}
        self._watches = [each.again() for each in ledger.watches]
        """Here a domain may be wherever it was or will have been: any of the steps so far may not be made yet."""
        self._made: dict[tuple[int, int], set[str]] = {}
        """(watch, element) → the steps that have been made, but for those that one of them needs anyway."""
        self._waits: dict[int, dict[tuple[int, int], set[str]]] = {}
        """domain → what its running step needs because of which element."""
        for domain, host in enumerate(homes):
            for claim in ledger.claims(domain, host):
                self._take(claim)

    def start(self, domain: int, source: int, destination: int, name: str) -> tuple[str, ...]:
        """The ids of the steps that this one, starting now, needs."""
        needed: set[str] = set()
        if domain in self._last_leg:
            needed.add(self._last_leg[domain])
        freed_name = self._names_freed.get((destination, name))
        if freed_name is not None:
            needed.add(freed_name)
        for claim in self._new_claims(domain, destination, source):
            self._take(claim)
            needed |= self._departures(claim, needed)
        for steps in self._ordered(domain, destination):
            needed |= steps
        return tuple(sorted(needed, key=lambda step: (len(step), step)))

    def finish(self, step: str, domain: int, source: int, destination: int, name: str) -> None:
        """A step has freed what its domain held on the source, its name there included."""
        for claim in self._new_claims(domain, source, destination):
            self._freed.setdefault(claim.key, []).append((step, claim.amount))
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

    def _take(self, claim: Claim) -> None:
        self._taken[claim.key] = self._taken.get(claim.key, 0.0) + claim.amount

    def _departures(self, claim: Claim, known: set[str]) -> set[str]:
        deficit = self._taken[claim.key] - claim.bound
        freed = self._freed.get(claim.key, [])
        deficit -= sum(amount for step, amount in freed if step in known)
        chosen: set[str] = set()
        for step, amount in sorted(freed, key=lambda departure: -departure[1]):
            if deficit <= 0:
                break
            if step not in known:
                chosen.add(step)
                deficit -= amount
        return chosen
