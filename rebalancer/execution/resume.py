"""Going on with a run whose controller is gone: what it left behind is settled, the rest is carried out.

Doing so twice is harmless: what is done stays done, and of what is found on the hosts nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields

from rebalancer.cluster import Cluster, Domain, DomainState
from rebalancer.cluster.units import Bytes, Seconds
from rebalancer.drivers import Clock, Migration, MigrationOptions, MigrationOutcome
from rebalancer.drivers.audit import overheard
from rebalancer.errors import RebalancerError
from rebalancer.execution.engine import Engine
from rebalancer.execution.guard import guard_of
from rebalancer.execution.hosts import Finding, Hosts, ask, guarded
from rebalancer.execution.journal import Journal, RunRecord, RunState, StepRecord, StepState
from rebalancer.execution.keeper import Keeper
from rebalancer.execution.observer import Observer
from rebalancer.execution.outcome import Outcome, Place, RunResult, StepOutcome
from rebalancer.execution.record import Record
from rebalancer.execution.recovery import LOOKS, Course, Decision, course
from rebalancer.execution.stop import StopSignal
from rebalancer.inventory.safeguards import Safeguards
from rebalancer.plan.model import Plan, Step

__all__ = ["resume"]

BETWEEN = Seconds(1.0)
UNCERTAIN = frozenset({Course.COPY_LEFT, Course.ORIGINAL_LEFT, Course.PAUSED, Course.UNCLEAR})
"""What may be one moment of a migration that ends just now."""


def resume(
    run: int,
    plan: Plan,
    read: Callable[[], Cluster],
    hosts: Hosts,
    journal: Journal,
    *,
    clock: Clock,
    observer: Observer | None = None,
    stop: StopSignal | None = None,
    safeguards: Safeguards | None = None,
) -> RunResult:
    """Settles what the run's last controller left, adopts what goes on, and starts what is not done.

    ``plan``: the run's own; ``read``: reads the cluster anew, as far as it can be, once all is settled. Raises
    :class:`~rebalancer.errors.RunError` when the journal cannot be written, or somebody else carries the run out.
    """
    found = journal.run(run)
    if found.summary.state is RunState.COMPLETE:
        return _as_recorded(found)
    journal.take_over(run)
    record = Record(journal, observer, run)
    record.begin(plan)
    asked = stop or StopSignal()
    guard = guard_of(plan, safeguards, hosts, journal, record, clock)
    with overheard(record.asked), Keeper(journal, run, asked, record.lose):
        recovery = _Recovery(plan, journal.run(run), hosts, record, clock)
        recovery.settle()
        engine = Engine(plan, read(), hosts, record, clock, asked, guard, recovery.settled)
        for step, migration, expected in recovery.going_on:
            engine.adopt(step, migration, expected)
        if (veto := guard.hooks.before_run(plan)) is not None:
            engine.forbid(veto)
        engine.carry_out()
        result = engine.result()
        guard.hooks.after_run(result)
        record.finish(result)
    return result


class _Recovery:
    def __init__(self, plan: Plan, found: RunRecord, hosts: Hosts, record: Record, clock: Clock) -> None:
        self.settled: dict[str, StepOutcome] = {}
        self.going_on: list[tuple[Step, Migration | None, DomainState]] = []
        self._plan = plan
        self._found = found
        self._steps = {step.step: step for step in found.steps}
        self._hosts = hosts
        self._record = record
        self._clock = clock

    def settle(self) -> None:
        for step in self._plan.steps:
            known = self._steps[step.id]
            if known.state is StepState.DONE:
                self.settled[step.id] = _done(known)
            elif known.state in (StepState.INTENDED, StepState.UNKNOWN):
                self._reconcile(step)
            elif known.state is not StepState.PLANNED:
                self._record.again(step, f"it was {known.state}")

    def _reconcile(self, step: Step) -> None:
        expected = self._state_before(step)
        decision = self._decide(step, expected)
        self._record.event("found", step, course=decision.course.value, reason=decision.reason)
        match decision.course:
            case Course.MOVED:
                self._conclude(step, Outcome.DONE, decision.reason)
            case Course.NOT_MOVED:
                self._record.again(step, decision.reason)
            case Course.GOES_ON:
                self._adopt(step, expected)
            case Course.COPY_LEFT | Course.ORIGINAL_LEFT | Course.PAUSED:
                self._clean_up(step, decision)
            case Course.UNCLEAR:
                self._conclude(step, Outcome.UNKNOWN, decision.reason)

    def _decide(self, step: Step, expected: DomainState) -> Decision:
        suspended = any(event.step == step.id and event.detail.get("taken") == "pause" for event in self._found.events)
        decision, same = None, 0
        while decision is None or (decision.course in UNCERTAIN and same < LOOKS):
            if decision is not None:
                self._clock.sleep(BETWEEN)
            source, destination = self._ask(step.source, step), self._ask(step.destination, step)
            latest = course(step, expected, source, destination, suspended=suspended)
            same = same + 1 if decision is None or latest.course is decision.course else 1
            decision = latest
            if not (source.answered and destination.answered):
                break
        return decision

    def _ask(self, host: str, step: Step) -> Finding:
        return ask(self._hosts, host, step.uuid)

    def _adopt(self, step: Step, expected: DomainState) -> None:
        try:
            connection = guarded(step.source, lambda: self._hosts.connection(step.source))
            destination = guarded(step.destination, lambda: self._hosts.driver_host(step.destination))
            domain = Domain(name=step.domain, uuid=step.uuid, host=step.source, state=expected)
            options = self._options(step)
            migration = guarded(step.source, lambda: connection.adopt(domain, destination, options))
        except RebalancerError as error:
            self._conclude(step, Outcome.UNKNOWN, f"its migration goes on but cannot be watched: {error}")
            return
        self._record.event("adopted" if migration is not None else "ended meanwhile", step)
        self.going_on.append((step, migration, expected))

    def _options(self, step: Step) -> MigrationOptions:
        """Those of the last intent."""
        detail: Mapping[str, object] = next(
            (event.detail for event in reversed(self._found.events) if (event.kind, event.step) == ("intent", step.id)),
            {},
        )
        known = {field.name for field in fields(MigrationOptions)}
        return MigrationOptions(**{key: value for key, value in detail.items() if key in known})  # type: ignore[arg-type]

    def _clean_up(self, step: Step, decision: Decision) -> None:
        host = step.destination if decision.course is Course.COPY_LEFT else step.source
        try:
            connection = guarded(host, lambda: self._hosts.connection(host))
            if decision.course is Course.PAUSED:
                guarded(host, lambda: connection.unpause(step.uuid))
            else:
                guarded(host, lambda: connection.discard(step.uuid))
        except RebalancerError as error:
            self._conclude(step, Outcome.UNKNOWN, f"{decision.reason}; that could not be put right: {error}")
            return
        self._record.event("put right", step, host=host, course=decision.course.value)
        if decision.course is Course.ORIGINAL_LEFT:
            self._conclude(step, Outcome.DONE, decision.reason)
        else:
            self._record.again(step, decision.reason)

    def _conclude(self, step: Step, outcome: Outcome, reason: str) -> None:
        place = Place(host=step.destination, name=step.name_after) if outcome is Outcome.DONE else None
        self.settled[step.id] = StepOutcome(step=step.id, outcome=outcome, reason=reason, place=place)
        self._record.outcome(step, self.settled[step.id])

    def _state_before(self, step: Step) -> DomainState:
        return next(
            (domain.state for domain in self._plan.snapshot.domains_by_uuid.get(step.uuid, ()) if domain.state.active),
            DomainState.RUNNING,
        )


def _done(known: StepRecord) -> StepOutcome:
    measured = None
    if known.duration is not None:
        measured = MigrationOutcome(
            duration=Seconds(known.duration),
            downtime=None if known.downtime is None else Seconds(known.downtime),
            transferred=None if known.bytes is None else Bytes(known.bytes),
        )
    return StepOutcome(
        step=known.step, outcome=Outcome.DONE, reason=known.reason, place=_place(known), measured=measured
    )


def _place(known: StepRecord) -> Place | None:
    return None if known.host_now is None else Place(host=known.host_now, name=known.name_now or "")


def _as_recorded(found: RunRecord) -> RunResult:
    """Of a run that is complete."""
    outcomes = {step.step: _done(step) for step in found.steps}
    return RunResult(
        run_id=found.summary.id,
        outcomes=outcomes,
        complete=True,
        where={step.uuid: _place(step) for step in found.steps},
    )
