"""What all watches have in common: where each domain may be, elements, and their bounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush

import numpy as np

from rebalancer.placement.primitives import IntArray

__all__ = ["Watch", "Zones"]

_MOST_ORDERED = 8
"""Of how many moves the mildest order is looked for; more are taken as they come, destination by destination."""

Zones = frozenset[int]


class _Places:
    """In which zones the domains of each group may be now."""

    def __init__(self, group: IntArray, zone: IntArray, start: IntArray, groups: int) -> None:
        self.group = group
        self.zone = zone
        self.zones: list[Zones] = [frozenset()] * len(group)
        """Of each domain."""
        self.settled: list[dict[int, int]] = [{} for _ in range(groups)]
        """Of each group: zone → number of domains that are there for certain."""
        self.moving: list[dict[int, Zones]] = [{} for _ in range(groups)]
        """Of each group: domain → where it may be, of those that may be in several zones."""
        self.guests: dict[int, dict[int, int]] = {}
        """zone → group → number of domains that may be there."""
        for domain in np.flatnonzero(group >= 0):
            self.put(int(domain), frozenset((int(zone[start[domain]]),)))

    def put(self, domain: int, zones: Zones) -> None:
        group, before = int(self.group[domain]), self.zones[domain]
        settled, moving = self.settled[group], self.moving[group]
        for old in before:
            _count(self.guests.setdefault(old, {}), group, -1)
        for new in zones:
            _count(self.guests.setdefault(new, {}), group, 1)
        if len(before) == 1:
            _count(settled, next(iter(before)), -1)
        moving.pop(domain, None)
        if len(zones) == 1:
            _count(settled, next(iter(zones)), 1)
        elif zones:
            moving[domain] = zones
        self.zones[domain] = zones


def _count(numbers: dict[int, int], key: int, change: int) -> None:
    number = numbers.get(key, 0) + change
    if number:
        numbers[key] = number
    else:
        del numbers[key]


class Watch(ABC):
    """One rule, followed move by move: ``put`` says where a domain may be."""

    def __init__(self, group: IntArray, zone: IntArray, start: IntArray, groups: int = 0) -> None:
        self._start = start
        self._groups = max(groups, int(group.max(initial=-1)) + 1)
        self.places = _Places(group, zone, start, self._groups)
        self._bound: dict[int, float] = {}

    @abstractmethod
    def worst(self, element: int) -> float:
        """How bad the element is, whichever end each moving domain is at."""

    @abstractmethod
    def limit(self, element: int) -> float:
        """How bad the rule lets it be."""

    def elements(self, domain: int, zones: Zones) -> Iterable[int]:  # noqa: ARG002
        """Those that can become worse when the domain may be in these zones, too."""
        return (int(self.places.group[domain]),)

    def left(self, domain: int, source: int) -> Iterable[int]:  # noqa: ARG002
        """The elements for which it may matter that the domain has left a host."""
        return (int(self.places.group[domain]),)

    def eased_for(self, element: int) -> Sequence[int]:  # noqa: ARG002
        """The groups whose moves may break an element on the way if there is no order in which they do not.

        Only where no detour would help either: who is to be with others and moves with them.
        """
        return ()

    def concerns(self, domain: int) -> bool:
        return bool(self.places.group[domain] >= 0)

    def zones(self, hosts: Iterable[int]) -> Zones:
        """Where a domain may be that is on any of the hosts."""
        return frozenset(int(self.places.zone[host]) for host in hosts)

    def admits(self, domain: int, host: int) -> bool:
        """Whether the rule lets the domain set out for the host now."""
        before = self.places.zones[domain]
        zones = before | self.zones((host,))
        if zones == before:
            return True
        self.places.put(domain, zones)
        broken = next(self.broken(domain, zones - before), None)
        self.places.put(domain, before)
        return broken is None

    def broken(self, domain: int, zones: Zones) -> Iterator[int]:
        """What is worse than its bound now that the domain may be in these zones, too."""
        return (element for element in self.elements(domain, zones) if self.worst(element) > self.bound(element))

    def bound(self, element: int) -> float:
        """The limit, or what stood at the start if that was worse: no move makes it worse still."""
        found = self._bound.get(element)
        return self.limit(element) if found is None else found

    def begin(self, placement: IntArray | None) -> None:
        """Sets the bounds; to be called before any move. Of some rules they are eased where no order of the moves to a
        placement keeps them, one move at a time: by as much as the mildest order needs."""
        everywhere = self.everything()
        for element in everywhere:
            self._bound[element] = max(self.limit(element), self.worst(element))
        if placement is None:
            return
        moves: dict[int, tuple[Zones, Zones]] = {}
        for domain in self._concerned():
            source, target = self.places.zones[domain], self.zones((int(placement[domain]),))
            if source != target:
                moves[domain] = (source, target)
        self._ease(everywhere, moves)

    def _concerned(self) -> Iterator[int]:
        return (int(domain) for domain in np.flatnonzero(self.places.group >= 0))

    def everything(self) -> set[int]:
        """All elements."""
        return {each for domain in self._concerned() for each in self.elements(domain, self.places.zones[domain])}

    def _ease(self, elements: Iterable[int], moves: dict[int, tuple[Zones, Zones]]) -> None:
        of_group: dict[int, list[int]] = {}
        for domain in moves:
            of_group.setdefault(int(self.places.group[domain]), []).append(domain)
        for element in elements:
            movers = [domain for group in self.eased_for(element) for domain in of_group.get(group, ())]
            if movers:
                self._bound[element] = max(self._bound[element], self._peak(element, movers, moves))

    def _peak(self, element: int, movers: list[int], moves: dict[int, tuple[Zones, Zones]]) -> float:
        """How bad an element gets in the mildest order of moves; its bound where any order will do."""
        for domain in movers:
            self.places.put(domain, moves[domain][0] | moves[domain][1])
        peak = self._bound[element]
        anyhow = self.worst(element) <= peak
        for domain in movers:
            self.places.put(domain, moves[domain][0])
        if anyhow:
            return peak
        movers.sort(key=lambda domain: (min(moves[domain][1]), domain))
        if len(movers) <= _MOST_ORDERED:
            return self._mildest(element, movers, moves, peak)
        for domain in movers:
            peak = max(peak, self._during(element, domain, moves))
            self.places.put(domain, moves[domain][1])
        for domain in movers:
            self.places.put(domain, moves[domain][0])
        return peak

    def _mildest(
        self, element: int, movers: Sequence[int], moves: dict[int, tuple[Zones, Zones]], bound: float
    ) -> float:
        """The least peak over all orders, by sets of moves that have been made (of which only few are reached)."""
        peaks = {0: bound}
        waiting = [(bound, 0, 0)]
        everything = (1 << len(movers)) - 1
        while waiting:
            peak, _, made = heappop(waiting)
            if made == everything:
                break
            self._stand(movers, moves, made)
            for index, domain in enumerate(movers):
                after = made | 1 << index
                if after == made:
                    continue
                cost = max(peak, self._during(element, domain, moves))
                if cost < peaks.get(after, cost + 1):
                    peaks[after] = cost
                    heappush(waiting, (cost, -after.bit_count(), after))
        self._stand(movers, moves, 0)
        return peaks[everything]

    def _stand(self, movers: Sequence[int], moves: dict[int, tuple[Zones, Zones]], made: int) -> None:
        for index, domain in enumerate(movers):
            self.places.put(domain, moves[domain][made >> index & 1])

    def _during(self, element: int, domain: int, moves: dict[int, tuple[Zones, Zones]]) -> float:
        source, target = moves[domain]
        self.places.put(domain, source | target)
        worst = self.worst(element)
        self.places.put(domain, source)
        return worst

    def again(self) -> Watch:
        """The same rule with the same bounds, at the start."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.places = _Places(self.places.group, self.places.zone, self._start, self._groups)
        return other
