"""What every host holds at a moment of a plan: capacity, groups and names. A domain on the move counts on both ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rebalancer.cluster import Cluster
from rebalancer.placement.primitives import AllowedHosts, Capacity, GroupMost, IntArray
from rebalancer.placement.problem import Problem
from rebalancer.plan.watches import Watch, watch
from rebalancer.values import dataclass

__all__ = ["Claim", "Ledger", "Leg"]

_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Leg:
    """A domain (by index) that goes from one host to another."""

    domain: int
    source: int
    destination: int

    def reversed(self) -> Leg:
        return replace(self, source=self.destination, destination=self.source)


@dataclass(frozen=True, eq=False)
class _Groups:
    """A rule on groups, and who of each group holds a place in each zone now."""

    group: list[int]
    zone: list[int]
    holders: dict[tuple[int, int], dict[int, int]]
    bound: dict[tuple[int, int], int]

    def place(self, domain: int, host: int) -> tuple[int, int] | None:
        group, zone = self.group[domain], self.zone[host]
        return None if group < 0 or zone < 0 else (group, zone)


class Claim(NamedTuple):
    """An amount of something that is limited: ``key`` says of what."""

    key: tuple[str | int, ...]
    amount: float
    bound: float


class Ledger:
    """Mutable. ``arrive`` and ``depart`` book a domain in and out of a host; ``fits`` asks before.

    Bounds are the hard rules' own, or where things stood at the start if that was beyond them, so that a plan repairs
    what is broken without ever making it worse on the way. Rules on where the domains of groups stand to each other
    are followed by :mod:`~rebalancer.plan.watches`; those that cannot hold while the domains move one by one to
    ``placement`` (a group that is kept together and changes hosts) are eased, as little as it takes.
    """

    def __init__(self, cluster: Cluster, problem: Problem, placement: IntArray | None = None) -> None:
        terms = [term for term in problem.terms if term.hard and term.continuous]
        rules = [term.primitive for term in terms]
        capacities = [rule for rule in rules if isinstance(rule, Capacity) and np.isfinite(rule.limit).any()]
        self.start: list[int] = [int(host) for host in problem.start]
        self.resources = tuple(capacity.resource for capacity in capacities)
        self._book_capacities(capacities, len(problem.hosts))
        self._allowed = [(t.primitive, t.physical) for t in terms if isinstance(t.primitive, AllowedHosts)]
        host_index = {name: i for i, name in enumerate(problem.hosts)}
        self._book_names(cluster, problem, host_index)
        self._groups = [self._book_groups(rule) for rule in rules if isinstance(rule, GroupMost)]
        found = (watch(rule, problem.start, placement) for rule in rules)
        self.watches: tuple[Watch, ...] = tuple(each for each in found if each is not None)
        self._on: list[dict[int, int]] = [{host: 1} for host in self.start]
        self._ruled = self._find_ruled(len(self.start))

    def _book_capacities(self, capacities: list[Capacity], hosts: int) -> None:
        rows, domains = len(capacities), len(self.start)
        demand = np.array([c.demand for c in capacities], dtype=np.float64).reshape(rows, domains)
        limit = np.array([c.limit for c in capacities], dtype=np.float64).reshape(rows, hosts)
        load = np.zeros((rows, hosts))
        for row in range(rows):
            np.add.at(load[row], self.start, demand[row])
        both_ends = np.array([capacity.both_ends for capacity in capacities], dtype=np.bool_).reshape(rows, 1)
        self.demand: list[tuple[float, ...]] = list(map(tuple, demand.T.tolist()))
        self._at_home: list[tuple[float, ...]] = list(map(tuple, np.where(both_ends, 0.0, demand).T.tolist()))
        self.load: list[list[float]] = load.T.tolist()
        self.bound: list[list[float]] = (np.maximum(limit, load) * (1 + _SLACK) + _SLACK).T.tolist()

    def _book_names(self, cluster: Cluster, problem: Problem, host_index: Mapping[str, int]) -> None:
        self._names: list[dict[str, int]] = [{} for _ in problem.hosts]
        self._left: dict[tuple[int, int], str] = {}
        """(domain, host) → the name of a definition of the domain that was left there, and is taken up when it comes;
        under any other name the host would refuse it."""
        self._kept: list[dict[str, int]] = [{} for _ in problem.hosts]
        """Of each host, the names of those, and whose they are."""
        index = {uuid: domain for domain, uuid in enumerate(problem.domains)}
        for domain in cluster.domains:
            host, known = host_index[domain.host], index.get(domain.uuid)
            if known is not None and not domain.state.active:
                self._left[known, host] = domain.name
                self._kept[host][domain.name] = known
            else:
                self._names[host][domain.name] = self._names[host].get(domain.name, 0) + 1

    def _book_groups(self, rule: GroupMost) -> _Groups:
        groups = _Groups(rule.group.tolist(), rule.zone.tolist(), {}, {})
        for domain, host in enumerate(self.start):
            place = groups.place(domain, host)
            if place is not None:
                groups.holders.setdefault(place, {})[domain] = 1
        for group, zone in np.ndindex(rule.fixed.shape):
            standing = len(groups.holders.get((group, zone), ())) + int(rule.fixed[group, zone])
            groups.bound[group, zone] = max(rule.most, standing) - int(rule.fixed[group, zone])
        return groups

    def _find_ruled(self, domains: int) -> list[bool]:
        ruled = [False] * domains
        for groups in self._groups:
            ruled = [known or group >= 0 for known, group in zip(ruled, groups.group, strict=True)]
        for each in self.watches:
            ruled = [known or each.concerns(domain) for domain, known in enumerate(ruled)]
        return ruled

    @property
    def has_rules(self) -> bool:
        """Whether any rule says where domains may stand to each other."""
        return bool(self._groups or self.watches)

    def is_ruled(self, domain: int) -> bool:
        return self._ruled[domain]

    def ties(self, domain: int) -> Iterator[tuple[str, int, int]]:
        """What the domain has in common with those whose places matter to its own."""
        for index, groups in enumerate(self._groups):
            if groups.group[domain] >= 0:
                yield "group", index, groups.group[domain]
        for index, each in enumerate(self.watches):
            if each.concerns(domain):
                yield "watch", index, 0

    def name_is_free(self, name: str, host: int, domain: int) -> bool:
        """Whether the domain may come to the host under this name."""
        return (
            not self._names[host].get(name)
            and self._kept[host].get(name, domain) == domain
            and self._left.get((domain, host), name) == name
        )

    def is_left(self, domain: int, host: int) -> bool:
        """Whether the host has a definition of the domain, so that it can come under that name only."""
        return (domain, host) in self._left

    def fits(self, domain: int, host: int) -> bool:
        """Whether the host can take the domain now, whatever its name."""
        return self.has_room(domain, host) and (not self._ruled[domain] or self.keeps_rules(domain, host))

    def has_room(self, domain: int, host: int) -> bool:
        for load, taken, bound in zip(self.load[host], self.taken(domain, host), self.bound[host], strict=True):
            if load + taken > bound:
                return False
        return True

    def keeps_rules(self, domain: int, host: int) -> bool:
        """Whether the rules on groups let the domain set out for the host now."""
        return not self._is_crowded(domain, host) and all(
            each.admits(domain, host) for each in self.watches if each.concerns(domain)
        )

    def taken(self, domain: int, host: int) -> tuple[float, ...]:
        """What the domain takes of each resource by coming to the host, and frees by leaving it.

        What counts on both ends of a move has never left the host that the domain started from.
        """
        return self._at_home[domain] if host == self.start[domain] else self.demand[domain]

    def allows(self, domain: int, host: int, *, lenient: bool = False) -> bool:
        """Whether the rules let the domain be on the host at all, even for a while.

        ``lenient``: a rule that the domain breaks where it starts may be broken on its way to where it holds, unless
        it says what hosts can do.
        """
        start = self.start[domain]
        return all(
            rule.mask[domain] < 0
            or rule.masks[rule.mask[domain], host]
            or (lenient and not physical and not rule.masks[rule.mask[domain], start])
            for rule, physical in self._allowed
        )

    def missing(self, domain: int, host: int) -> Iterator[tuple[str, float]]:
        """What the host lacks to take the domain now: (resource, amount)."""
        rows = zip(self.resources, self.load[host], self.taken(domain, host), self.bound[host], strict=True)
        for resource, load, taken, bound in rows:
            if load + taken > bound:
                yield resource, load + taken - bound

    def _is_crowded(self, domain: int, host: int) -> bool:
        for groups in self._groups:
            place = groups.place(domain, host)
            if place is None:
                continue
            holders = groups.holders.get(place, {})
            if domain not in holders and len(holders) >= groups.bound[place]:
                return True
        return False

    def claims(self, domain: int, host: int, *, standing: bool = False) -> Iterator[Claim]:
        """All that the domain takes by coming to the host, and how much of each there is in all. ``standing``: what it
        takes by having started there."""
        for row, amount in enumerate(self.demand[domain] if standing else self.taken(domain, host)):
            if amount:
                yield Claim(("capacity", row, host), amount, self.bound[host][row])
        for index, groups in enumerate(self._groups):
            place = groups.place(domain, host)
            if place is not None:
                yield Claim(("group", index, *place), 1.0, float(groups.bound[place]))

    def arrive(self, domain: int, host: int, name: str) -> None:
        load = self.load[host]
        for row, taken in enumerate(self.taken(domain, host)):
            load[row] += taken
        names = self._names[host]
        names[name] = names.get(name, 0) + 1
        if self._ruled[domain]:
            self.hold(domain, host, 1)

    def depart(self, domain: int, host: int, name: str) -> None:
        load = self.load[host]
        for row, taken in enumerate(self.taken(domain, host)):
            load[row] -= taken
        self._names[host][name] -= 1
        if self._ruled[domain]:
            self.hold(domain, host, -1)

    def move(self, leg: Leg, name: str) -> None:
        """Books a whole leg, made under this name."""
        self.arrive(leg.domain, leg.destination, name)
        self.depart(leg.domain, leg.source, name)

    def hold(self, domain: int, host: int, change: int) -> None:
        """Books a domain into (1) or out of (-1) a host for the rules on groups alone."""
        for groups in self._groups:
            place = groups.place(domain, host)
            if place is None:
                continue
            holders = groups.holders.setdefault(place, {})
            holders[domain] = holders.get(domain, 0) + change
            if holders[domain] == 0:
                del holders[domain]
        if self.watches:
            self._follow(domain, host, change)

    def _follow(self, domain: int, host: int, change: int) -> None:
        on = self._on[domain]
        on[host] = on.get(host, 0) + change
        if on[host] == 0:
            del on[host]
        for each in self.watches:
            if each.concerns(domain):
                each.places.put(domain, each.zones(on))
