"""Rules on where the domains of groups stand to each other, in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rebalancer.placement.evaluators.groups import counted_zones, own_zones
from rebalancer.placement.explain.words import NameOf, domains_on, hosts_of, kind_of_zone
from rebalancer.placement.primitives import (
    GroupLeast,
    GroupMost,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    IntArray,
    Near,
)

__all__ = ["crowded", "gathered", "lonely", "meeting", "scattered", "uneven"]

_Broken = Iterator[tuple[float, str]]


def _counts(group: IntArray, zone: IntArray, placement: IntArray, groups: int = 0) -> IntArray:
    """int[G, Z]: the domains of each group in each zone."""
    at = zone[placement]
    shape = (max(groups, int(group.max(initial=-1)) + 1), int(zone.max(initial=-1)) + 1)
    counts = np.zeros(shape, dtype=np.int64)
    counted = (group >= 0) & (at >= 0)
    np.add.at(counts, (group[counted], at[counted]), 1)
    return counts


def _chosen(broken: IntArray, group: IntArray, domain: int | None) -> Iterator[int]:
    """The groups that are broken; only the domain's own, where one is given."""
    return (int(g) for g in broken if domain is None or g == group[domain])


def crowded(
    most: GroupMost, hosts: tuple[str, ...], placement: IntArray, name: NameOf, domain: int | None = None
) -> _Broken:
    counts = most.fixed.astype(np.int64).copy()
    at = most.zone[placement]
    counted = (most.group >= 0) & (at >= 0)
    np.add.at(counts, (most.group[counted], at[counted]), 1)
    for group, zone in np.argwhere(counts > most.most):
        if domain is None or group == most.group[domain]:
            members = np.flatnonzero((most.group == group) & (at == zone))
            names = domains_on(members, placement, hosts, name)
            surplus = float(counts[group, zone] - most.most)
            yield surplus, f"together: {names}" if names else "more definitions than allowed"


def scattered(
    span: GroupSpan, hosts: tuple[str, ...], placement: IntArray, name: NameOf, domain: int | None = None
) -> _Broken:
    zone, number = counted_zones(span.zone, alone=span.alone)
    used = (_counts(span.group, zone, placement)[:, :number] > 0).sum(axis=1)
    for group in _chosen(np.flatnonzero(used > span.most), span.group, domain):
        members = np.flatnonzero((span.group == group) & (zone[placement] < number))
        names = domains_on(members, placement, hosts, name)
        text = f"on {kind_of_zone(zone[zone < number], int(used[group]))}, at most {span.most} allowed: {names}"
        yield float(used[group] - span.most), text


def gathered(
    least: GroupLeast, hosts: tuple[str, ...], placement: IntArray, name: NameOf, domain: int | None = None
) -> _Broken:
    zone = own_zones(least.zone)
    used = (_counts(least.group, zone, placement, len(least.least)) > 0).sum(axis=1)
    for group in _chosen(np.flatnonzero((used > 0) & (used < least.least)), least.group, domain):
        names = domains_on(np.flatnonzero(least.group == group), placement, hosts, name)
        text = f"on {kind_of_zone(zone, int(used[group]))}, at least {least.least[group]} wanted: {names}"
        yield float(least.least[group] - used[group]), text


def uneven(
    skew: GroupSkew, hosts: tuple[str, ...], placement: IntArray, name: NameOf, domain: int | None = None
) -> _Broken:
    counts = _counts(skew.group, skew.zone, placement)
    if counts.shape[1] == 0:
        return
    difference = counts.max(axis=1) - counts.min(axis=1)
    for group in _chosen(np.flatnonzero(difference > skew.most), skew.group, domain):
        high, low = int(counts[group].argmax()), int(counts[group].argmin())
        names = domains_on(
            np.flatnonzero((skew.group == group) & (skew.zone[placement] == high)), placement, hosts, name
        )
        here, there = hosts_of(high, skew.zone, hosts), hosts_of(low, skew.zone, hosts)
        text = (
            f"{counts[group, high]} on {here} and {counts[group, low]} on {there}, {skew.most} apart allowed: {names}"
        )
        yield float(difference[group] - skew.most), text


def meeting(apart: GroupsApart, hosts: tuple[str, ...], placement: IntArray, name: NameOf) -> _Broken:
    zone = own_zones(apart.zone)
    at = zone[placement]
    kinds = (_counts(apart.group, zone, placement) > 0).sum(axis=0)
    for each in np.flatnonzero(kinds > apart.most):
        members = np.flatnonzero((at == each) & (apart.group >= 0))
        # One of each group: they are who meets.
        first = members[np.sort(np.unique(apart.group[members], return_index=True)[1])]
        groups = "groups" if apart.most == 1 else f"groups, {apart.most} allowed"
        text = f"{kinds[each]} {groups} meet: {domains_on(first, placement, hosts, name)}"
        yield float(kinds[each] - apart.most), text


def lonely(near: Near, hosts: tuple[str, ...], placement: IntArray, name: NameOf, domain: int | None = None) -> _Broken:
    zone = own_zones(near.zone)
    at = zone[placement]
    counts = _counts(near.group, zone, placement, int(near.pairs.max(initial=-1)) + 1)
    first, second = near.pairs[:, 0], near.pairs[:, 1]
    alone = (counts[first] > 0) & (counts[second] == 0) & (first != second)[:, None]
    if domain is not None:
        alone &= ((first == near.group[domain]) | (second == near.group[domain]))[:, None]
    for pair, where in np.argwhere(alone):
        needed = np.flatnonzero(near.group == second[pair])
        others = domains_on(needed, placement, hosts, name) if len(needed) else "there is none"
        for d in np.flatnonzero((near.group == first[pair]) & (at == where)):
            yield 1.0, f"'{name(int(d))}' on {hosts[placement[d]]} is far from all that it needs: {others}"
