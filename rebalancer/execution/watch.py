"""Looking after one running migration: its progress, its deadline, its end, and whether the end is true."""

from __future__ import annotations

from rebalancer.drivers import Clock, Migration
from rebalancer.errors import HostUnreachable, RebalancerError
from rebalancer.execution.hosts import Hosts, ask, guarded
from rebalancer.execution.ladder import Favour, climb
from rebalancer.execution.record import Record
from rebalancer.execution.remains import put_right
from rebalancer.execution.running import VERIFY_PATIENCE, Running
from rebalancer.execution.verdict import Verdict, judge
from rebalancer.policy.model import Rung

__all__ = ["Watch"]

BLIND_INTERVAL = 5.0
"""Seconds between attempts to see a migration whose host does not answer: each may take as long as a timeout."""
VERIFY_INTERVAL = 1.0


class Watch:
    """``favour`` gives a migration more of its links, where there is more."""

    def __init__(self, hosts: Hosts, clock: Clock, record: Record, favour: Favour) -> None:
        self._hosts = hosts
        self._clock = clock
        self._record = record
        self._favour = favour

    def look(self, running: Running) -> Verdict | None:
        """What became of it, once that is known. Does not wait, and raises nothing."""
        if self._clock.now() < running.look_at:
            return None
        if running.watched:
            self._follow(running)
        return None if running.watched else self._verify(running)

    def cancel(self, running: Running) -> None:
        if running.watched:
            try:
                running.cancel(self._clock.now())
                self._record.event("cancel", running.step)
            except RebalancerError as error:
                self._record.event("cancel failed", running.step, error=str(error))

    def _follow(self, running: Running) -> None:
        step, migration, now = running.step, running.migration, self._clock.now()
        if migration is None:
            running.end(now, running.failure)
            return
        try:
            if guarded(step.source, migration.done):
                running.over = True
                self._collect(running, migration)
                return
            progress = guarded(step.source, migration.progress)
        except RebalancerError as error:
            self._out_of_sight(running, error)
        else:
            running.blind = False
            running.trend.see(now, progress)
            self._record.progress(step, progress, running.rate)
            self._judge(running, now)
        if now >= running.deadline:
            self._escalate(running, "it takes longer than it may")

    def _judge(self, running: Running, now: float) -> None:
        """Whether it is getting anywhere."""
        silence = running.trend.stalled(now)
        if silence is not None and len(running.ladder) > 0 and not running.settling:
            # What is sent over a dead link by any other rung would leave the guest torn between two hosts.
            running.ladder = [Rung.CANCEL]
            self._escalate(running, f"nothing has been sent for {silence:.0f} s")
        elif not running.settling and (why := running.trend.hopeless()) is not None:
            self._escalate(running, why)
        else:
            running.extend(now)

    def _collect(self, running: Running, migration: Migration) -> None:
        try:
            reported = guarded(running.step.source, migration.result)
        except RebalancerError as error:
            running.end(self._clock.now(), str(error))
            running.unreachable = isinstance(error, HostUnreachable)
        else:
            running.end(self._clock.now(), reported=reported)

    def _out_of_sight(self, running: Running, error: RebalancerError) -> None:
        if not running.blind:
            self._record.event("out of sight", running.step, error=str(error))
        running.blind = True
        running.look_at = self._clock.now() + BLIND_INTERVAL

    def _escalate(self, running: Running, why: str) -> None:
        """The next rung of the ladder that can be taken; after the last the hosts are asked where the domain is."""
        now = self._clock.now()
        # Seconds since it was started, and those that it had by prediction and progress.
        times = {"after": now - running.started, "within": running.deadline - running.started}
        while True:
            last = running.ladder[:1] == [Rung.CANCEL]
            pauses = running.ladder[:1] == [Rung.PAUSE]
            if pauses:
                # Written ahead: whoever goes on with the run must know by whose doing the domain stands still.
                self._record.event("not converging", running.step, taken=Rung.PAUSE.value, reason=why, **times)
            try:
                taken = climb(running, now, self._favour)
            except RebalancerError as error:
                self._record.event("not converging", running.step, error=str(error))
                if not running.ladder:
                    return
                continue
            if taken is None:
                running.end(now, "it did not end in time, even after being cancelled")
                return
            running.given_up = f"given up: {why}" if last else ""
            if not pauses:
                self._record.event("not converging", running.step, taken=taken, reason=why, **times)
            return

    def _verify(self, running: Running) -> Verdict | None:
        step, now = running.step, self._clock.now()
        source, destination = ask(self._hosts, step.source, step.uuid), ask(self._hosts, step.destination, step.uuid)
        running.unheard = not (source.answered and destination.answered)
        verdict = judge(step, running.expected, source, destination, reported=running.reported is not None)
        if put_right(self._hosts, self._record, running, verdict, source, destination):
            running.verify_until = now + VERIFY_PATIENCE
            return None
        if verdict.certain or running.verify_until is None or now >= running.verify_until:
            return verdict
        running.look_at = now + (VERIFY_INTERVAL if source.answered and destination.answered else BLIND_INTERVAL)
        return None
