"""What pauses a run: hosts whose memory is short, and probes that fail. What is under way goes on."""

from __future__ import annotations

from rebalancer.drivers import Clock
from rebalancer.errors import RebalancerError
from rebalancer.execution.calls import Caller, Pending, in_background
from rebalancer.execution.hosts import Hosts, guarded
from rebalancer.execution.record import Record
from rebalancer.inventory.safeguards import Probe, Safeguards
from rebalancer.plan.model import Step
from rebalancer.values import dataclass

__all__ = ["FRESH", "Health"]

FRESH = 5.0
"""Seconds for which a host's pressure is not asked for again: it is an average over ten."""


@dataclass(slots=True)
class _Asked:
    """``trouble``: what the last answer said; None: it is well, or nobody has answered yet."""

    pending: Pending | None = None
    at: float = float("-inf")
    answered: bool = False
    trouble: str | None = None


class Health:
    """A gate of the run (see :mod:`~rebalancer.execution.gates`)."""

    def __init__(
        self, safeguards: Safeguards, hosts: Hosts, record: Record, clock: Clock, caller: Caller = in_background
    ) -> None:
        self._safeguards = safeguards
        self._hosts = hosts
        self._record = record
        self._clock = clock
        self._call = caller
        self._probes = {probe.name: _Asked() for probe in safeguards.probes}
        self._asked_at: dict[str, float] = {}
        self._over: dict[str, str] = {}
        """Host → what is too much there."""
        self._paused: str | None = None
        self._since = 0.0

    def due(self) -> bool:
        """Whether something may start that could not before."""
        before = self._trouble()
        for probe in self._safeguards.probes:
            self._ask(probe, self._probes[probe.name])
        return self._trouble() != before or any(self._is_stale(host) for host in self._over)

    def hindrance(self, step: Step) -> str | None:
        """Why nothing can start now. A host that is to be relieved may be short of memory, one that is to take another
        domain may not; once one is found to be, the run is paused until it is not."""
        if self._safeguards.pressure:
            for host in {step.destination, *self._over}:
                self._look(host)
        why = self._trouble() or next(iter(self._over.values()), None)
        if why is not None and self._paused is None:
            self._since = self._clock.now()
        if why != self._paused:
            self._record.event("goes on" if why is None else "paused", step, reason=why or self._paused)
            self._paused = why
        return None if why is None else f"the run is paused: {why}"

    @property
    def waiting(self) -> bool:
        """Whether it is worth waiting for."""
        return self._paused is not None and self._clock.now() - self._since < self._safeguards.patience

    def _trouble(self) -> str | None:
        for probe in self._safeguards.probes:
            asked = self._probes[probe.name]
            if asked.trouble is not None:
                return f"the probe '{probe.name}' fails: {asked.trouble}"
            if not asked.answered:
                return f"the probe '{probe.name}' has not answered yet"
        return None

    def _ask(self, probe: Probe, asked: _Asked) -> None:
        now = self._clock.now()
        if asked.pending is None:
            if now - asked.at >= probe.every:
                message = {"moment": "probe", "probe": probe.name}
                asked.pending, asked.at = Pending(probe.call, self._call(probe.call, message)), now
            return
        if (answer := asked.pending.answer()) is not None:
            asked.pending, asked.answered = None, True
            asked.trouble = None if answer.consents else answer.text or "it does not say why"

    def _is_stale(self, host: str) -> bool:
        return self._clock.now() - self._asked_at.get(host, float("-inf")) >= FRESH

    def _look(self, host: str) -> None:
        if not self._is_stale(host):
            return
        self._asked_at[host] = self._clock.now()
        try:
            found = guarded(host, lambda: self._hosts.connection(host).pressure())
        except RebalancerError:
            # Whether it answers at all is found out when the step starts.
            return
        self._over.pop(host, None)
        for resource, most in self._safeguards.pressure.items():
            if found.get(resource, 0.0) > most:
                share = f"{found[resource]:.0%} of the time, {most:.0%} is allowed"
                self._over[host] = f"on {host} something waited for {resource} {share}"
