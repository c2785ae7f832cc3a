"""The database under a journal: opening it, bringing its tables up to date, reading and writing in transactions.

One writer at a time on either database: SQLite by ``BEGIN IMMEDIATE``, PostgreSQL by an advisory lock. What is said
to be written is on disk: SQLite with ``synchronous = FULL``, PostgreSQL with ``synchronous_commit``.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from rebalancer.errors import RunError
from rebalancer.execution.journal.location import journal_name
from rebalancer.execution.journal.migrations import MIGRATIONS, WORDS

__all__ = ["Database"]

BUSY = 10.0
"""Seconds to wait for another process that writes."""
_LOCK = 7_305_297_021
"""Of PostgreSQL's advisory locks, the one that all journals' writers take; any number that nobody else uses."""
_SCHEMA = "rebalancer"
# Not to_regclass: what it knows may be older than the lock that was waited for, as it looks into a cache.
_IS_THERE = "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = 'rebalancer' AND tablename = 'format')"


class Database:
    """``location``: a path, the URL of a PostgreSQL database, or None: in memory. Safe for several threads.

    ``read_only``: a file as it is, even on a disk that nothing can be written to.

    Every method raises :class:`~rebalancer.errors.RunError`.
    """

    def __init__(self, location: Path | str | None, *, read_only: bool = False) -> None:
        self.name = journal_name(location)
        # Of one process, too, one thread at a time: SQLite's connection is shared.
        self._lock = threading.RLock()
        self._engine = _looked_at(location) if read_only and isinstance(location, Path) else self._open(location)
        try:
            self._prepare()
        except BaseException:
            self._engine.dispose()
            raise

    def close(self) -> None:
        with self._lock:
            self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, on disk when the block has ended."""
        with self._failing_with("cannot write"), self._lock, self._transaction(writes=True) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """What is read in one block belongs together."""
        with self._failing_with("cannot read"), self._lock, self._transaction(writes=False) as connection:
            yield connection

    def time(self, connection: Connection) -> float:
        """Seconds since 1970, by the clock that all who use the database share."""
        if self._is_sqlite:
            return time.time()
        return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())

    def version(self) -> int:
        """Of its tables."""
        with self.read() as connection:
            return self._version(connection)

    # Inside

    @property
    def _is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    def _open(self, location: Path | str | None) -> Engine:
        with self._failing_with("cannot open"):
            if isinstance(location, str):
                return _postgresql(location)
            if location is not None:
                _create(location)
            return _sqlite(location)

    @contextmanager
    def _failing_with(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ArgumentError, NoSuchModuleError) as error:
            raise RunError(f"{what} the journal {self.name}: it is not the URL of a database") from error
        except ImportError as error:
            hint = "pip install 'cluster-rebalancer[postgres]'"
            raise RunError(f"{what} the journal {self.name}: PostgreSQL needs psycopg: {hint}") from error
        except (OSError, SQLAlchemyError) as error:
            raise RunError(f"{what} the journal {self.name}: {_said(error)}") from error

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        with self._engine.connect() as plain:
            connection = plain.execution_options(journal_writes=writes)
            if not writes and not self._is_sqlite:
                connection = plain.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                if writes and not self._is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                yield connection

    def _prepare(self) -> None:
        with self._failing_with("cannot open"), self._lock:
            with self._transaction(writes=False) as connection:
                version = self._version(connection)
            if version > len(MIGRATIONS):
                raise RunError(f"the journal {self.name} was written by a newer version of rebalancer")
            if version < len(MIGRATIONS):
                with self._transaction(writes=True) as connection:
                    self._migrate(connection)

    def _version(self, connection: Connection) -> int:
        if self._is_sqlite:
            return int(connection.execute(text("PRAGMA user_version")).scalar_one())
        there = connection.execute(text(_IS_THERE)).scalar_one()
        return int(connection.execute(text("SELECT version FROM format")).scalar_one()) if there else 0

    def _migrate(self, connection: Connection) -> None:
        # Read again: another process may have been faster.
        version = self._version(connection)
        if not self._is_sqlite and version == 0:
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}"))
            connection.execute(text("CREATE TABLE format (version BIGINT NOT NULL)"))
            connection.execute(text("INSERT INTO format VALUES (0)"))
        words = WORDS[self._engine.dialect.name]
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.exec_driver_sql(statement.format_map(words))
        if self._is_sqlite:
            connection.exec_driver_sql(f"PRAGMA user_version = {len(MIGRATIONS)}")
        else:
            connection.execute(text("UPDATE format SET version = :version"), {"version": len(MIGRATIONS)})


def _sqlite(path: Path | None) -> Engine:
    # One connection that all threads share: the lock above lets one in at a time.
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=None if path is None else str(path)),
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": BUSY},
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # Transactions are begun and ended here, not guessed by the module.
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("journal_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _looked_at(path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        name = f"file:{quote(os.fspath(path))}?mode=ro"
        try:
            connection = sqlite3.connect(name, uri=True, check_same_thread=False, isolation_level=None)
            connection.execute("PRAGMA user_version")
        except sqlite3.OperationalError:
            # Beside a file in WAL mode SQLite wants to write another one, unless nobody can be changing it.
            connection = sqlite3.connect(f"{name}&immutable=1", uri=True, check_same_thread=False, isolation_level=None)
        return connection

    return create_engine("sqlite+pysqlite://", poolclass=StaticPool, creator=connect)


def _postgresql(location: str) -> Engine:
    milliseconds = round(BUSY * 1000)
    settings = {
        "search_path": _SCHEMA,
        "synchronous_commit": "on",
        "lock_timeout": milliseconds,
        "statement_timeout": 2 * milliseconds,
        # A controller that is cut off in mid-transaction must not keep the others from writing.
        "idle_in_transaction_session_timeout": milliseconds,
    }
    return create_engine(
        make_url(location),
        pool_pre_ping=True,
        pool_size=1,
        max_overflow=0,
        connect_args={
            "connect_timeout": round(BUSY),
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "application_name": "rebalancer",
            "options": " ".join(f"-c {key}={value}" for key, value in settings.items()),
        },
    )


def _create(path: Path) -> None:
    """Readable by its owner alone, as plans name everything there is; SQLite gives its side files the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _said(error: Exception) -> str:
    """The database's own words in one line, without statement, parameters or password."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, OSError) and original.strerror:
        return original.strerror
    lines = [line.strip() for line in str(original).splitlines() if line.strip()]
    said = "; ".join(lines[:3]) or type(original).__name__
    # SQLite's only words where there is no room for the files that it keeps beside the database.
    return f"{said} (is its disk full?)" if said == "disk I/O error" else said
