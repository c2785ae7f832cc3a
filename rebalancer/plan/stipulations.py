"""What a policy's ``steps:`` asks of the legs of one plan: who waits for whom, who goes alone, together, or in time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from rebalancer.plan.ledger import Leg
from rebalancer.policy.steps import StepRules

__all__ = ["Stipulations"]


class Stipulations:
    """Of the legs of one sequence; domains that do not move are not waited for."""

    def __init__(self, rules: StepRules, legs: Sequence[Leg]) -> None:
        self._legs = legs
        self._of_domain: dict[int, list[int]] = {}
        for index, leg in enumerate(legs):
            self._of_domain.setdefault(leg.domain, []).append(index)
        self.awaited = awaited(rules, self._of_domain)
        """Domain → the domains whose legs must all have ended before any of its own starts."""
        self.alone = [self._members(group.domains) for group in rules.serialize]
        """Groups of domains of which one is migrated at a time."""
        self.together = [members for group in rules.sync if len(members := self._members(group.domains)) > 1]
        """Groups of domains whose first legs start at one moment."""
        self.at_once = sorted({domain for group in rules.no_delay for domain in self._members(group.domains)})
        self.within: dict[int, float] = {}
        """Domain → seconds from the plan's start by which its last leg has to have ended."""
        for limit in rules.deadline:
            for domain in self._members(limit.domains):
                self.within[domain] = min(limit.within, self.within.get(domain, float("inf")))

    def __bool__(self) -> bool:
        return bool(self.awaited or self.alone or self.together or self.at_once or self.within)

    def hinders(self, index: int, under_way: Sequence[int], ended: Mapping[int, object]) -> bool:
        """Whether a leg has to wait for others that have not ended."""
        domain = self._legs[index].domain
        for other in self.awaited.get(domain, ()):
            if any(leg not in ended for leg in self._of_domain[other]):
                return True
        busy = {self._legs[other].domain for other in under_way} - {domain}
        return any(domain in group and not busy.isdisjoint(group) for group in self.alone)

    def partners(self, index: int) -> list[int]:
        """The first legs of the domains that have to start together with this leg, which is one of them."""
        domain = self._legs[index].domain
        if self._of_domain[domain][0] != index:
            return [index]
        group = {domain}
        for members in self.together:
            if not group.isdisjoint(members):
                group |= members
        return sorted(self._of_domain[other][0] for other in group)

    def sharers(self, index: int) -> frozenset[int]:
        """The legs that this one shares links with where they start with it: its partners, and of those that may not
        be delayed all others."""
        if not self.together and len(self.at_once) < 2:
            return frozenset()
        found = set(self.partners(index)) if self.together else {index}
        if self._legs[index].domain in self.at_once:
            found |= {self._of_domain[domain][0] for domain in self.at_once}
        return frozenset(found - {index})

    @property
    def largest(self) -> int:
        """How many may have to share a link from the same moment on."""
        return max([1, len(self.at_once), *map(len, self.together)])

    def breaches(self, starts: Sequence[float], ends: Sequence[float]) -> Iterator[tuple[int, float]]:
        """Domains that are late, and by how many seconds."""
        for domain in self.at_once:
            late = starts[self._of_domain[domain][0]]
            if late > 1e-6:
                yield domain, late
        for domain, within in self.within.items():
            late = ends[self._of_domain[domain][-1]] - within
            if late > 1e-6:
                yield domain, late

    def edges(self, starts: Sequence[float]) -> Iterator[tuple[int, int]]:
        """(earlier, later) legs that follow from this alone, in a timeline with these starts."""
        for domain, others in self.awaited.items():
            for other in others:
                yield self._of_domain[other][-1], self._of_domain[domain][0]
        for group in self.alone:
            legs = sorted((starts[index], index) for domain in group for index in self._of_domain[domain])
            for (_, before), (_, after) in itertools.pairwise(legs):
                if self._legs[before].domain != self._legs[after].domain:
                    yield before, after

    def _members(self, domains: frozenset[int]) -> set[int]:
        return set(domains & self._of_domain.keys())


def awaited(rules: StepRules, moving: Mapping[int, object]) -> dict[int, set[int]]:
    """Domain → those that it waits for, of those that move."""
    found: dict[int, set[int]] = {}
    for order in rules.precedence:
        first = set(order.first & moving.keys())
        for domain in order.then & moving.keys() if first else ():
            found.setdefault(domain, set()).update(first - {domain})
    return found
