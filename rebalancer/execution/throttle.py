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

__all__ = ["Throttle"]

NO_CAP = float("inf")


class Throttle:
    """``caps``: of each link, in each direction, bytes per second."""

    def __init__(self, caps: Mapping[str, BytesPerSecond], running: Mapping[str, Running], record: Record) -> None:
        self._caps = caps
        self._running = running
        self._record = record
        self._lost: dict[str, Sender] = {}
        self._told: dict[str, BytesPerSecond | None] = {}

    def hindrance(self, key: str, sender: Sender) -> str | None:
        """Why a migration should not start on its links now."""
        return squeezed(self._senders() | {key: sender}, self._caps, key)

    def admit(self, key: str, sender: Sender) -> tuple[bool, BytesPerSecond | None]:
        """Makes room for a migration, then (True, its rate); (False, None) when somebody could not be throttled."""
        rates = share(self._senders() | {key: sender}, self._caps)
        if self._apply(rates, lower=True):
            return True, rates[key]
        return False, None

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
        return self._lost | {
            key: running.sender if running.adjustable else _held(running)
            for key, running in self._running.items()
            if not running.over
        }

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


def _held(running: Running) -> Sender:
    return running.sender.at(running.rate)
