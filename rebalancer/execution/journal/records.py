"""What a journal gives back: runs, their steps and events, as immutable values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from rebalancer.values import dataclass

__all__ = ["Event", "RunRecord", "RunState", "RunSummary", "StepRecord", "StepState", "undone_by"]


class RunState(StrEnum):
    RUNNING = "running"
    """Under way, or its process died: a live lease tells."""
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


class StepState(StrEnum):
    PLANNED = "planned"
    INTENDED = "intended"
    """The driver may have been called."""
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    NOT_STARTED = "not started"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """Times are ISO 8601 in UTC."""

    id: int
    cluster: str
    state: RunState
    started_at: str
    finished_at: str | None
    who: str
    """``user@machine``; empty in journals of version 0.1."""
    machine: str
    process: int
    """Of that machine."""
    version: str
    """Of rebalancer."""
    command: str
    """What made it, e.g. ``apply``."""
    undoes: int | None
    """The run that this one is the way back from."""
    stop: int
    """1: asked to finish what runs and stop; 2: to cancel what runs."""
    steps: int
    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """Seconds and bytes. ``attempts``: how often the driver was called for it."""

    step: str
    domain: str
    uuid: str
    source: str
    destination: str
    name_after: str
    state: StepState
    reason: str
    attempts: int
    intended_at: str | None
    finished_at: str | None
    host_now: str | None
    name_now: str | None
    predicted_duration: float
    predicted_downtime: float
    predicted_bytes: int
    duration: float | None
    downtime: float | None
    bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A migration that was begun, and did not fail."""

    uuid: str
    run: int
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """``host``: the one that it is about, if it is about one."""

    time: str
    step: str | None
    host: str | None
    kind: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    summary: RunSummary
    plan: str
    """The plan file's text."""
    steps: tuple[StepRecord, ...]
    events: tuple[Event, ...]


def undone_by(run: int, runs: Sequence[RunSummary]) -> RunSummary | None:
    """The way back from a run that has moved something or still may, and has not been undone in turn; None: the run
    stands. ``runs``: all of the journal, newest first."""
    for back in runs:
        moves = back.done > 0 or back.state is RunState.RUNNING
        if back.undoes == run and moves and undone_by(back.id, runs) is None:
            return back
    return None
