"""Groups of domains over zones of hosts, counted once for all rules that ask, and the rules."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from rebalancer.placement.evaluators.groups import own_zones
from rebalancer.placement.kernels import layout as at
from rebalancer.placement.packing.tables import Tables
from rebalancer.placement.primitives import (
    GroupLeast,
    GroupMost,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    IntArray,
    Near,
)
from rebalancer.placement.problem import Term
from rebalancer.values import dataclass

__all__ = ["Counting", "counting_of", "term_fields"]

_SMALL_GROUP = 16
"""The members of a group up to this size are looked through; counts of larger ones are kept."""
_SMALL_TABLE = 500_000


@dataclass
class Counting:
    """A grouping of domains over a zoning of hosts, with all rules that ask for its counts."""

    group: IntArray
    zone: IntArray
    groups: int
    start: IntArray
    fixed: IntArray | None = None
    key: object = None
    used: bool = False
    kinds: bool = False
    dense: bool = False
    bounded: set[int] = field(default_factory=set)
    index: int = -1
    row: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def zones(self) -> int:
        return int(self.zone.max(initial=-1)) + 1

    def count(self, groups: IntArray) -> IntArray:
        """int[len(groups), ZONES]: how many domains of these groups stand where at the start."""
        rows = np.full(self.groups + 1, -1, dtype=np.int64)
        rows[groups] = np.arange(len(groups))
        count = np.zeros((len(groups), self.zones), dtype=np.int64)
        if self.fixed is not None:
            known = groups[groups < len(self.fixed)]
            count[: len(known), : self.fixed.shape[1]] += self.fixed[known]
        row, place = rows[self.group], self.zone[self.start]
        member = (row >= 0) & (place >= 0)
        np.add.at(count, (row[member], place[member]), 1)
        return count

    def sparse(self) -> tuple[IntArray, IntArray, IntArray]:
        """Groups, zones and counts, where any domain of a group stands at the start."""
        place = self.zone[self.start]
        member = (self.group >= 0) & (place >= 0)
        found, count = np.unique(self.group[member] * max(self.zones, 1) + place[member], return_counts=True)
        return found // max(self.zones, 1), found % max(self.zones, 1), count

    def take(self, term: Term) -> None:
        match term.primitive:
            case GroupSpan() | GroupLeast():
                self.used = True
            case GroupsApart():
                self.kinds = True
            case GroupSkew():
                self.dense = True
            case GroupMost() as most:
                group, _, count = self.sparse()
                self.bounded |= set(group[count > most.most].tolist())
            case _:
                pass

    def added(self, tables: Tables) -> list[int]:
        size = np.bincount(self.group[self.group >= 0], minlength=self.groups)
        kept = size > _SMALL_GROUP
        if self.dense or self.groups * self.zones <= _SMALL_TABLE:
            kept[:] = True
        kept[list(self.bounded)] = True
        if self.fixed is not None:
            kept[: len(self.fixed)] |= self.fixed.any(axis=1)
        groups = np.flatnonzero(kept)
        self.row = np.full(max(self.groups, 1), -1, dtype=np.int64)
        self.row[groups] = np.arange(len(groups))
        found, _, _ = self.sparse()
        order = np.argsort(self.group, kind="stable")
        members = order[self.group[order] >= 0]
        first = np.concatenate([[0], np.cumsum(size)])
        fields = [0] * at.COUNTING_WIDTH
        fields[at.GROUP] = tables.ci.add(self.group)
        fields[at.ZONE] = tables.ci.add(self.zone)
        fields[at.ZONES], fields[at.GROUPS] = self.zones, self.groups
        fields[at.DENSE] = tables.ci.add(self.row)
        fields[at.COUNT] = tables.si.add(self.count(groups))
        fields[at.MEMBER_FIRST] = tables.ci.add(first)
        fields[at.MEMBER] = tables.ci.add(members)
        fields[at.USED] = tables.si.add(np.bincount(found, minlength=self.groups)) if self.used else -1
        fields[at.KINDS] = tables.si.add(np.bincount(self.sparse()[1], minlength=self.zones)) if self.kinds else -1
        return fields


def counting_of(term: Term, start: IntArray) -> Counting:
    primitive = term.primitive
    assert isinstance(primitive, GroupMost | GroupSpan | GroupLeast | GroupSkew | GroupsApart | Near)  # noqa: S101
    raw = isinstance(primitive, GroupMost | GroupSkew) or (isinstance(primitive, GroupSpan) and not primitive.alone)
    zone = np.asarray(primitive.zone if raw else own_zones(primitive.zone), dtype=np.int64)
    groups = int(primitive.group.max(initial=-1)) + 1
    fixed = None
    match primitive:
        case GroupMost():
            groups = max(groups, len(primitive.fixed))
            fixed = primitive.fixed if primitive.fixed.any() else None
        case GroupLeast():
            groups = max(groups, len(primitive.least))
        case Near():
            groups = max(groups, int(primitive.pairs.max(initial=-1)) + 1)
        case _:
            pass
    group = np.asarray(primitive.group, dtype=np.int64)
    key = (group.tobytes(), zone.tobytes(), groups, None if fixed is None else fixed.tobytes())
    return Counting(group, zone, groups, start, fixed, key)


def term_fields(tables: Tables, term: Term, counting: Counting) -> list[int]:
    fields = [0] * at.TERM_WIDTH
    fields[at.TERM_COUNTING], fields[at.LEVEL] = counting.index, term.tier + 1
    found, zones, _ = counting.sparse()
    used = np.bincount(found, minlength=counting.groups)
    match term.primitive:
        case GroupMost() as most:
            fields[at.KIND], fields[at.MOST_ALLOWED] = at.MOST, most.most
            dense = np.flatnonzero(counting.row >= 0)
            fields[at.BOUND] = tables.ci.add(np.maximum(counting.count(dense), most.most)) if term.hard else 0
            tables.broken |= term.hard and bool((counting.count(dense) > most.most).any())
        case GroupSpan() as span:
            fields[at.KIND], fields[at.MOST_ALLOWED] = at.SPAN, span.most
            fields[at.BOUND] = tables.ci.add(np.maximum(used, span.most))
            tables.broken |= term.hard and bool((used > span.most).any())
        case GroupLeast() as least:
            fields[at.KIND] = at.LEAST
            wanted = np.zeros(counting.groups, dtype=np.int64)
            wanted[: len(least.least)] = least.least
            fields[at.LEAST_WANTED] = tables.ci.add(wanted)
            fields[at.BOUND] = tables.ci.add(np.minimum(used, wanted))
            tables.broken |= term.hard and bool(((used < wanted) & (used > 0)).any())
        case GroupSkew() as skew:
            fields[at.KIND], fields[at.MOST_ALLOWED] = at.SKEW, skew.most
            counts = counting.count(np.arange(counting.groups))
            spread = counts.max(axis=1) - counts.min(axis=1) if counts.shape[1] else np.zeros(len(counts))
            fields[at.BOUND] = tables.ci.add(np.maximum(spread, skew.most))
            tables.broken |= term.hard and bool((spread > skew.most).any())
        case GroupsApart() as apart:
            fields[at.KIND], fields[at.MOST_ALLOWED] = at.APART, apart.most
            kinds = np.bincount(zones, minlength=counting.zones)
            fields[at.BOUND] = tables.ci.add(np.maximum(kinds, apart.most))
            tables.broken |= term.hard and bool((kinds > apart.most).any())
        case Near() as near:
            fields[at.KIND] = at.NEAR
            lonely = _add_pairs(tables, near, counting, fields)
            tables.broken |= term.hard and lonely
        case _:
            pass
    return fields


def _add_pairs(tables: Tables, near: Near, counting: Counting, fields: list[int]) -> bool:
    """Whether any domain is lonely at the start."""
    pairs = near.pairs[near.pairs[:, 0] != near.pairs[:, 1]]
    group, zone, count = counting.sparse()
    at_zone: dict[int, dict[int, int]] = {}
    for g, z, n in zip(group.tolist(), zone.tolist(), count.tolist(), strict=True):
        at_zone.setdefault(g, {})[z] = n
    lonely = [
        sum(n for z, n in at_zone.get(first, {}).items() if z not in at_zone.get(second, {}))
        for first, second in pairs.tolist()
    ]
    fields[at.BOUND], fields[at.LONELY] = tables.ci.add(lonely), tables.si.add(lonely)
    for side, first, table in ((0, at.NEEDS_FIRST, at.NEEDS), (1, at.SERVES_FIRST, at.SERVES)):
        order = np.argsort(pairs[:, side], kind="stable")
        number = np.bincount(pairs[:, side], minlength=counting.groups)
        fields[first] = tables.ci.add(np.concatenate([[0], np.cumsum(number)]))
        fields[table] = tables.ci.add(np.column_stack([order, pairs[order, 1 - side]]))
    return any(lonely)
