"""Rules on where the domains of a group stand to each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import product
from math import prod

from rebalancer.placement.evaluators.groups import counted_zones, own_zones
from rebalancer.placement.primitives import GroupLeast, GroupsApart, GroupSkew, GroupSpan, IntArray, Near
from rebalancer.plan.watches.base import Watch, Zones

__all__ = ["ApartWatch", "LeastWatch", "NearWatch", "SkewWatch", "SpanWatch"]

_MOST_IMAGINED = 64
"""Combinations of ends that are looked at one by one; where there are more, moving domains are taken to help nobody."""


class SpanWatch(Watch):
    """The zones of a group."""

    def __init__(self, rule: GroupSpan, start: IntArray) -> None:
        zone, number = counted_zones(rule.zone, alone=rule.alone)
        super().__init__(rule.group, zone, start)
        self._most, self._eased = rule.most, rule.eased
        # Where nobody counts, if there is such a zone.
        self._nowhere = frozenset(zone[zone >= number].tolist())

    def worst(self, element: int) -> int:
        settled = self.places.settled[element].keys() - self._nowhere
        # Each moving domain opens one zone at most: as many different ones as can be matched to them.
        taken: dict[int, int] = {}
        moving = self.places.moving[element]
        return len(settled) + sum(_match(domain, moving, settled | self._nowhere, taken, set()) for domain in moving)

    def limit(self, element: int) -> int:  # noqa: ARG002
        return self._most

    def eased_for(self, element: int) -> Sequence[int]:
        return (element,) if self._eased else ()


def _match(domain: int, moving: Mapping[int, Zones], closed: Set[int], taken: dict[int, int], seen: set[int]) -> bool:
    """Finds the domain a zone that is neither closed nor another's, who may have to take another one instead."""
    for zone in moving[domain] - closed - seen:
        seen.add(zone)
        if zone not in taken or _match(taken[zone], moving, closed, taken, seen):
            taken[zone] = domain
            return True
    return False


class LeastWatch(Watch):
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


class SkewWatch(Watch):
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


class NearWatch(Watch):
    """The domains of a pair's first group that may have none of the second in their zone."""

    def __init__(self, rule: Near, start: IntArray) -> None:
        self._pairs = [(int(first), int(second)) for first, second in rule.pairs if first != second]
        super().__init__(rule.group, own_zones(rule.zone), start, int(rule.pairs.max(initial=-1)) + 1)
        self._of_group: dict[int, list[int]] = {}
        for index, pair in enumerate(self._pairs):
            for group in pair:
                self._of_group.setdefault(group, []).append(index)

    def elements(self, domain: int, zones: Zones) -> Iterable[int]:  # noqa: ARG002
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

    def _lonely(self, group: int, served: Zones) -> int:
        settled = sum(number for zone, number in self.places.settled[group].items() if zone not in served)
        return settled + sum(not zones <= served for zones in self.places.moving[group].values())

    def limit(self, element: int) -> int:  # noqa: ARG002
        return 0


class ApartWatch(Watch):
    """The groups in a zone. Here a moving domain is at both ends: it meets others at either."""

    def __init__(self, rule: GroupsApart, start: IntArray) -> None:
        super().__init__(rule.group, own_zones(rule.zone), start)
        self._most = rule.most

    def elements(self, domain: int, zones: Zones) -> Iterable[int]:  # noqa: ARG002
        return zones

    def left(self, domain: int, source: int) -> Iterable[int]:  # noqa: ARG002
        return self.zones((source,))

    def worst(self, element: int) -> int:
        return len(self.places.guests.get(element, ()))

    def limit(self, element: int) -> int:  # noqa: ARG002
        return self._most
