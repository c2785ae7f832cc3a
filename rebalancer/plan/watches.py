"""Rules on where the domains of a group stand, followed while domains move.

A domain on the move runs at one of its two ends, and nobody knows which at a given moment. So a rule counts as kept if
it is kept whichever end each such domain is at. Every rule has *elements* that it is kept or broken for one by one (a
group, a pair of groups, a zone), and says how bad each is at worst; what is allowed is its bound.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from heapq import heappop, heappush
from itertools import product
from math import prod

import numpy as np

from rebalancer.placement.evaluators.groups import own_zones
from rebalancer.placement.primitives import (
    GroupLeast,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    IntArray,
    Near,
    Primitive,
)

__all__ = ["Watch", "watch"]

_MOST_ORDERED = 8
"""Of how many moves the mildest order is looked for; more are taken as they come, destination by destination."""

_MOST_IMAGINED = 64
"""Combinations of ends that are looked at one by one; where there are more, moving domains are taken to help nobody."""

_Zones = frozenset[int]


class _Places:
    """In which zones the domains of each group may be now."""

    def __init__(self, group: IntArray, zone: IntArray, start: IntArray, groups: int) -> None:
        self.group = group
        self.zone = zone
        self.zones: list[_Zones] = [frozenset()] * len(group)
        """Of each domain."""
        self.settled: list[dict[int, int]] = [{} for _ in range(groups)]
        """Of each group: zone → number of domains that are there for certain."""
        self.moving: list[dict[int, _Zones]] = [{} for _ in range(groups)]
        """Of each group: domain → where it may be, of those that may be in several zones."""
        self.guests: dict[int, dict[int, int]] = {}
        """zone → group → number of domains that may be there."""
        for domain in np.flatnonzero(group >= 0):
            self.put(int(domain), frozenset((int(zone[start[domain]]),)))

    def put(self, domain: int, zones: _Zones) -> None:
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
        self._bound: dict[int, int] = {}

    @abstractmethod
    def worst(self, element: int) -> int:
        """How bad the element is, whichever end each moving domain is at."""

    @abstractmethod
    def limit(self, element: int) -> int:
        """How bad the rule lets it be."""

    def elements(self, domain: int, zones: _Zones) -> Iterable[int]:  # noqa: ARG002
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

    def zones(self, hosts: Iterable[int]) -> _Zones:
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

    def broken(self, domain: int, zones: _Zones) -> Iterator[int]:
        """What is worse than its bound now that the domain may be in these zones, too."""
        return (element for element in self.elements(domain, zones) if self.worst(element) > self.bound(element))

    def bound(self, element: int) -> int:
        """The limit, or what stood at the start if that was worse: no move makes it worse still."""
        found = self._bound.get(element)
        return self.limit(element) if found is None else found

    def begin(self, placement: IntArray | None) -> None:
        """Sets the bounds; to be called before any move. Of some rules they are eased where no order of the moves to a
        placement keeps them, one move at a time: by as much as the mildest order needs."""
        everywhere = {element for domain in self._concerned() for element in self._all_elements(domain)}
        for element in everywhere:
            self._bound[element] = max(self.limit(element), self.worst(element))
        if placement is None:
            return
        moves: dict[int, tuple[_Zones, _Zones]] = {}
        for domain in self._concerned():
            source, target = self.places.zones[domain], self.zones((int(placement[domain]),))
            if source != target:
                moves[domain] = (source, target)
        self._ease(everywhere, moves)

    def _concerned(self) -> Iterator[int]:
        return (int(domain) for domain in np.flatnonzero(self.places.group >= 0))

    def _all_elements(self, domain: int) -> Iterable[int]:
        return self.elements(domain, self.places.zones[domain])

    def _ease(self, elements: Iterable[int], moves: dict[int, tuple[_Zones, _Zones]]) -> None:
        of_group: dict[int, list[int]] = {}
        for domain in moves:
            of_group.setdefault(int(self.places.group[domain]), []).append(domain)
        for element in elements:
            movers = [domain for group in self.eased_for(element) for domain in of_group.get(group, ())]
            if movers:
                self._bound[element] = max(self._bound[element], self._peak(element, movers, moves))

    def _peak(self, element: int, movers: list[int], moves: dict[int, tuple[_Zones, _Zones]]) -> int:
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

    def _mildest(self, element: int, movers: Sequence[int], moves: dict[int, tuple[_Zones, _Zones]], bound: int) -> int:
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

    def _stand(self, movers: Sequence[int], moves: dict[int, tuple[_Zones, _Zones]], made: int) -> None:
        for index, domain in enumerate(movers):
            self.places.put(domain, moves[domain][made >> index & 1])

    def _during(self, element: int, domain: int, moves: dict[int, tuple[_Zones, _Zones]]) -> int:
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


class _Span(Watch):
    """The zones of a group."""

    def __init__(self, rule: GroupSpan, start: IntArray) -> None:
        super().__init__(rule.group, own_zones(rule.zone), start)
        self._most = rule.most

    def worst(self, element: int) -> int:
        settled = self.places.settled[element]
        # Each moving domain opens one zone at most: as many different ones as can be matched to them.
        taken: dict[int, int] = {}
        moving = self.places.moving[element]
        return len(settled) + sum(_match(domain, moving, settled.keys(), taken, set()) for domain in moving)

    def limit(self, element: int) -> int:  # noqa: ARG002
        return self._most

    def eased_for(self, element: int) -> Sequence[int]:
        return (element,)


def _match(domain: int, moving: Mapping[int, _Zones], closed: Set[int], taken: dict[int, int], seen: set[int]) -> bool:
    """Finds the domain a zone that is neither closed nor another's, who may have to take another one instead."""
    for zone in moving[domain] - closed - seen:
        seen.add(zone)
        if zone not in taken or _match(taken[zone], moving, closed, taken, seen):
            taken[zone] = domain
            return True
    return False


class _Least(Watch):
    """The zones of a group, as a negative number."""

    def __init__(self, rule: GroupLeast, start: IntArray) -> None:
        super().__init__(rule.group, own_zones(rule.zone), start, len(rule.least))
        self._least = rule.least

    def worst(self, element: int) -> int:
        sure = set(self.places.settled[element])
        number = len(sure)
        for zones in self.places.moving[element].values():
            if sure.isdisjoint(zones):
                # Wherever it is, it is in a zone that none of the others counts for.
                number += 1
                sure |= zones
        return -number

    def limit(self, element: int) -> int:
        return -int(self._least[element])


class _Skew(Watch):
    """By how many domains of a group one zone is ahead of another."""

    def __init__(self, rule: GroupSkew, start: IntArray) -> None:
        super().__init__(rule.group, rule.zone, start)
        self._most = rule.most
        self._number = int(rule.zone.max(initial=-1)) + 1

    def worst(self, element: int) -> int:
        if self._number < 2:
            return 0
        settled = self.places.settled[element]
        low = [settled.get(zone, 0) for zone in range(self._number)]
        high = list(low)
        for zones in self.places.moving[element].values():
            for zone in zones - {-1}:
                high[zone] += 1
        least = sorted(range(self._number), key=low.__getitem__)[:2]
        return max(high[zone] - low[least[1] if zone == least[0] else least[0]] for zone in range(self._number))

    def limit(self, element: int) -> int:  # noqa: ARG002
        return self._most


class _Near(Watch):
    """The domains of a pair's first group that may have none of the second in their zone."""

    def __init__(self, rule: Near, start: IntArray) -> None:
        self._pairs = [(int(first), int(second)) for first, second in rule.pairs if first != second]
        super().__init__(rule.group, own_zones(rule.zone), start, int(rule.pairs.max(initial=-1)) + 1)
        self._of_group: dict[int, list[int]] = {}
        for index, pair in enumerate(self._pairs):
            for group in pair:
                self._of_group.setdefault(group, []).append(index)

    def elements(self, domain: int, zones: _Zones) -> Iterable[int]:  # noqa: ARG002
        return self._of_group.get(int(self.places.group[domain]), ())

    def left(self, domain: int, source: int) -> Iterable[int]:  # noqa: ARG002
        return self._of_group.get(int(self.places.group[domain]), ())

    def eased_for(self, element: int) -> Sequence[int]:
        return self._pairs[element]

    def worst(self, element: int) -> int:
        first, second = self._pairs[element]
        sure, moving = frozenset(self.places.settled[second]), tuple(self.places.moving[second].values())
        if prod(map(len, moving)) > _MOST_IMAGINED:
            return self._lonely(first, sure)
        return max(self._lonely(first, sure.union(ends)) for ends in product(*moving))

    def _lonely(self, group: int, served: _Zones) -> int:
        settled = sum(number for zone, number in self.places.settled[group].items() if zone not in served)
        return settled + sum(not zones <= served for zones in self.places.moving[group].values())

    def limit(self, element: int) -> int:  # noqa: ARG002
        return 0


class _Apart(Watch):
    """The groups in a zone. Here a moving domain is at both ends: it meets others at either."""

    def __init__(self, rule: GroupsApart, start: IntArray) -> None:
        super().__init__(rule.group, own_zones(rule.zone), start)
        self._most = rule.most

    def elements(self, domain: int, zones: _Zones) -> Iterable[int]:  # noqa: ARG002
        return zones

    def left(self, domain: int, source: int) -> Iterable[int]:  # noqa: ARG002
        return self.zones((source,))

    def worst(self, element: int) -> int:
        return len(self.places.guests.get(element, ()))

    def limit(self, element: int) -> int:  # noqa: ARG002
        return self._most


def watch(rule: Primitive, start: IntArray, placement: IntArray | None = None) -> Watch | None:
    """A rule on groups, followed from ``start``; None for a rule of another kind.

    ``placement``: where the moves lead. Without it no bound is eased.
    """
    found: Watch
    match rule:
        case GroupSpan():
            found = _Span(rule, start)
        case GroupLeast():
            found = _Least(rule, start)
        case GroupSkew():
            found = _Skew(rule, start)
        case Near():
            found = _Near(rule, start)
        case GroupsApart():
            found = _Apart(rule, start)
        case _:
            return None
    found.begin(placement)
    return found
