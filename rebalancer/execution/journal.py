"""The journal: what a run is about to do, durable before it is done, and what came of it.

Write-ahead: :meth:`Journal.intent` returns only when the intent is on disk. A step that is ``intended`` in the journal
of a dead run may or may not have been started; the hosts know. One process writes; any number may read.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from rebalancer import __version__
from rebalancer.errors import RunError
from rebalancer.execution.outcome import StepOutcome
from rebalancer.execution.records import Event, RunRecord, RunState, RunSummary, StepRecord
from rebalancer.execution.schema import MIGRATIONS
from rebalancer.plan.model import Step

__all__ = ["Journal", "default_journal_path"]

BUSY = 10.0
"""Seconds to wait for another process that writes."""
IN_MEMORY = ":memory:"


def default_journal_path() -> Path:
    """``$XDG_STATE_HOME/rebalancer/journal.sqlite``, below ``~/.local/state`` where that is not set."""
    # The specification says to ignore a relative path.
    configured = Path(os.environ.get("XDG_STATE_HOME", ""))
    home = configured if configured.is_absolute() else Path.home() / ".local" / "state"
    return home / "rebalancer" / "journal.sqlite"


def _utc() -> datetime:
    return datetime.now(UTC)


class Journal:
    """An open journal; every method raises :class:`~rebalancer.errors.RunError` when it cannot do what it says.

    ``path``: None: in memory, for tests and demonstrations.
    """

    def __init__(self, path: Path | None, *, now: Callable[[], datetime] = _utc) -> None:
        self.path = path
        self._now = now
        self._name = str(path) if path is not None else IN_MEMORY
        try:
            if path is not None:
                _create(path)
            # autocommit: transactions are begun and ended here, not guessed by the module
            self._database = sqlite3.connect(self._name, timeout=BUSY, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise RunError(f"cannot open the journal {self._name}: {error}") from error
        self._database.row_factory = sqlite3.Row
        try:
            self._prepare()
        except RunError:
            self._database.close()
            raise

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Writing

    def start_run(self, plan: str, cluster: str, steps: Sequence[Step] = ()) -> int:
        """``plan``: the text of the plan file. Returns the run's id."""
        row = (cluster, plan, RunState.RUNNING, self._time(), os.getpid(), __version__)
        planned = [
            (
                *(step.id, position, step.domain, step.uuid, step.source, step.destination, step.name_after),
                *("planned", step.predicted.duration, step.predicted.downtime, step.predicted.bytes),
            )
            for position, step in enumerate(steps)
        ]
        with self._write() as database:
            cursor = database.execute(
                "INSERT INTO runs (cluster, plan, state, started_at, process, version) VALUES (?, ?, ?, ?, ?, ?)", row
            )
            run = int(cursor.lastrowid or 0)
            database.executemany(
                "INSERT INTO steps (run, step, position, domain, uuid, source, destination, name_after, state,"
                " predicted_duration, predicted_downtime, predicted_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(run, *values) for values in planned],
            )
        return run

    def intent(self, run: int, step: Step, detail: Mapping[str, object]) -> None:
        """The driver is about to be called. ``detail``: the options, without secrets."""
        with self._write() as database:
            database.execute(
                "UPDATE steps SET state = 'intended', intended_at = ? WHERE run = ? AND step = ?",
                (self._time(), run, step.id),
            )
            self._event(run, "intent", step.id, detail)

    def outcome(self, run: int, outcome: StepOutcome) -> None:
        """What was verified."""
        measured, place = outcome.measured, outcome.place
        with self._write() as database:
            database.execute(
                "UPDATE steps SET state = ?, reason = ?, finished_at = ?, host_now = ?, name_now = ?,"
                " duration = ?, downtime = ?, bytes = ? WHERE run = ? AND step = ?",
                (
                    *(outcome.outcome, outcome.reason, self._time()),
                    *((place.host, place.name) if place else (None, None)),
                    *((measured.duration, measured.downtime, measured.transferred) if measured else (None,) * 3),
                    *(run, outcome.step),
                ),
            )
            self._event(run, "outcome", outcome.step, {"outcome": outcome.outcome, "reason": outcome.reason})

    def event(self, run: int, kind: str, step: str | None = None, detail: Mapping[str, object] | None = None) -> None:
        with self._write():
            self._event(run, kind, step, detail or {})

    def finish_run(self, run: int, *, complete: bool) -> None:
        state = RunState.COMPLETE if complete else RunState.INCOMPLETE
        with self._write() as database:
            database.execute("UPDATE runs SET state = ?, finished_at = ? WHERE id = ?", (state, self._time(), run))

    # Reading

    def list_runs(self) -> tuple[RunSummary, ...]:
        """Newest first."""
        rows = self._read(f"{_SUMMARY} GROUP BY runs.id ORDER BY runs.id DESC")
        return tuple(_summary(row) for row in rows)

    def run(self, run: int) -> RunRecord:
        rows = self._read(f"{_SUMMARY} WHERE runs.id = ? GROUP BY runs.id", run)
        if not rows:
            raise RunError(f"there is no run {run} in {self._name}")
        steps = self._read("SELECT * FROM steps WHERE run = ? ORDER BY position", run)
        events = self._read("SELECT * FROM events WHERE run = ? ORDER BY id", run)
        names = [field.name for field in fields(StepRecord)]
        return RunRecord(
            summary=_summary(rows[0]),
            plan=self._read("SELECT plan FROM runs WHERE id = ?", run)[0]["plan"],
            steps=tuple(StepRecord(**{name: row[name] for name in names}) for row in steps),
            events=tuple(
                Event(time=row["time"], step=row["step"], kind=row["kind"], detail=json.loads(row["detail"]))
                for row in events
            ),
        )

    # Inside

    def _time(self) -> str:
        return self._now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _event(self, run: int, kind: str, step: str | None, detail: Mapping[str, object]) -> None:
        text = json.dumps(detail, ensure_ascii=False, sort_keys=True, default=str)
        self._database.execute(
            "INSERT INTO events (run, step, time, kind, detail) VALUES (?, ?, ?, ?, ?)",
            (run, step, self._time(), kind, text),
        )

    def _read(self, query: str, *values: int) -> list[sqlite3.Row]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise RunError(f"cannot read the journal {self._name}: {error}") from error

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when the block has ended."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise RunError(f"cannot write the journal {self._name}: {error}") from error

    def _prepare(self) -> None:
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("PRAGMA foreign_keys = ON")
            version = int(self._database.execute("PRAGMA user_version").fetchone()[0])
        except sqlite3.Error as error:
            raise RunError(f"cannot open the journal {self._name}: {error}") from error
        if version > len(MIGRATIONS):
            raise RunError(f"the journal {self._name} was written by a newer version of rebalancer (format {version})")
        if version < len(MIGRATIONS):
            self._migrate()

    def _migrate(self) -> None:
        with self._write() as database:
            # Read again: another process may have been faster.
            version = int(database.execute("PRAGMA user_version").fetchone()[0])
            for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
                for statement in statements:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {number}")


_SUMMARY = (
    "SELECT runs.id, cluster, runs.state, started_at, runs.finished_at, process, version, count(steps.step) AS steps,"
    " coalesce(sum(steps.state = 'done'), 0) AS done FROM runs LEFT JOIN steps ON steps.run = runs.id"
)


def _summary(row: sqlite3.Row) -> RunSummary:
    values = {field.name: row[field.name] for field in fields(RunSummary)}
    return RunSummary(**values | {"state": RunState(row["state"])})


def _create(path: Path) -> None:
    """Readable by its owner alone, as plans name everything there is; SQLite gives its side files the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
