"""Going on with a run whose controller is gone: what it left behind is settled, the rest is carried out.

Doing so twice is harmless: what is done stays done, and of what is found on the hosts nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace

from rebalancer.cluster import Cluster, Domain, DomainState
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.drivers import Clock, Migration, MigrationOptions, MigrationOutcome
from rebalancer.drivers.audit import overheard
from rebalancer.errors import RebalancerError, RunError
from rebalancer.execution.engine import Engine
from rebalancer.execution.guard import guard_of
from rebalancer.execution.hosts import Finding, Hosts, ask, guarded
from rebalancer.execution.journal import (
    Journal,
    RunRecord,
    RunState,
    RunSummary,
    StepRecord,
    StepState,
    undone_by,
)
from rebalancer.execution.keeper import Keeper
from rebalancer.execution.observer import Observer
from rebalancer.execution.outcome import Outcome, Place, RunResult, StepOutcome
from rebalancer.execution.record import Record
from rebalancer.execution.recovery import Course, Decision, Past, course, looks_at
from rebalancer.execution.remains import Take, ran_twice, stop_late
from rebalancer.execution.stop import StopSignal
from rebalancer.inventory.safeguards import Safeguards
from rebalancer.plan.model import Plan, Step

__all__ = ["resume"]

BETWEEN = Seconds(1.0)
UNSETTLED = frozenset({StepState.INTENDED, StepState.UNKNOWN})
AFTERMATH = frozenset({Course.STARTED_LATE, Course.COPY_LEFT, Course.DOUBLED, Course.PAUSED})
"""What may be left of a step that has failed: its destination went on where it stood still, or its domain stands still
by the run's own doing."""


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

    ``plan``: the run's own, without its windows where they do not matter; ``read``: reads the cluster anew, as far as
    it can be, once all is settled. Raises :class:`~rebalancer.errors.RunError` when the journal cannot be written,
    somebody else carries the run out, or what it moved has been brought back.
    """
    if (back := undone_by(run, journal.list_runs())) is not None:
        raise RunError(_brought_back(run, back))
    found = journal.run(run)
    if found.summary.state is RunState.COMPLETE:
        return _as_recorded(found)
    journal.take_over(run)
    record = Record(journal, observer, run)
    record.begin(plan, done=sum(step.state is StepState.DONE for step in found.steps))
    asked = stop or StopSignal()
    guard = guard_of(plan, safeguards, hosts, journal, record, clock, resumed=True)
    with overheard(record.asked), Keeper(journal, run, asked, record.lose):
        recovery = _Recovery(plan, journal.run(run), hosts, record, clock)
        recovery.settle()
        for step, outcome in recovery.concluded:
            guard.hooks.after_step(step, outcome)
        engine = Engine(plan, read(), hosts, record, clock, asked, guard, recovery.settled)
        for step, migration, past in recovery.going_on:
            engine.adopt(step, migration, past)
        for step, rate in recovery.unseen:
            engine.reserve(step, rate)
        if (veto := guard.hooks.before_run(plan)) is not None:
            engine.forbid(veto)
        engine.carry_out()
        result = engine.result()
        guard.hooks.after_run(result)
        record.finish(result)
    return result


def _brought_back(run: int, back: RunSummary) -> str:
    """Of a run that was rolled back, and what to do instead of going on with it."""
    if back.state is RunState.COMPLETE:
        rest = f"to move its domains after all, make a new plan, or undo that with 'rebalance rollback {back.id}'"
    else:
        rest = f"to bring back the rest: 'rebalance resume {back.id}'"
    return f"run {run} is not gone on with: run {back.id} has brought back what it had moved; {rest}"


class _Recovery:
    def __init__(self, plan: Plan, found: RunRecord, hosts: Hosts, record: Record, clock: Clock) -> None:
        self.settled: dict[str, StepOutcome] = {}
        self.concluded: list[tuple[Step, StepOutcome]] = []
        """Of what is settled: what was found out now."""
        self.going_on: list[tuple[Step, Migration | None, Past]] = []
        self.unseen: list[tuple[Step, BytesPerSecond | None]] = []
        """What may be under way though nobody can watch it, and its rate as far as that is known."""
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
            elif known.state in UNSETTLED:
                self._reconcile(step)
            elif known.attempts:
                self._look_again(step, known.state)
            elif known.state is not StepState.PLANNED:
                self._record.again(step, f"it was {known.state}")

    def _look_again(self, step: Step, state: StepState) -> None:
        """At a step that has failed: it is to be started again, unless there is something of it to be settled first."""
        past = self._past(step)
        decision = self._decide(step, past)
        if decision.course in AFTERMATH:
            self._settle(step, past, decision)
        else:
            self._record.again(step, f"it was {state}")

    def _reconcile(self, step: Step) -> None:
        past = self._past(step)
        self._settle(step, past, self._decide(step, past))

    def _settle(self, step: Step, past: Past, decision: Decision) -> None:
        self._record.event("found", step, course=decision.course.value, reason=decision.reason)
        match decision.course:
            case Course.MOVED:
                self._conclude(step, Outcome.DONE, decision.reason)
            case Course.NOT_MOVED:
                self._record.again(step, decision.reason)
            case Course.GOES_ON:
                self._adopt(step, past)
            case Course.PAUSED if elsewhere := self._elsewhere(step):
                self._conclude(step, Outcome.UNKNOWN, f"{decision.reason}, and is not let go on: {elsewhere}")
            case Course.COPY_LEFT | Course.ORIGINAL_LEFT | Course.PAUSED | Course.ONLY_COPY:
                self._clean_up(step, past, decision)
            case Course.STARTED_LATE | Course.DOUBLED | Course.UNCLEAR | Course.GOES_ELSEWHERE:
                self._conclude(step, Outcome.UNKNOWN, decision.reason)
        if decision.unseen:
            self.unseen.append((step, self._last_rate(step)))

    def _decide(self, step: Step, past: Past) -> Decision:
        """What runs twice is stopped here, at once; all else waits until it has been seen often enough."""
        decision, same = None, 0
        while decision is None or same < looks_at(decision.course):
            if decision is not None:
                self._clock.sleep(BETWEEN)
            source, destination = self._ask(step.source, step), self._ask(step.destination, step)
            latest = course(step, past, source, destination)
            if latest.course is Course.STARTED_LATE:
                if (failure := stop_late(self._hosts, self._record, step)) is not None:
                    told = f"; it could not be stopped there: {failure}. Do so at once"
                    return replace(latest, reason=latest.reason + told)
                past = replace(past, stopped=True)
            same = same + 1 if decision is None or latest.course is decision.course else 1
            decision = latest
            if not (source.answered and destination.answered):
                break
        return decision

    def _ask(self, host: str, step: Step) -> Finding:
        return ask(self._hosts, host, step.uuid)

    def _elsewhere(self, step: Step) -> str:
        """Why it may run on a host that is not the step's, where somebody has moved it on; empty: it does not."""
        for host in self._plan.snapshot.hosts:
            if host.name not in (step.source, step.destination):
                found = self._ask(host.name, step)
                if not found.answered:
                    return f"it may have been moved on, and {found.silence}"
                if found.active is not None:
                    return f"it is {found.active.state} on {host.name}"
        return ""

    def _adopt(self, step: Step, past: Past) -> None:
        try:
            connection = guarded(step.source, lambda: self._hosts.connection(step.source))
            destination = guarded(step.destination, lambda: self._hosts.driver_host(step.destination))
            domain = Domain(name=step.domain, uuid=step.uuid, host=step.source, state=past.expected)
            options = self._options(step)
            migration = guarded(step.source, lambda: connection.adopt(domain, destination, options))
        except RebalancerError as error:
            self._conclude(step, Outcome.UNKNOWN, f"its migration goes on but cannot be watched: {error}")
            self.unseen.append((step, self._last_rate(step)))
            return
        self._record.event("adopted" if migration is not None else "ended meanwhile", step)
        self.going_on.append((step, migration, past))

    def _options(self, step: Step) -> MigrationOptions:
        """Those of the last intent."""
        detail: Mapping[str, object] = next(
            (event.detail for event in reversed(self._found.events) if (event.kind, event.step) == ("intent", step.id)),
            {},
        )
        known = {field.name for field in fields(MigrationOptions)}
        return MigrationOptions(**{key: value for key, value in detail.items() if key in known})  # type: ignore[arg-type]

    def _last_rate(self, step: Step) -> BytesPerSecond | None:
        """At least what the plan gives it: a rate is raised before that is written down."""
        known: list[float] = []
        for event in self._found.events:
            if event.kind == "rates" and event.detail.get(step.id) is not None:
                known.append(float(str(event.detail[step.id])))
            elif (event.kind, event.step) == ("intent", step.id):
                given = event.detail.get("bandwidth")
                known = [] if given is None else [float(str(given))]
        return BytesPerSecond(max(known[-1], step.bandwidth or 0.0)) if known else None

    def _clean_up(self, step: Step, past: Past, decision: Decision) -> None:
        host = step.destination if decision.course in (Course.COPY_LEFT, Course.ONLY_COPY) else step.source
        try:
            connection = guarded(host, lambda: self._hosts.connection(host))
            if decision.course in (Course.PAUSED, Course.ONLY_COPY):
                guarded(host, lambda: connection.unpause(step.uuid))
            else:
                guarded(host, lambda: connection.discard(step.uuid))
        except RebalancerError as error:
            self._conclude(step, Outcome.UNKNOWN, f"{decision.reason}; that could not be put right: {error}")
            return
        self._record.event("put right", step, host=host, course=decision.course.value)
        if past.stopped:  # whose controller died before it could tell
            self._record.remark(ran_twice(step))
        if decision.course in (Course.ORIGINAL_LEFT, Course.ONLY_COPY):
            self._conclude(step, Outcome.DONE, decision.reason)
        else:
            self._record.again(step, decision.reason)

    def _conclude(self, step: Step, outcome: Outcome, reason: str) -> None:
        place = Place(host=step.destination, name=step.name_after) if outcome is Outcome.DONE else None
        self.settled[step.id] = StepOutcome(step=step.id, outcome=outcome, reason=reason, place=place)
        self.concluded.append((step, self.settled[step.id]))
        self._record.outcome(step, self.settled[step.id])

    def _past(self, step: Step) -> Past:
        events = [event for event in self._found.events if event.step == step.id]
        before = self._before(step)
        last = next((event for event in reversed(events) if event.kind in ("intent", "put right", "remains")), None)
        return Past(
            expected=DomainState.RUNNING if before is None else before.state,
            stayed=self._steps[step.id].state not in UNSETTLED,
            suspended=any(event.detail.get("taken") == "pause" for event in events),
            stopped=last is not None and last.detail.get("taken") == Take.SUSPEND.value,
            persistent=before is not None and before.persistent,
        )

    def _before(self, step: Step) -> Domain | None:
        """The step's domain as it was when the plan was made."""
        known = self._plan.snapshot.domains_by_uuid.get(step.uuid, ())
        return next((domain for domain in known if domain.state.active), None)


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
