"""The tables as queries name them; :mod:`~rebalancer.execution.journal.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, MetaData, Table, Text

__all__ = ["events", "leases", "runs", "steps"]

_metadata = MetaData()

runs = Table(
    "runs",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("cluster", Text),
    Column("plan", Text),
    Column("state", Text),
    Column("started_at", Text),
    Column("finished_at", Text),
    Column("process", Integer),
    Column("version", Text),
    Column("who", Text),
    Column("machine", Text),
    Column("controller", Text),
    Column("command", Text),
    Column("undoes", Integer),
    Column("stop", Integer),
)
steps = Table(
    "steps",
    _metadata,
    Column("run", Integer, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("position", Integer),
    Column("domain", Text),
    Column("uuid", Text),
    Column("source", Text),
    Column("destination", Text),
    Column("name_after", Text),
    Column("state", Text),
    Column("reason", Text),
    Column("intended_at", Text),
    Column("finished_at", Text),
    Column("host_now", Text),
    Column("name_now", Text),
    Column("predicted_duration", Float),
    Column("predicted_downtime", Float),
    Column("predicted_bytes", Integer),
    Column("duration", Float),
    Column("downtime", Float),
    Column("bytes", Integer),
    Column("attempts", Integer),
)
events = Table(
    "events",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("run", Integer),
    Column("step", Text),
    Column("host", Text),
    Column("time", Text),
    Column("kind", Text),
    Column("detail", Text),
)
leases = Table(
    "leases",
    _metadata,
    Column("host", Text, primary_key=True),
    Column("token", Integer),
    Column("run", Integer),
    Column("controller", Text),
    Column("who", Text),
    Column("machine", Text),
    Column("process", Integer),
    Column("birth", Text),
    Column("since", Float),
    Column("expires", Float),
)
