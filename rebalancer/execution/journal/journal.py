"""Runs, steps and events: written ahead of what is done, by the one controller that holds the run.

:meth:`Journal.intent` returns only when the intent is on disk. A step that is ``intended`` in the journal of a dead run
may or may not have been started; the hosts know.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, RowMapping, Select, case, func, insert, select, update

from rebalancer import __version__
from rebalancer.errors import RunError
from rebalancer.execution.journal import leases
from rebalancer.execution.journal.controller import Controller
from rebalancer.execution.journal.database import Database
from rebalancer.execution.journal.leases import Lease, RunLostError
from rebalancer.execution.journal.records import Event, Move, RunRecord, RunState, RunSummary, StepRecord, StepState
from rebalancer.execution.journal.tables import events, runs, steps
from rebalancer.execution.outcome import StepOutcome
from rebalancer.plan.model import Step

__all__ = ["Journal"]

MOST_NOTES = 10_000
"""That are kept while the journal cannot be written; the oldest are given up then."""


def _utc() -> datetime:
    return datetime.now(UTC)


class Journal:
    """An open journal; every method raises :class:`~rebalancer.errors.RunError` when it cannot do what it says.

    ``location``: a path, a PostgreSQL URL, or None: in memory, for tests and demonstrations. ``controller``: who
    writes; only the controller that has taken a run may write of it. Safe for several threads.
    """

    def __init__(
        self,
        location: Path | str | None,
        *,
        now: Callable[[], datetime] = _utc,
        controller: Controller | None = None,
        read_only: bool = False,
    ) -> None:
        self.controller = controller or Controller.this_process()
        self._now = now
        self._notes: dict[int, deque[dict[str, object]]] = {}
        self._database = Database(location, read_only=read_only)
        self.name = self._database.name

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Taking a run and giving it back

    def start_run(
        self, plan: str, cluster: str, planned: Sequence[Step] = (), *, command: str = "", undoes: int | None = None
    ) -> int:
        """A new run, with the leases on all its hosts. ``plan``: the text of the plan file. Returns the run's id.

        Raises :class:`~rebalancer.execution.journal.leases.HostsHeldError`; there is no run then.
        """
        me = self.controller
        with self._database.write() as connection:
            made = connection.execute(
                insert(runs).values(
                    cluster=cluster,
                    plan=plan,
                    state=RunState.RUNNING.value,
                    started_at=self._time(),
                    process=me.process,
                    version=__version__,
                    who=me.who,
                    machine=me.machine,
                    controller=me.id,
                    command=command,
                    undoes=undoes,
                    stop=0,
                )
            )
            run = int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0
            if planned:
                connection.execute(insert(steps), [_planned(run, position, s) for position, s in enumerate(planned)])
            self._take(connection, run, _hosts_of(planned))
            who = {"who": me.who, "machine": me.machine, "process": me.process}
            self._event(connection, run, "run", detail={"command": command, **who})
        return run

    def take_over(self, run: int) -> None:
        """An earlier run, with the leases on its hosts, to go on with; what was asked of it before is forgotten.

        Raises :class:`~rebalancer.execution.journal.leases.HostsHeldError` while somebody else carries it out.
        """
        me = self.controller
        with self._database.write() as connection:
            self._require(connection, run)
            ends = connection.execute(select(steps.c.source, steps.c.destination).where(steps.c.run == run)).all()
            self._take(connection, run, [host for pair in ends for host in pair])
            connection.execute(
                update(runs)
                .where(runs.c.id == run)
                .values(
                    state=RunState.RUNNING.value,
                    finished_at=None,
                    stop=0,
                    process=me.process,
                    who=me.who,
                    machine=me.machine,
                    controller=me.id,
                )
            )
            who = {"who": me.who, "machine": me.machine, "process": me.process}
            self._event(connection, run, "taken over", detail=who)

    def renew(self, run: int) -> None:
        """Keeps the leases; raises :class:`~rebalancer.execution.journal.leases.RunLostError` when they are gone."""
        with self._mine(run) as connection:
            leases.extend(connection, run, self.controller, self._database.time(connection))

    def finish_run(self, run: int, *, complete: bool) -> None:
        """Gives the leases back."""
        state = RunState.COMPLETE if complete else RunState.INCOMPLETE
        with self._mine(run) as connection:
            now = self._time()
            connection.execute(update(runs).where(runs.c.id == run).values(state=state.value, finished_at=now))
            self._event(connection, run, "end", detail={"state": state.value}, at=now)
            leases.release(connection, run, self.controller)

    # Writing of a run

    def intent(self, run: int, step: Step, detail: Mapping[str, object]) -> None:
        """The driver is about to be called. ``detail``: the options, without secrets.

        Raises RunLostError when the run no longer has one of the step's hosts.
        """
        with self._mine(run) as connection:
            now = self._time()
            seconds = self._database.time(connection)
            leases.extend(connection, run, self.controller, seconds, (step.source, step.destination))
            self._set_step(
                connection,
                run,
                step.id,
                state=StepState.INTENDED.value,
                intended_at=now,
                attempts=steps.c.attempts + 1,
            )
            self._event(connection, run, "intent", step.id, step.source, detail, at=now)

    def outcome(self, run: int, outcome: StepOutcome) -> None:
        """What was verified."""
        measured, place = outcome.measured, outcome.place
        found = {
            "host_now": place.host if place else None,
            "name_now": place.name if place else None,
            "duration": measured.duration if measured else None,
            "downtime": measured.downtime if measured else None,
            "bytes": measured.transferred if measured else None,
        }
        state, reason = outcome.outcome.value, outcome.reason
        with self._mine(run) as connection:
            now = self._time()
            self._set_step(connection, run, outcome.step, state=state, reason=reason, finished_at=now, **found)
            detail = {"outcome": state, "reason": reason, **found, "memory": measured.memory if measured else None}
            self._event(connection, run, "outcome", outcome.step, place.host if place else None, detail, at=now)

    def again(self, run: int, step: str, reason: str) -> None:
        """A step that was not done is to be started (once more), and why."""
        with self._mine(run) as connection:
            self._set_step(connection, run, step, state=StepState.PLANNED.value, reason="", finished_at=None)
            self._event(connection, run, "again", step, detail={"reason": reason})

    def note(
        self, run: int, kind: str, step: str | None, detail: Mapping[str, object], *, host: str | None = None
    ) -> None:
        """An event that need not be durable by itself: it is written with the next one that is. From any thread."""
        notes = self._notes.setdefault(run, deque(maxlen=MOST_NOTES))
        notes.append(_event_row(run, kind, step, host, self._time(), detail))

    def event(
        self,
        run: int,
        kind: str,
        step: str | None = None,
        detail: Mapping[str, object] | None = None,
        *,
        host: str | None = None,
    ) -> None:
        with self._mine(run) as connection:
            self._event(connection, run, kind, step, host, detail or {})

    # What anybody may ask and say

    def request_stop(self, run: int, level: int) -> RunSummary:
        """Asks a run to stop (1: finish what runs, 2: cancel it), whoever carries it out; what it was before."""
        with self._database.write() as connection:
            before = self._require(connection, run)
            if before.state is RunState.RUNNING:
                wanted = max(level, before.stop)
                connection.execute(update(runs).where(runs.c.id == run).values(stop=wanted))
                detail = {"level": wanted, "who": self.controller.who}
                self._event(connection, run, "stop requested", detail=detail)
            return before

    def stop_requested(self, run: int) -> int:
        with self._database.read() as connection:
            return int(connection.execute(select(runs.c.stop).where(runs.c.id == run)).scalar_one_or_none() or 0)

    def leases(self, run: int | None = None) -> tuple[Lease, ...]:
        """Those that hold now, of one run or of all: a run that is running and has none is dead."""
        with self._database.read() as connection:
            return leases.held_of(connection, run, self._database.time(connection))

    def now(self) -> datetime:
        """By the clock that events are dated with."""
        return self._now().astimezone(UTC)

    def moves(self, since: datetime) -> tuple[Move, ...]:
        """Migrations begun since then, of all runs, oldest first; those that failed are none."""
        moved = (StepState.INTENDED.value, StepState.DONE.value, StepState.UNKNOWN.value)
        wanted = select(steps.c.uuid, steps.c.run, steps.c.intended_at).where(
            steps.c.state.in_(moved) & (steps.c.intended_at >= _written(since))
        )
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(steps.c.intended_at)).all()
        return tuple(Move(uuid=row[0], run=row[1], time=datetime.fromisoformat(row[2])) for row in rows)

    def list_runs(self) -> tuple[RunSummary, ...]:
        """Newest first."""
        with self._database.read() as connection:
            rows = connection.execute(_summaries().order_by(runs.c.id.desc())).mappings()
            return tuple(_summary(row) for row in rows)

    def run(self, run: int) -> RunRecord:
        with self._database.read() as connection:
            summary = self._require(connection, run)
            of_steps = select(steps).where(steps.c.run == run).order_by(steps.c.position)
            of_events = select(events).where(events.c.run == run).order_by(events.c.id)
            return RunRecord(
                summary=summary,
                plan=connection.execute(select(runs.c.plan).where(runs.c.id == run)).scalar_one(),
                steps=tuple(_step(row) for row in connection.execute(of_steps).mappings()),
                events=tuple(_read_event(row) for row in connection.execute(of_events).mappings()),
            )

    # Inside

    def _time(self) -> str:
        return _written(self._now())

    @contextmanager
    def _mine(self, run: int) -> Iterator[Connection]:
        """A transaction for the controller that has the run, and for nobody who has lost it."""
        with self._database.write() as connection:
            holder = connection.execute(select(runs.c.controller, runs.c.who).where(runs.c.id == run)).one_or_none()
            if holder is None:
                raise RunError(f"there is no run {run} in {self.name}")
            if holder.controller != self.controller.id:
                raise RunLostError(f"run {run} has been taken over by {holder.who or 'somebody else'}")
            notes = self._notes.get(run, deque())
            written = list(notes)
            if written:
                connection.execute(insert(events), written)
            yield connection
        # Only now are they on disk.
        for _ in written:
            notes.popleft()

    def _take(self, connection: Connection, run: int, hosts: Sequence[str]) -> None:
        leases.take(connection, hosts, run, self.controller, self._database.time(connection))

    def _require(self, connection: Connection, run: int) -> RunSummary:
        row = connection.execute(_summaries().where(runs.c.id == run)).mappings().one_or_none()
        if row is None:
            raise RunError(f"there is no run {run} in {self.name}")
        return _summary(row)

    def _set_step(self, connection: Connection, run: int, step: str, **values: object) -> None:
        connection.execute(update(steps).where((steps.c.run == run) & (steps.c.step == step)).values(**values))

    def _event(
        self,
        connection: Connection,
        run: int,
        kind: str,
        step: str | None = None,
        host: str | None = None,
        detail: Mapping[str, object] | None = None,
        *,
        at: str | None = None,
    ) -> None:
        connection.execute(insert(events), [_event_row(run, kind, step, host, at or self._time(), detail)])


def _event_row(
    run: int, kind: str, step: str | None, host: str | None, time: str, detail: Mapping[str, object] | None
) -> dict[str, object]:
    written = json.dumps(detail or {}, ensure_ascii=False, sort_keys=True, default=str)
    return {"run": run, "step": step, "host": host, "time": time, "kind": kind, "detail": written}


def _written(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _planned(run: int, position: int, step: Step) -> dict[str, object]:
    return {
        "run": run,
        "step": step.id,
        "position": position,
        "domain": step.domain,
        "uuid": step.uuid,
        "source": step.source,
        "destination": step.destination,
        "name_after": step.name_after,
        "state": StepState.PLANNED.value,
        "reason": "",
        "attempts": 0,
        "predicted_duration": step.predicted.duration,
        "predicted_downtime": step.predicted.downtime,
        "predicted_bytes": step.predicted.bytes,
    }


def _hosts_of(planned: Sequence[Step]) -> list[str]:
    return [host for step in planned for host in (step.source, step.destination)]


def _summaries() -> Select[tuple[object, ...]]:
    counted = (
        select(
            steps.c.run,
            func.count().label("steps"),
            func.sum(case((steps.c.state == StepState.DONE.value, 1), else_=0)).label("done"),
        )
        .group_by(steps.c.run)
        .subquery()
    )
    own = [column for column in runs.c if column.name not in ("plan", "controller")]
    return select(
        *own, func.coalesce(counted.c.steps, 0).label("steps"), func.coalesce(counted.c.done, 0).label("done")
    ).select_from(runs.outerjoin(counted, counted.c.run == runs.c.id))


def _summary(row: RowMapping) -> RunSummary:
    values = {field.name: row[field.name] for field in fields(RunSummary)}
    values |= {"state": RunState(str(row["state"])), "steps": int(str(row["steps"])), "done": int(str(row["done"]))}
    return RunSummary(**values)


def _step(row: RowMapping) -> StepRecord:
    values = {field.name: row[field.name] for field in fields(StepRecord)}
    return StepRecord(**values | {"state": StepState(str(row["state"]))})


def _read_event(row: RowMapping) -> Event:
    values = {name: row[name] for name in ("time", "step", "host", "kind")}
    return Event(**values, detail=json.loads(str(row["detail"])))
