"""What every domain is called at every moment of a plan, and who gets which name."""

from __future__ import annotations

from collections.abc import Sequence

from rebalancer.plan.ledger import Ledger, Leg
from rebalancer.plan.moves import Moves
from rebalancer.plan.names import new_name
from rebalancer.policy.model import OnClash
from rebalancer.policy.settings import FreeIn

__all__ = ["NamesOnTheWay"]


class NamesOnTheWay:
    """What every domain is called, leg by leg, and which legs have to arrive in turn because of their names.

    ``renames``: the legs on which a domain may take another name.
    """

    def __init__(self, moves: Moves, legs: Sequence[Leg], renames: frozenset[int]) -> None:
        self._moves = moves
        self._legs = legs
        self._renames = renames
        self._able = [host.migration.rename and moves.names.on_clash is OnClash.RENAME for host in moves.cluster.hosts]
        self._now: dict[int, str] = {}
        self._forms = {host.migration.names for host in moves.cluster.hosts}
        self._last = {leg.domain: index for index, leg in enumerate(legs)}
        self._to_come: dict[int, set[str]] = {}
        """Host → the own names of the domains that come there."""
        for leg in legs:
            self._to_come.setdefault(leg.destination, set()).add(moves.domains[leg.domain].name)
        self._elsewhere = (
            {domain.name for domain in moves.cluster.domains} if moves.names.free_in is FreeIn.CLUSTER else set[str]()
        )
        """What nobody may be called anew wherever it is."""
        arrivals: dict[tuple[str, int], list[int]] = {}
        for index, leg in enumerate(legs):
            arrivals.setdefault((moves.domains[leg.domain].name, leg.destination), []).append(index)
        self._in_turn = {place: found for place, found in arrivals.items() if len(found) > 1}

    def now(self, domain: int) -> str:
        return self._now.get(domain) or self._moves.domains[domain].name

    def on_arrival(self, index: int, ledger: Ledger) -> str | None:
        """What the domain is called after a leg that starts now; None: no name can be had yet."""
        leg = self._legs[index]
        domain = self._moves.domains[leg.domain]
        turn = self._in_turn.get((domain.name, leg.destination))
        if turn is not None and turn[0] != index:
            return None
        current = self.now(leg.domain)
        if (old := self._old_name(index, ledger)) is not None:
            return old
        wanted = domain.name if self._able[leg.source] else current
        if ledger.name_is_free(wanted, leg.destination, leg.domain):
            return wanted
        if index not in self._renames or ledger.is_left(leg.domain, leg.destination):
            return None
        if ledger.name_is_free(current, leg.destination, leg.domain):
            return current
        return self._new_name(leg, ledger)

    def take(self, index: int, name: str) -> None:
        """The domain has this name once the leg, which has been started, has ended."""
        leg = self._legs[index]
        self._now[leg.domain] = name
        turn = self._in_turn.get((self._moves.domains[leg.domain].name, leg.destination))
        if turn is not None:
            turn.remove(index)

    def give_back(self, index: int, name: str) -> None:
        """The leg was not started after all; the domain is called as before."""
        leg = self._legs[index]
        self._now[leg.domain] = name
        turn = self._in_turn.get((self._moves.domains[leg.domain].name, leg.destination))
        if turn is not None:
            turn.insert(0, index)

    def _old_name(self, index: int, ledger: Ledger) -> str | None:
        """The name that the domain had before it was renamed, where it gets that back at the end of its way."""
        leg = self._legs[index]
        old = self._moves.old_names.get(leg.domain)
        if old is None or not self._able[leg.source] or self._last[leg.domain] != index:
            return None
        return old if self._is_free(old, leg, ledger) else None

    def _is_free(self, name: str, leg: Leg, ledger: Ledger) -> bool:
        """Whether nobody has the name where that matters, nor comes to the host with it."""
        given = self._now.values() if self._moves.names.free_in is FreeIn.CLUSTER else ()
        return (
            ledger.name_is_free(name, leg.destination, leg.domain)
            and name not in self._to_come[leg.destination]
            and name not in self._elsewhere
            and name not in given
        )

    def _new_name(self, leg: Leg, ledger: Ledger) -> str:
        domain, hosts = self._moves.domains[leg.domain], self._moves.problem.hosts
        return new_name(
            self._moves.names.template,
            name=domain.name,
            source=hosts[leg.source],
            destination=hosts[leg.destination],
            uuid=domain.uuid,
            is_free=lambda name: self._is_free(name, leg, ledger),
            forms=self._forms,
        )
