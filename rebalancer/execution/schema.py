"""The journal's tables. Each entry of ``MIGRATIONS`` brings a journal one version further; entries never change.

``PRAGMA user_version`` of a journal is the number of entries that have been applied to it.
"""

from __future__ import annotations

__all__ = ["MIGRATIONS"]

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            cluster TEXT NOT NULL,
            plan TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('running', 'complete', 'incomplete')),
            started_at TEXT NOT NULL,
            finished_at TEXT,
            process INTEGER NOT NULL,
            version TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE steps (
            run INTEGER NOT NULL REFERENCES runs (id),
            step TEXT NOT NULL,
            position INTEGER NOT NULL,
            domain TEXT NOT NULL,
            uuid TEXT NOT NULL,
            source TEXT NOT NULL,
            destination TEXT NOT NULL,
            name_after TEXT NOT NULL,
            state TEXT NOT NULL CHECK (
                state IN ('planned', 'intended', 'done', 'failed', 'unknown', 'skipped', 'not started')
            ),
            reason TEXT NOT NULL DEFAULT '',
            intended_at TEXT,
            finished_at TEXT,
            host_now TEXT,
            name_now TEXT,
            predicted_duration REAL NOT NULL,
            predicted_downtime REAL NOT NULL,
            predicted_bytes INTEGER NOT NULL,
            duration REAL,
            downtime REAL,
            bytes INTEGER,
            PRIMARY KEY (run, step)
        ) STRICT
        """,
        """
        CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run INTEGER NOT NULL REFERENCES runs (id),
            step TEXT,
            time TEXT NOT NULL,
            kind TEXT NOT NULL,
            detail TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX events_by_run ON events (run, id)",
    ),
)
