"""The hard rules on where domains stand, in plain Python from what each says: by how much is which element broken?

Elements: a domain, a group in a zone, a group, a pair of groups, a zone. 0: kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeAlias

from rebalancer.placement.primitives import (
    AllowedHosts,
    GroupLeast,
    GroupMost,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    Near,
    Primitive,
)

__all__ = ["Amounts", "amounts", "concerned", "is_followed"]

Amounts: TypeAlias = Mapping[Hashable, int]
Placement: TypeAlias = Sequence[int]
"""The host (index) of each domain."""


def is_followed(rule: Primitive) -> bool:
    """Whether :func:`amounts` knows it. Capacity is followed apart; room kept for failures may be used for moving."""
    return isinstance(rule, AllowedHosts | GroupMost | GroupSpan | GroupLeast | GroupSkew | GroupsApart | Near)


def concerned(rule: Primitive, domain: int) -> bool:
    """Whether it matters to the rule where the domain is."""
    match rule:
        case AllowedHosts():
            return bool(rule.mask[domain] >= 0)
        case GroupMost() | GroupSpan() | GroupLeast() | GroupSkew() | GroupsApart() | Near():
            return bool(rule.group[domain] >= 0)
        case _:
            return False


def amounts(rule: Primitive, placement: Placement) -> Amounts:
    """How far each element is beyond what the rule allows; elements that keep it may be left out."""
    match rule:
        case AllowedHosts():
            return _allowed_hosts(rule, placement)
        case GroupMost():
            return _group_most(rule, placement)
        case GroupSpan():
            return _beyond(_zones_of_groups(rule, placement), lambda zones, _: len(zones) - rule.most)
        case GroupLeast():
            return _beyond(_zones_of_groups(rule, placement), lambda zones, group: int(rule.least[group]) - len(zones))
        case GroupSkew():
            return _group_skew(rule, placement)
        case GroupsApart():
            return _groups_apart(rule, placement)
        case Near():
            return _near(rule, placement)
        case _:
            raise TypeError(rule)


def _zone(rule: GroupSpan | GroupLeast | GroupsApart | Near, host: int) -> int:
    """A host without a zone is one of its own."""
    return int(rule.zone[host]) if rule.zone[host] >= 0 else -1 - host


def _allowed_hosts(rule: AllowedHosts, placement: Placement) -> Amounts:
    return {
        domain: 1
        for domain, host in enumerate(placement)
        if rule.mask[domain] >= 0 and not rule.masks[rule.mask[domain], host]
    }


def _group_most(rule: GroupMost, placement: Placement) -> Amounts:
    found: Counter[tuple[int, int]] = Counter()
    for domain, host in enumerate(placement):
        if rule.group[domain] >= 0 and rule.zone[host] >= 0:
            found[int(rule.group[domain]), int(rule.zone[host])] += 1
    return {place: number + int(rule.fixed[place]) - rule.most for place, number in found.items()}


def _zones_of_groups(rule: GroupSpan | GroupLeast, placement: Placement) -> dict[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for domain, host in enumerate(placement):
        if rule.group[domain] >= 0:
            found[int(rule.group[domain])].add(_zone(rule, host))
    return found


def _beyond(zones: Mapping[int, set[int]], amount: Callable[[set[int], int], int]) -> Amounts:
    return {group: amount(found, group) for group, found in zones.items()}


def _group_skew(rule: GroupSkew, placement: Placement) -> Amounts:
    zones = {int(zone) for zone in rule.zone if zone >= 0}
    found: dict[int, Counter[int]] = defaultdict(Counter)
    for domain, host in enumerate(placement):
        if rule.group[domain] >= 0 and rule.zone[host] >= 0:
            found[int(rule.group[domain])][int(rule.zone[host])] += 1
    return {
        group: max(numbers[zone] for zone in zones) - min(numbers[zone] for zone in zones) - rule.most
        for group, numbers in found.items()
    }


def _groups_apart(rule: GroupsApart, placement: Placement) -> Amounts:
    found: dict[int, set[int]] = defaultdict(set)
    for domain, host in enumerate(placement):
        if rule.group[domain] >= 0:
            found[_zone(rule, host)].add(int(rule.group[domain]))
    return {zone: len(groups) - rule.most for zone, groups in found.items()}


def _near(rule: Near, placement: Placement) -> Amounts:
    zones: dict[int, list[int]] = defaultdict(list)
    for domain, host in enumerate(placement):
        if rule.group[domain] >= 0:
            zones[int(rule.group[domain])].append(_zone(rule, host))
    found: dict[Hashable, int] = {}
    for first, second in rule.pairs.tolist():
        if first != second:
            found[first, second] = sum(zone not in zones[second] for zone in zones[first])
    return found
