"""What every host holds at a moment of a plan: capacity, groups and names. A domain on the move counts on both ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rebalancer.cluster import Cluster
from rebalancer.placement.primitives import AllowedHosts, BoolArray, Capacity, FloatArray, GroupMost, IntArray
from rebalancer.placement.problem import Problem
from rebalancer.plan.watches import Watch, watch

__all__ = ["Claim", "Ledger", "Leg"]


@dataclass(frozen=True, slots=True)
class Leg:
    """A domain (by index) that goes from one host to another, under ``name``; ``fixed_name``: the name must be free
    there, since it may not be changed on the way."""

    domain: int
    source: int
    destination: int
    name: str
    fixed_name: bool = False

    def reversed(self) -> Leg:
        return replace(self, source=self.destination, destination=self.source)


@dataclass(frozen=True, eq=False)
class _Groups:
    """A rule on groups, and who of each group holds a place in each zone now."""

    rule: GroupMost
    holders: dict[tuple[int, int], dict[int, int]]
    bound: dict[tuple[int, int], int]


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
        capacities = [rule for rule in rules if isinstance(rule, Capacity)]
        hosts, domains = len(problem.hosts), len(problem.domains)
        self.resources = tuple(capacity.resource for capacity in capacities)
        self.demand: FloatArray = np.array([c.demand for c in capacities], dtype=np.float64).reshape(
            len(capacities), domains
        )
        limit = np.array([c.limit for c in capacities], dtype=np.float64).reshape(len(capacities), hosts)
        self._both_ends = np.array([capacity.both_ends for capacity in capacities], dtype=np.bool_)
        self.load: FloatArray = np.zeros_like(limit)
        for index, host in enumerate(problem.start):
            self.load[:, host] += self.demand[:, index]
        self.bound: FloatArray = np.maximum(limit, self.load) * (1 + 1e-9) + 1e-9
        self._allowed = [(t.primitive, t.physical) for t in terms if isinstance(t.primitive, AllowedHosts)]
        self._groups: list[_Groups] = []
        self._start = problem.start
        host_index = {name: i for i, name in enumerate(problem.hosts)}
        self._names: list[dict[str, int]] = [{} for _ in problem.hosts]
        for domain in cluster.domains:
            names = self._names[host_index[domain.host]]
            names[domain.name] = names.get(domain.name, 0) + 1
        for rule in rules:
            if isinstance(rule, GroupMost):
                self._groups.append(self._book_groups(rule))
        found = (watch(rule, problem.start, placement) for rule in rules)
        self.watches: tuple[Watch, ...] = tuple(each for each in found if each is not None)
        self._on: list[dict[int, int]] = [{int(host): 1} for host in problem.start]

    def _book_groups(self, rule: GroupMost) -> _Groups:
        groups = _Groups(rule, {}, {})
        for domain, host in enumerate(self._start):
            place = (int(rule.group[domain]), int(rule.zone[host]))
            if -1 not in place:
                groups.holders.setdefault(place, {})[domain] = 1
        for group, zone in np.ndindex(rule.fixed.shape):
            place = (group, zone)
            standing = len(groups.holders.get(place, ())) + int(rule.fixed[place])
            groups.bound[place] = max(rule.most, standing) - int(rule.fixed[place])
        return groups

    def name_is_free(self, name: str, host: int) -> bool:
        return not self._names[host].get(name)

    def fits(self, domain: int, host: int) -> bool:
        """Whether the host can take the domain now, whatever its name."""
        return (
            bool((self.load[:, host] + self._taken(domain, host) <= self.bound[:, host]).all())
            and not self._is_crowded(domain, host)
            and all(each.admits(domain, host) for each in self.watches if each.concerns(domain))
        )

    def _taken(self, domain: int, host: int) -> FloatArray:
        """float[R]: what the domain takes of each resource by coming to the host, and frees by leaving it.

        What counts on both ends of a move has never left the host that the domain started from.
        """
        demand = self.demand[:, domain]
        return np.where(self._both_ends, 0.0, demand) if host == self._start[domain] else demand

    def contended(self, legs: Sequence[Leg]) -> BoolArray:
        """bool[H]: the hosts that cannot hold all that is still to arrive there, if nobody left."""
        need = np.zeros_like(self.load)
        arriving: list[Counter[tuple[int, int]]] = [Counter() for _ in self._groups]
        for leg in legs:
            need[:, leg.destination] += self._taken(leg.domain, leg.destination)
            for index, groups in enumerate(self._groups):
                place = (int(groups.rule.group[leg.domain]), int(groups.rule.zone[leg.destination]))
                if -1 not in place and leg.domain not in groups.holders.get(place, {}):
                    arriving[index][place] += 1
        found = np.asarray((self.load + need > self.bound).any(axis=0), dtype=np.bool_)
        for groups, places in zip(self._groups, arriving, strict=True):
            for place, number in places.items():
                if len(groups.holders.get(place, {})) + number > groups.bound[place]:
                    found |= groups.rule.zone == place[1]
        return found

    def allows(self, domain: int, host: int, *, lenient: bool = False) -> bool:
        """Whether the rules let the domain be on the host at all, even for a while.

        ``lenient``: a rule that the domain breaks where it starts may be broken on its way to where it holds, unless
        it says what hosts can do.
        """
        start = self._start[domain]
        return all(
            rule.mask[domain] < 0
            or rule.masks[rule.mask[domain], host]
            or (lenient and not physical and not rule.masks[rule.mask[domain], start])
            for rule, physical in self._allowed
        )

    def missing(self, domain: int, host: int) -> Iterator[tuple[str, float]]:
        """What the host lacks to take the domain now: (resource, amount)."""
        lack = self.load[:, host] + self._taken(domain, host) - self.bound[:, host]
        for resource, amount in zip(self.resources, lack, strict=True):
            if amount > 0:
                yield resource, float(amount)

    def _is_crowded(self, domain: int, host: int) -> bool:
        for groups in self._groups:
            place = (int(groups.rule.group[domain]), int(groups.rule.zone[host]))
            if -1 in place:
                continue
            holders = groups.holders.get(place, {})
            if domain not in holders and len(holders) >= groups.bound[place]:
                return True
        return False

    def claims(self, domain: int, host: int) -> Iterator[Claim]:
        """All that the domain takes on the host, and how much of each there is in all."""
        for row, _ in enumerate(self.resources):
            # What counts on both ends is never freed: there is nothing to wait for.
            if not self._both_ends[row]:
                yield Claim(("capacity", row, host), float(self.demand[row, domain]), float(self.bound[row, host]))
        for index, groups in enumerate(self._groups):
            place = (int(groups.rule.group[domain]), int(groups.rule.zone[host]))
            if -1 not in place:
                yield Claim(("group", index, *place), 1.0, float(groups.bound[place]))

    def arrive(self, domain: int, host: int, name: str) -> None:
        self.load[:, host] += self._taken(domain, host)
        self._names[host][name] = self._names[host].get(name, 0) + 1
        self._hold(domain, host, 1)

    def depart(self, domain: int, host: int, name: str) -> None:
        self.load[:, host] -= self._taken(domain, host)
        self._names[host][name] -= 1
        self._hold(domain, host, -1)

    def move(self, leg: Leg) -> None:
        """Books a whole leg, under the name it has."""
        self.arrive(leg.domain, leg.destination, leg.name)
        self.depart(leg.domain, leg.source, leg.name)

    def _hold(self, domain: int, host: int, change: int) -> None:
        for groups in self._groups:
            place = (int(groups.rule.group[domain]), int(groups.rule.zone[host]))
            if -1 in place:
                continue
            holders = groups.holders.setdefault(place, {})
            holders[domain] = holders.get(domain, 0) + change
            if holders[domain] == 0:
                del holders[domain]
        self._follow(domain, host, change)

    def _follow(self, domain: int, host: int, change: int) -> None:
        if not self.watches:
            return
        on = self._on[domain]
        on[host] = on.get(host, 0) + change
        if on[host] == 0:
            del on[host]
        for each in self.watches:
            if each.concerns(domain):
                each.places.put(domain, each.zones(on))
