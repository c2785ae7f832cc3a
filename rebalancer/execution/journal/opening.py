"""A journal that is only looked at: none is made where there is none, and one that cannot be written can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rebalancer.errors import RunError
from rebalancer.execution.journal.journal import Journal
from rebalancer.execution.journal.location import journal_name
from rebalancer.execution.journal.records import RunRecord

__all__ = ["opened_run", "reading"]


@contextmanager
def reading(location: Path | str) -> Iterator[Journal | None]:
    """None: there is no such journal, as nothing has been run yet."""
    if isinstance(location, Path) and not location.exists():
        yield None
        return
    with _opened(location) as journal:
        yield journal


def _opened(location: Path | str) -> Journal:
    try:
        return Journal(location)
    except RunError:
        if not isinstance(location, Path):
            raise
        # A full or read-only disk must not hide what was done. Whoever writes learns of it then.
        return Journal(location, read_only=True)


@contextmanager
def opened_run(location: Path | str, run: int | None) -> Iterator[tuple[Journal, RunRecord]]:
    """The journal and one of its runs, by default the newest; raises RunError where there is none."""
    with reading(location) as journal:
        if journal is None:
            raise RunError(f"there is no journal {journal_name(location)}: nothing has been run yet")
        if run is None:
            runs = journal.list_runs()
            if not runs:
                raise RunError(f"the journal {journal.name} has no runs")
            run = runs[0].id
        yield journal, journal.run(run)
