"""What a journal gives back: runs, their steps and events, as immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Event", "RunRecord", "RunState", "RunSummary", "StepRecord"]


class RunState(StrEnum):
    RUNNING = "running"
    """Under way, or its process died: see ``process``."""
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """Times are ISO 8601 in UTC."""

    id: int
    cluster: str
    state: RunState
    started_at: str
    finished_at: str | None
    process: int
    """Of the machine that wrote the journal."""
    version: str
    """Of rebalancer."""
    steps: int
    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """``state``: ``planned``, ``intended`` (the driver may have been called) or an outcome. Seconds and bytes."""

    step: str
    domain: str
    uuid: str
    source: str
    destination: str
    name_after: str
    state: str
    reason: str
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
class Event:
    time: str
    step: str | None
    kind: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    summary: RunSummary
    plan: str
    """The plan file's text."""
    steps: tuple[StepRecord, ...]
    events: tuple[Event, ...]
