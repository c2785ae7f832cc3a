"""Keeping the links' caps while migrations start and end: whoever must give way is throttled first."""

from __future__ import annotations

from collections.abc import Mapping

from rebalancer.cluster.units import BytesPerSecond
from rebalancer.drivers import Migration
from rebalancer.errors import RebalancerError
from rebalancer.execution.hosts import guarded
from rebalancer.execution.record import Record
from rebalancer.execution.running import Running
from rebalancer.execution.sharing import Sender, favoured, share, squeezed
from rebalancer.plan.migration_model import SETUP_TIME

__all__ = ["Throttle"]

NO_CAP = float("inf")
ON_DECK = 2.0**20
"""Bytes per second of a migration that is being set up while another still has its links."""
STILL_LEAVING = 4 * SETUP_TIME
"""Seconds that one that was about to end may need after all before it is taken to stay."""


class Throttle:
    """``caps``: of each link, in each direction, bytes per second."""

    def __init__(self, caps: Mapping[str, BytesPerSecond], running: Mapping[str, Running], record: Record) -> None:
        self._caps = caps
        self._running = running
        self._record = record
        self._lost: dict[str, Sender] = {}
        self._told: dict[str, BytesPerSecond | None] = {}
        self._leaving: frozenset[str] = frozenset()
        """Those that have sent all but what takes no longer than another's setup."""
        self._on_deck: dict[str, frozenset[str]] = {}
        """Those that were started meanwhile, and whose links they wait for."""

    def hindrance(self, key: str, sender: Sender) -> str | None:
        """Why a migration should not start on its links now. It may while those that use them are about to end."""
        senders = self._senders()
        found = squeezed(senders | {key: sender}, self._caps, key)
        if found is None or not sender.adjustable or self._on_deck or self._leaving.isdisjoint(senders):
            return found
        staying = {other: sender for other, sender in senders.items() if other not in self._leaving}
        return squeezed(staying | {key: sender}, self._caps, key)

    def admit(self, key: str, sender: Sender) -> tuple[bool, BytesPerSecond | None]:
        """Makes room for a migration, then (True, its rate); (False, None) when somebody could not be throttled."""
        senders = self._senders()
        waits = squeezed(senders | {key: sender}, self._caps, key) is not None and not self._leaving.isdisjoint(senders)
        rates = share(senders | {key: _slow(sender) if waits else sender}, self._caps)
        if not self._apply(rates, lower=True):
            return False, None
        if waits:
            self._on_deck[key] = self._leaving
        return True, rates[key]

    def look(self) -> bool:
        """Whether links are about to become free, so that something may be set up meanwhile; or are not after all."""
        before = self._leaving
        self._leaving = frozenset(key for key, running in self._running.items() if self._is_leaving(key, running))
        if before - self._leaving and self._on_deck:
            self.settle()
        return bool(self._leaving - before)

    def _is_leaving(self, key: str, running: Running) -> bool:
        # One that cannot be slowed down makes no room for another before it has ended.
        sends = running.adjustable and not running.over and not running.settling
        left = running.trend.time_left(running.rate) if sends else None
        return left is not None and left <= (STILL_LEAVING if key in self._leaving else SETUP_TIME)

    def favour(self, running: Running) -> bool:
        """Whether a migration got more of its links, for the rest of its way, at the cost of others."""
        senders = self._senders()
        if running.step.id not in senders or not running.adjustable:
            return False
        heavier = favoured(senders, self._caps, running.step.id)
        if heavier is None:
            return False
        running.sender = heavier
        self.settle()
        return True

    def settle(self) -> None:
        """Shares the links anew among those that run, after one has started or ended."""
        rates = share(self._senders(), self._caps)
        self._apply(rates, lower=True)
        self._apply(rates, lower=False)
        now = {key: running.rate for key, running in self._running.items()}
        if now and now != self._told:
            self._record.rates(now)
        self._told = now

    def lose(self, running: Running) -> None:
        """A migration is not watched any longer, but may still send: what it has is not given away."""
        self._lost[running.step.id] = _held(running)

    def _senders(self) -> dict[str, Sender]:
        sending = {key: running for key, running in self._running.items() if not running.over}
        self._on_deck = {
            key: kept
            for key, before in self._on_deck.items()
            if key in sending and (kept := before & self._leaving & sending.keys())
        }
        return self._lost | {key: self._sender(key, running) for key, running in sending.items()}

    def _sender(self, key: str, running: Running) -> Sender:
        if not running.adjustable:
            return _held(running)
        return _slow(running.sender) if key in self._on_deck else running.sender

    def _apply(self, rates: Mapping[str, BytesPerSecond | None], *, lower: bool) -> bool:
        """Whether all that had to be done worked. One that fails is taken as it is from then on."""
        worked = True
        for key, running in self._running.items():
            rate, migration = rates.get(key), running.migration
            if rate is None or rate == running.rate or migration is None or not running.adjustable or running.over:
                continue
            # Less than a unit would be taken for 'unlimited'.
            if rate < running.sender.flow.unit or lower != (rate < (running.rate or NO_CAP)):
                continue
            if not self._push(running, migration, rate):
                worked = False
        return worked

    def _push(self, running: Running, migration: Migration, rate: BytesPerSecond) -> bool:
        try:
            guarded(running.step.source, lambda: migration.set_bandwidth(rate))
        except RebalancerError as error:
            running.adjustable = False
            self._record.event("rate not changed", running.step, rate=rate, error=str(error))
            return False
        running.rate = rate
        return True


def _slow(sender: Sender) -> Sender:
    """The same at hardly any rate."""
    unit = sender.flow.unit
    return sender.at(BytesPerSecond(min(max(ON_DECK // unit, 1) * unit, sender.flow.ceiling)))


def _held(running: Running) -> Sender:
    return running.sender.at(running.rate)
