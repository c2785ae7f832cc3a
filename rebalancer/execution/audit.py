"""A run as one file of JSON Lines that replays: who, when, the plan, every command and answer, every decision and why.

The first line is the run and its plan, each further one an event; replaying them one by one gives the state of every
step at any moment, and at the end the run as the journal has it. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from rebalancer.errors import InvalidInput, Position
from rebalancer.execution.journal.records import Event, RunRecord, RunState, RunSummary, StepRecord, StepState

__all__ = ["export_lines", "replay"]

FORMAT = "rebalancer/v1"
_AT_THE_START = ("id", "cluster", "started_at", "version", "command", "undoes")
_PLANNED = (
    "step",
    "domain",
    "uuid",
    "source",
    "destination",
    "name_after",
    "predicted_duration",
    "predicted_downtime",
    "predicted_bytes",
)
_FOUND = ("host_now", "name_now", "duration", "downtime", "bytes")


def export_lines(record: RunRecord) -> Iterator[str]:
    """Line by line, each with its newline."""
    summary = asdict(record.summary)
    steps = [{key: value for key, value in asdict(step).items() if key in _PLANNED} for step in record.steps]
    yield _line(
        {
            "apiVersion": FORMAT,
            "kind": "Run",
            **{key: summary[key] for key in _AT_THE_START},
            "steps": steps,
            "plan": json.loads(record.plan),
        }
    )
    for event in record.events:
        yield _line(asdict(event))


def replay(lines: Iterable[str], file: str) -> RunRecord:
    """The run from its exported lines; raises InvalidInput with the line that cannot be understood.

    ``plan`` of the result is the plan's text in a form of its own, as its white space is not exported.
    """
    replayed: _Replayed | None = None
    for number, line in enumerate(lines, start=1):
        try:
            data = json.loads(line)
            if replayed is None:
                replayed = _Replayed(data)
            else:
                replayed.take(Event(**data))
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInput(f"this is no line of an exported run: {error}", Position(file, number, 1)) from error
    if replayed is None:
        raise InvalidInput("an exported run has at least one line", Position(file, 1, 1))
    return replayed.record()


class _Replayed:
    """The run as the events so far have made it."""

    def __init__(self, head: Mapping[str, Any]) -> None:
        if (head["apiVersion"], head["kind"]) != (FORMAT, "Run"):
            raise ValueError("its first line is not that of a run")
        self._plan = json.dumps(head["plan"], ensure_ascii=False)
        self._summary = RunSummary(
            **{key: head[key] for key in _AT_THE_START},
            state=RunState.RUNNING,
            finished_at=None,
            who="",
            machine="",
            process=0,
            stop=0,
            steps=len(head["steps"]),
            done=0,
        )
        self._steps = {step["step"]: _planned(step) for step in head["steps"]}
        self._events: list[Event] = []

    def take(self, event: Event) -> None:
        self._events.append(event)
        detail: Mapping[str, Any] = event.detail
        match event.kind:
            case "run" | "taken over":
                who: dict[str, Any] = {key: detail[key] for key in ("who", "machine", "process")}
                self._summary = replace(self._summary, state=RunState.RUNNING, finished_at=None, stop=0, **who)
            case "stop requested":
                self._summary = replace(self._summary, stop=detail["level"])
            case "end":
                self._summary = replace(self._summary, state=RunState(str(detail["state"])), finished_at=event.time)
            case "intent":
                attempts = self._of(event).attempts + 1
                self._set(event, state=StepState.INTENDED, intended_at=event.time, attempts=attempts)
            case "again":
                self._set(event, state=StepState.PLANNED, reason="", finished_at=None)
            case "outcome":
                found = {key: detail[key] for key in _FOUND}
                outcome = {"state": StepState(str(detail["outcome"])), "reason": detail["reason"]}
                self._set(event, finished_at=event.time, **outcome, **found)

    def record(self) -> RunRecord:
        done = sum(step.state is StepState.DONE for step in self._steps.values())
        return RunRecord(
            summary=replace(self._summary, done=done),
            plan=self._plan,
            steps=tuple(self._steps.values()),
            events=tuple(self._events),
        )

    def _of(self, event: Event) -> StepRecord:
        return self._steps[event.step or ""]

    def _set(self, event: Event, **values: Any) -> None:
        self._steps[event.step or ""] = replace(self._of(event), **values)


def _planned(step: Mapping[str, Any]) -> StepRecord:
    nothing: dict[str, Any] = dict.fromkeys(_FOUND)
    return StepRecord(
        **{key: step[key] for key in _PLANNED},
        state=StepState.PLANNED,
        reason="",
        attempts=0,
        intended_at=None,
        finished_at=None,
        **nothing,
    )


def _line(data: object) -> str:
    return json.dumps(data, ensure_ascii=False) + "\n"
