"""``domjobinfo``: how far a migration is, and what it took. Pure.

Two forms: ``--rawstats`` (bytes and milliseconds, since libvirt 7.2) and the older one for people
(``Data processed:   2.259 GiB``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.drivers.protocol import MigrationOutcome, Progress

__all__ = ["Job", "parse_job"]

_TYPES = {"0": "none", "1": "bounded", "2": "unbounded", "3": "completed", "4": "failed", "5": "cancelled"}
_MIGRATIONS = ("", "4", "5", "Incoming migration", "Outgoing migration")
_LINE = re.compile(r"([^:]+):\s*(\S.*)")
_AMOUNT = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,9})?)(?:\s+([A-Za-z/]+))?")
_SCALE = {"B": 1.0, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50, "EiB": 2**60}
_PAGE = 4096
# The words for people, by their key in --rawstats.
_WORDS = {
    "Time elapsed": "time_elapsed",
    "Data processed": "data_processed",
    "Data remaining": "data_remaining",
    "Data total": "data_total",
    "Iteration": "memory_iteration",
    "Memory total": "memory_total",
    "Constant pages": "memory_constant",
    "Dirty rate": "memory_dirty_rate",
    "Page size": "memory_page_size",
    "Expected downtime": "downtime",
    "Total downtime": "downtime",
}


@dataclass(frozen=True, slots=True)
class Job:
    """A domain's job; ``kind`` is ``none``, ``bounded``, ``unbounded``, ``completed``, ``failed`` or ``cancelled``."""

    kind: str
    values: Mapping[str, float]
    operation: str = ""
    """libvirt's word or number for what the job is; empty where it does not say."""

    @property
    def active(self) -> bool:
        return self.kind in ("bounded", "unbounded")

    @property
    def migrating(self) -> bool:
        """Whether it is a migration that goes on; a job that does not say what it is may be one."""
        return self.active and self.operation in _MIGRATIONS

    def progress(self, elapsed: Seconds) -> Progress:
        """``elapsed`` where the job itself does not know."""
        values = self.values
        rate = values.get("memory_dirty_rate")
        # All zero until the first counters are in: not known, rather than nothing to do.
        counted = values.get("data_total", 0) > 0
        downtime = values.get("downtime")
        iteration = values.get("memory_iteration")
        return Progress(
            elapsed=Seconds(values["time_elapsed"] / 1000) if "time_elapsed" in values else elapsed,
            processed=self._bytes("data_processed") if counted else None,
            remaining=self._bytes("data_remaining") if counted else None,
            total=self._bytes("data_total") if counted else None,
            iteration=int(iteration) if counted and iteration is not None else None,
            # Unknown, not zero, in the first iteration, during which QEMU does not look.
            dirty_rate=BytesPerSecond(rate * values.get("memory_page_size", _PAGE)) if rate and counted else None,
            expected_downtime=None if downtime is None else Seconds(downtime / 1000),
        )

    def outcome(self) -> MigrationOutcome | None:
        """What a completed migration took."""
        if self.kind != "completed" or "time_elapsed" not in self.values:
            return None
        downtime = self.values.get("downtime")
        return MigrationOutcome(
            duration=Seconds(self.values["time_elapsed"] / 1000),
            downtime=None if downtime is None else Seconds(downtime / 1000),
            transferred=self._bytes("data_processed"),
            memory=self._written(),
        )

    def _written(self) -> Bytes | None:
        """All memory but pages full of zeros, of which QEMU sends a few bytes each (``save_zero_page``). One that is
        written with zeros meanwhile is counted again, which is rare."""
        values = self.values
        if not values.get("memory_total") or "memory_constant" not in values:
            return None
        empty = values["memory_constant"] * values.get("memory_page_size", _PAGE)
        return Bytes(max(round(values["memory_total"] - empty), 0))

    def _bytes(self, key: str) -> Bytes | None:
        return Bytes(round(self.values[key])) if key in self.values else None


def parse_job(answer: str) -> Job:
    """Either form; raises ValueError where it is neither."""
    kind = operation = ""
    values: dict[str, float] = {}
    for line in answer.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is None:
            continue
        word, value = found[1].strip(), found[2].strip()
        if word == "Job type":
            kind = _TYPES.get(value, value.lower())
        elif word.lower() == "operation":
            operation = value
        elif (key := _WORDS.get(word, word)) and (number := _amount(value)) is not None:
            values.setdefault(key, number)
    if kind not in _TYPES.values():
        raise ValueError("'domjobinfo' answered without a type of job")
    return Job(kind, values, operation)


def _amount(value: str) -> float | None:
    found = _AMOUNT.fullmatch(value)
    return None if found is None else float(found[1]) * _SCALE.get(found[2] or "", 1.0)
