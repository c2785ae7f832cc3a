"""Keeping the links' caps while migrations start and end: whoever must give way is throttled first.

A migration uses its links from its first byte to its last, not while it is set up or brought to its end. So the next
one is set up while the last bytes of the one before are sent, with the least rate that there is until they are: the one
before might not end at less than it has.
"""

from __future__ import annotations

from collections.abc import Mapping

from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import Migration
from rebalancer.errors import RebalancerError
from rebalancer.execution.hosts import guarded
from rebalancer.execution.record import Record
from rebalancer.execution.running import Running
from rebalancer.execution.sharing import Sender, favoured, share, squeezed
from rebalancer.plan.model import Guards

__all__ = ["Throttle"]

NO_CAP = float("inf")


class Throttle:
    """``guards``: caps of links, and how many may cross one at once; ``lead``: how long before all has been sent of a
    migration the next may be set up."""

    def __init__(self, guards: Guards, running: Mapping[str, Running], record: Record, lead: Seconds) -> None:
        self._caps = guards.links
        self._slots = guards.slots
        self._lead = lead
        self._running = running
        self._record = record
        self._lost: dict[str, Sender] = {}
        self._told: dict[str, BytesPerSecond | None] = {}
        self._next: dict[str, frozenset[str]] = {}
        """Those that are set up while others are still being sent, and these."""
        self._stages: dict[str, tuple[bool, bool]] = {}

    def hindrance(self, key: str, sender: Sender, others: Mapping[str, Sender] | None = None) -> str | None:
        """Why a migration should not start on its links now; ``others`` are about to."""
        senders = self._senders() | dict(others or {})
        hindrance = self._hindered(senders | {key: sender}, key)
        return None if hindrance is None or self._follows(senders, key, sender) else hindrance

    def admit(self, key: str, sender: Sender) -> tuple[bool, BytesPerSecond | None]:
        """Makes room for a migration, then (True, its rate); (False, None) when somebody could not be throttled."""
        senders = self._senders()
        crowded = self._hindered(senders | {key: sender}, key) is not None
        ending = self._follows(senders, key, sender) if crowded else frozenset()
        rates = share(senders | {key: sender.in_setup() if ending else sender}, self._caps)
        if not self._apply(rates, lower=True):
            return False, None
        if ending:
            self._next[key] = ending
        return True, rates[key]

    def behind(self, key: str) -> tuple[str, ...]:
        """What is still being sent while a migration that was admitted is set up."""
        return tuple(sorted(self._next.get(key, ())))

    def _follows(self, senders: Mapping[str, Sender], key: str, sender: Sender) -> frozenset[str]:
        """Those that will have been sent once the migration has been set up, if it only has to wait for these."""
        ending = frozenset(other for other in senders if sender.adjustable and self._is_ending(other))
        # Those that are set up already will be sent then, too.
        later = {
            other: self._running[other].sender if other in self._next else each
            for other, each in senders.items()
            if other not in ending
        }
        later[key] = sender
        if not ending or self._hindered(later, key) is not None:
            return frozenset()
        fits = squeezed({**senders, key: sender.in_setup()}, self._caps, key) is None
        return ending if fits else frozenset()

    def _hindered(self, senders: Mapping[str, Sender], key: str) -> str | None:
        for link in senders[key].flow.route if self._slots else ():
            if sum(link in sender.flow.route for sender in senders.values()) > self._slots.get(link.link, len(senders)):
                return f"{link.link}: as many migrations use it as are allowed at once"
        return squeezed(senders, self._caps, key)

    def _is_ending(self, key: str) -> bool:
        running = self._running.get(key)
        if running is None or not self._lead or not running.trend.sending:
            return False
        # What can be sent within the allowed downtime goes at once, as soon as no more than that is left.
        left = running.trend.until_sent(running.step.predicted.bytes)
        return left is not None and left <= self._lead + running.step.settings.max_downtime

    def is_news(self) -> bool:
        """Whether, since last asked, a migration has been sent or is about to be."""
        before, self._stages = (
            self._stages,
            {key: (self._is_ending(key), not _is_on_links(running)) for key, running in self._running.items()},
        )
        return any(before.get(key, stage) != stage for key, stage in self._stages.items())

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
        now = {key: running.rate for key, running in self._running.items() if _is_on_links(running)}
        if now and now != self._told:
            self._record.rates(now)
        self._told = now

    def hold(self, key: str, sender: Sender) -> None:
        """For a migration that is not watched (any longer), but may still send: what it has is not given away."""
        self._lost[key] = sender

    def release(self, key: str) -> None:
        """It is watched again, or known to be over."""
        self._lost.pop(key, None)

    def _senders(self) -> dict[str, Sender]:
        return self._lost | {
            key: self._sender(key, running) for key, running in self._running.items() if _is_on_links(running)
        }

    def _sender(self, key: str, running: Running) -> Sender:
        if not running.adjustable:
            return _held(running)
        if key in self._next:
            before = (self._running.get(other) for other in self._next[key])
            if any(other is not None and _is_on_links(other) for other in before):
                return running.sender.in_setup()
        self._next.pop(key, None)
        return running.sender

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


def _is_on_links(running: Running) -> bool:
    return not running.over and not running.trend.sent


def _held(running: Running) -> Sender:
    return running.sender.at(running.rate)
