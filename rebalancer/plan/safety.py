"""Whether a leg may go before its turn without making it impossible for the others to take theirs (the banker's test).

The sequence is an order in which everything holds. A leg that goes before all that is still to come only takes room
earlier from the host it goes to; so it is enough to go through what is still to happen on that host in turn. Rules on
groups reach beyond a host; for them everything that such a rule binds together is gone through.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rebalancer.plan.ledger import Ledger, Leg

__all__ = ["Safety", "kin"]


class Safety:
    """``settled``: a ledger of its own in which everything that was started has ended; None: there are no rules."""

    def __init__(
        self, ledger: Ledger, legs: Sequence[Leg], settled: Ledger | None, kin: Sequence[Sequence[int]]
    ) -> None:
        self._ledger = ledger
        self._legs = legs
        self._settled = settled
        self._kin = kin
        self._pending: dict[int, dict[int, None]] = {}
        """Host → the legs from and to it that have not been started, in turn."""
        for index, leg in enumerate(legs):
            self._pending.setdefault(leg.source, {})[index] = None
            self._pending.setdefault(leg.destination, {})[index] = None
        self._load = {host: list(ledger.load[host]) for host in self._pending}
        """Of each host, once everything that was started has ended."""
        self._arriving = {host: [0.0] * len(load) for host, load in self._load.items()}
        for leg in legs:
            self._add(self._arriving[leg.destination], leg.domain, leg.destination, 1.0)
        self._started: list[int] = []

    def admits(self, index: int) -> bool:
        """Whether everything else can still be made once this leg, which fits now, is."""
        host = self._legs[index].destination
        bound = self._ledger.bound[host]
        load, arriving = self._load[host], self._arriving[host]
        roomy = all(have + more <= most for have, more, most in zip(load, arriving, bound, strict=True))
        return (roomy or self._leaves_room(index, host)) and (self._settled is None or self._keeps_rules(index))

    def start(self, index: int) -> None:
        leg = self._legs[index]
        del self._pending[leg.source][index], self._pending[leg.destination][index]
        self._add(self._arriving[leg.destination], leg.domain, leg.destination, -1.0)
        self._add(self._load[leg.destination], leg.domain, leg.destination, 1.0)
        self._add(self._load[leg.source], leg.domain, leg.source, -1.0)
        if self._settled is not None and self._ledger.is_ruled(leg.domain):
            self._settled.hold(leg.domain, leg.destination, 1)
            self._settled.hold(leg.domain, leg.source, -1)
            self._started.append(index)

    def take_back(self, index: int) -> None:
        """The leg, the last that was started, was not started after all."""
        leg = self._legs[index]
        for host in (leg.source, leg.destination):
            self._pending[host] = dict.fromkeys(sorted([*self._pending[host], index]))
        self._add(self._arriving[leg.destination], leg.domain, leg.destination, 1.0)
        self._add(self._load[leg.destination], leg.domain, leg.destination, -1.0)
        self._add(self._load[leg.source], leg.domain, leg.source, 1.0)
        if self._settled is not None and self._ledger.is_ruled(leg.domain):
            self._take_back([self._started.pop()])

    def undo(self) -> None:
        """Leaves the settled ledger as it was."""
        self._take_back(self._started)

    def _add(self, load: list[float], domain: int, host: int, times: float) -> None:
        for row, taken in enumerate(self._ledger.taken(domain, host)):
            load[row] += times * taken

    def _leaves_room(self, first: int, host: int) -> bool:
        load, bound = list(self._load[host]), self._ledger.bound[host]
        for index in (first, *(other for other in self._pending[host] if other != first)):
            leg = self._legs[index]
            if leg.destination == host:
                self._add(load, leg.domain, host, 1.0)
                if any(have > most for have, most in zip(load, bound, strict=True)):
                    return False
            else:
                self._add(load, leg.domain, host, -1.0)
        return True

    def _keeps_rules(self, first: int) -> bool:
        if self._settled is None or not self._ledger.is_ruled(self._legs[first].domain):
            return True
        made: list[int] = []
        kept = True
        for index in (first, *(other for other in self._kin[first] if other != first and self._is_pending(other))):
            leg = self._legs[index]
            if not self._settled.keeps_rules(leg.domain, leg.destination):
                kept = False
                break
            self._settled.hold(leg.domain, leg.destination, 1)
            self._settled.hold(leg.domain, leg.source, -1)
            made.append(index)
        self._take_back(made)
        return kept

    def _is_pending(self, index: int) -> bool:
        return index in self._pending[self._legs[index].source]

    def _take_back(self, indices: Iterable[int]) -> None:
        if self._settled is None:
            return
        for index in reversed(list(indices)):
            leg = self._legs[index]
            self._settled.hold(leg.domain, leg.source, 1)
            self._settled.hold(leg.domain, leg.destination, -1)


def kin(ledger: Ledger, legs: Sequence[Leg]) -> list[list[int]]:
    """Of each leg, all legs in turn that a rule on groups binds to it, itself included."""
    leader = list(range(len(legs)))

    def find(node: int) -> int:
        while leader[node] != node:
            leader[node] = node = leader[leader[node]]
        return node

    known: dict[object, int] = {}
    for index, leg in enumerate(legs):
        for tie in ledger.ties(leg.domain):
            leader[find(index)] = find(known.setdefault(tie, index))
    members: dict[int, list[int]] = {}
    for index in range(len(legs)):
        members.setdefault(find(index), []).append(index)
    return [members[find(index)] for index in range(len(legs))]
