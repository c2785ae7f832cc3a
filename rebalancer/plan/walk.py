"""Domains that go from host to host one at a time, each move complete before the next, and back again.

This is what orders are looked for with; time, links and rates do not matter here.
"""

from __future__ import annotations

from collections.abc import Sequence

from rebalancer.cluster import HostState
from rebalancer.placement.primitives import IntArray
from rebalancer.plan.allowance import Allowance
from rebalancer.plan.ledger import Ledger, Leg
from rebalancer.plan.moves import Moves
from rebalancer.plan.stipulations import awaited
from rebalancer.policy.model import OnClash

__all__ = ["Walk"]


class Walk:
    """Where every domain stands, under which name. ``patient``: domains that wait for their name at their goal."""

    def __init__(self, moves: Moves, ledger: Ledger, patient: frozenset[int] = frozenset()) -> None:
        hosts = moves.cluster.hosts
        self.ledger = ledger
        self.goal: list[int] = _ints(moves.placement)
        self.at: list[int] = _ints(moves.problem.start)
        self.patient = patient
        self._awaited = awaited(moves.rules, dict.fromkeys(self.misplaced))
        self._allowance = Allowance.of(moves.problem, moves.placement)
        self.movable = [
            domain.migration.allowed and number not in moves.reluctant for number, domain in enumerate(moves.domains)
        ]
        self.parking = [index for index, host in enumerate(hosts) if host.state is HostState.UP]
        self._renames = [host.migration.rename and moves.names.on_clash is OnClash.RENAME for host in hosts]
        self._original = [domain.name for domain in moves.domains]
        self._named = list(self._original)
        self._made: list[tuple[Leg, str, str]] = []
        self.on: list[dict[int, None]] = [{} for _ in hosts]
        """Of each host, the domains that stand there."""
        for domain, host in enumerate(self.at):
            self.on[host][domain] = None

    @property
    def misplaced(self) -> list[int]:
        return [domain for domain, (at, goal) in enumerate(zip(self.at, self.goal, strict=True)) if at != goal]

    @property
    def legs(self) -> list[Leg]:
        """What has been made, in order."""
        return [leg for leg, _, _ in self._made]

    @property
    def length(self) -> int:
        return len(self._made)

    def fits(self, domain: int, host: int) -> bool:
        return (
            self.ledger.fits(domain, host)
            and self._name(domain, host) is not None
            and not (self._awaited and self._has_to_wait(domain))
            and (self._allowance is None or self._allowance.lets(Leg(domain, self.at[domain], host)))
        )

    def go(self, domain: int, host: int) -> None:
        """The domain must fit there."""
        leg, before = Leg(domain, self.at[domain], host), self._named[domain]
        after = self._name(domain, host) or before
        self._book(leg, before, after)
        self._made.append((leg, before, after))
        if self._allowance is not None:
            self._allowance.book(leg, 1)

    def back(self, to: int) -> None:
        """Takes moves back, the latest first, until as many as ``to`` are left."""
        while len(self._made) > to:
            leg, before, after = self._made.pop()
            self._book(leg.reversed(), after, before)
            if self._allowance is not None:
                self._allowance.book(leg, -1)

    def reaches_far(self, domain: int) -> bool:
        """Whether it may depend on moves to and from other hosts whether the domain can be moved."""
        return self.ledger.is_ruled(domain) or domain in self._awaited

    def may_rename(self, leg: Leg) -> bool:
        """Whether the domain may take another name on this leg."""
        waits = leg.domain in self.patient and leg.destination == self.goal[leg.domain]
        return self._renames[leg.source] and not waits

    def _has_to_wait(self, domain: int) -> bool:
        return any(self.at[other] != self.goal[other] for other in self._awaited.get(domain, ()))

    def _book(self, leg: Leg, before: str, after: str) -> None:
        self.ledger.arrive(leg.domain, leg.destination, after)
        self.ledger.depart(leg.domain, leg.source, before)
        self.at[leg.domain] = leg.destination
        del self.on[leg.source][leg.domain]
        self.on[leg.destination][leg.domain] = None
        self._named[leg.domain] = after

    def _name(self, domain: int, host: int) -> str | None:
        """What the domain would be called there; None where no name can be had."""
        current, original = self._named[domain], self._original[domain]
        renames = self._renames[self.at[domain]]
        wanted = original if renames else current
        if self.ledger.name_is_free(wanted, host, domain):
            return wanted
        waits = domain in self.patient and host == self.goal[domain]
        if not renames or waits or self.ledger.is_left(domain, host):
            return None
        # Some name will be found; this one is nobody's.
        return current if self.ledger.name_is_free(current, host, domain) else f"{original}\0{domain}"


def _ints(array: IntArray | Sequence[int]) -> list[int]:
    return [int(value) for value in array]
