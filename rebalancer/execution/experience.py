"""What the journal knows of finished migrations, as predictions want it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from math import isfinite

from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.errors import InvalidInput
from rebalancer.execution.journal import Journal
from rebalancer.execution.journal.records import Event, RunRecord, StepRecord, StepState
from rebalancer.plan.experience import Experience, Finished, Measured, learn
from rebalancer.plan.file import parse_plan
from rebalancer.plan.model import Plan, Step

__all__ = ["finished_migrations", "measured_writes", "read_experience"]

_MOST_RUNS = 20
"""How many of the latest runs are looked at: hosts and domains change."""


def read_experience(journal: Journal) -> Experience:
    lessons: list[Finished | Measured] = []
    for run in _latest(journal):
        record = journal.run(run)
        lessons += [*measured_writes(record), *finished_migrations(record)]
    return learn(lessons)


def _latest(journal: Journal) -> list[int]:
    """Oldest first."""
    return [run.id for run in journal.list_runs()[:_MOST_RUNS] if run.done][::-1]


def finished_migrations(run: RunRecord) -> Iterator[Finished]:
    """Live migrations of a run that were done at the first attempt and came to their end by themselves. None where its
    plan is one of another version."""
    try:
        plan = parse_plan(run.plan, f"run {run.summary.id}")
    except InvalidInput:
        return
    helped = {event.step for event in run.events if event.kind == "not converging"}
    for record in run.steps:
        step = plan.step_by_id.get(record.step)
        if step is None or not step.settings.live or record.state is not StepState.DONE or record.attempts != 1:
            continue
        if step.predicted.rung is not None or record.step in helped:
            continue
        if (found := _finished(record, step, plan, run.events)) is not None:
            yield found


def measured_writes(run: RunRecord) -> Iterator[Measured]:
    """Of all domains of which it was measured for the run's plan how they write."""
    with suppress(InvalidInput):
        for domain in parse_plan(run.plan, f"run {run.summary.id}").snapshot.active_domains:
            if domain.migration.writes is not None:
                yield Measured(domain.uuid, domain.migration.writes)


def _finished(record: StepRecord, step: Step, plan: Plan, events: Sequence[Event]) -> Finished | None:
    domains = plan.snapshot.domains_by_uuid.get(record.uuid)
    if not (domains and record.intended_at and record.finished_at and record.duration and record.bytes):
        return None
    started, ended = _seconds(record.intended_at), _seconds(record.finished_at)
    # A rate that it had while it was set up says nothing.
    began = max(ended - record.duration, started)
    return Finished(
        source=record.source,
        destination=record.destination,
        uuid=record.uuid,
        traits=domains[0].migration,
        max_downtime=step.settings.max_downtime,
        lasted=Seconds(ended - started),
        copying=Seconds(record.duration),
        sent=Bytes(record.bytes),
        rate=_rate(record.step, began, ended, events),
        memory=_memory(record, events),
    )


def _memory(record: StepRecord, events: Sequence[Event]) -> Bytes | None:
    """What of the domain's memory was not empty, which the journal has in an event only."""
    told = (event.detail.get("memory") for event in events if event.kind == "outcome" and event.step == record.step)
    found = next((memory for each in told if (memory := _number(each)) is not None), None)
    return None if found is None or not record.bytes else Bytes(min(round(found), record.bytes))


def _rate(step: str, started: float, ended: float, events: Sequence[Event]) -> BytesPerSecond | None:
    """The mean of the rates that it was given, each for as long as it had it; None: none, or not always one."""
    changes = [(_seconds(event.time), rate) for event in events if (rate := _given(event, step)) is not None]
    if not changes:
        return None
    ends = [*(time for time, _ in changes[1:]), ended]
    shares = [
        (max(min(end, ended) - max(time, started), 0.0), rate) for (time, rate), end in zip(changes, ends, strict=True)
    ]
    total = sum(seconds for seconds, _ in shares)
    mean = sum(seconds * rate for seconds, rate in shares) / total if total > 0 else changes[0][1]
    return BytesPerSecond(mean) if isfinite(mean) and mean > 0 else None


def _given(event: Event, step: str) -> float | None:
    """The rate that an event says the step got."""
    if event.kind == "intent" and event.step == step:
        return _number(event.detail.get("bandwidth"))
    return _number(event.detail.get(step)) if event.kind == "rates" else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
