"""When domains may be moved and how fast, all runs together: counted from the journal before each start."""

from __future__ import annotations

from datetime import datetime, timedelta

from rebalancer.cluster.units import format_duration
from rebalancer.errors import RunError
from rebalancer.execution.journal import Journal, Move
from rebalancer.plan.model import Pace, Plan, Step
from rebalancer.policy.windows import opening

__all__ = ["PaceGate", "WindowGate"]

HOUR = timedelta(hours=1)


class PaceGate:
    """A gate of the run (see :mod:`~rebalancer.execution.gates`): moves an hour, moves of one domain, cooldown."""

    def __init__(self, plan: Plan, journal: Journal, run: int) -> None:
        self._pace = plan.guards.pace
        self._planned = datetime.fromisoformat(plan.created_at) if plan.created_at else None
        self._journal = journal
        self._run = run
        self._until: datetime | None = None
        """When the next domain may be moved."""

    @property
    def waiting(self) -> bool:
        return self._until is not None

    def due(self) -> bool:
        if self._until is None or self._journal.now() < self._until:
            return False
        self._until = None
        return True

    def hindrance(self, step: Step) -> str | None:
        if self._pace == Pace():
            return None
        now = self._journal.now()
        try:
            moves = self._journal.moves(now - self._horizon())
        except RunError as error:
            return str(error)
        return self._too_soon(step, moves, now) or self._too_many(moves, now)

    def _horizon(self) -> timedelta:
        pace = self._pace
        within = pace.per_domain[1] if pace.per_domain else 0.0
        return max(HOUR, timedelta(seconds=max(within, pace.cooldown or 0.0)))

    def _too_soon(self, step: Step, moves: tuple[Move, ...], now: datetime) -> str | None:
        """What this run does with a domain, and what was known when it was planned, is as planned."""
        others = [move for move in moves if move.uuid == step.uuid and move.run != self._run]
        if not others or (self._planned is not None and others[-1].time <= self._planned):
            return None
        ago, pace = now - others[-1].time, self._pace
        moved = f"'{step.domain}' was moved {format_duration(ago.total_seconds())} ago by run {others[-1].run}"
        if pace.cooldown is not None and ago.total_seconds() < pace.cooldown:
            return f"{moved}, and the policy's cooldown is {format_duration(pace.cooldown)}"
        if pace.per_domain is not None:
            most, within = pace.per_domain
            count = sum((now - move.time).total_seconds() < within for move in others)
            if count >= most:
                return f"{moved}, {count} times in {format_duration(within)}, and the policy allows {most}"
        return None

    def _too_many(self, moves: tuple[Move, ...], now: datetime) -> str | None:
        lately = [move.time for move in moves if now - move.time < HOUR]
        if self._pace.per_hour is None or len(lately) < self._pace.per_hour:
            return None
        self._until = lately[-self._pace.per_hour] + HOUR
        allowed = f"and the policy allows {self._pace.per_hour}"
        left = format_duration((self._until - now).total_seconds())
        return f"{len(lately)} domains were moved in the last hour, {allowed}: the next may go in {left}"


class WindowGate:
    """A gate of the run: a maintenance window that closes ends it once what runs has ended.

    One that is begun outside of its windows was begun so on purpose (``--now``) and is not held. One that is resumed
    is: whoever settles what a dead controller left need not want more to be started.
    """

    waiting = False

    def __init__(self, plan: Plan, journal: Journal, *, resumed: bool = False) -> None:
        self._journal = journal
        held = resumed or (plan.windows and opening(plan.windows, journal.now()).is_open)
        self._windows = plan.windows if held else ()

    def due(self) -> bool:
        return False

    def hindrance(self, _: Step) -> str | None:
        now = self._journal.now()
        if not self._windows or (found := opening(self._windows, now)).is_open:
            return None
        return f"the policy's windows are {found.words(now)}"
