"""What the journal knows of earlier moves, for policies that ask."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rebalancer.cli.inputs import tell
from rebalancer.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rebalancer.cluster.units import Seconds
    from rebalancer.plan.experience import Experience
    from rebalancer.policy import History, Policy
    from rebalancer.policy.history import Renamed

__all__ = ["read_experience", "read_history"]


def read_history(
    policy: Policy, journal: Path | str | None = None, *, advice: tuple[Mapping[str, str], ...] | None = None
) -> History | None:
    """When domains moved, as far back as ``cooldown``, ``per_domain`` and ``per_hour`` look, the old names of those
    that were renamed, and ``advice``, what earlier plans said (see :mod:`rebalancer.cli.advice`); None: the policy
    asks for none of it."""
    from rebalancer.cluster.units import Seconds
    from rebalancer.execution.journal.location import journal_location
    from rebalancer.plan.hourly import HOUR
    from rebalancer.policy import History
    from rebalancer.policy.settings import Restore

    limits = policy.limits
    horizon = max(limits.cooldown or 0.0, limits.per_domain.within if limits.per_domain else 0.0)
    horizon = max(horizon, HOUR if limits.per_hour is not None else 0.0)
    now = Seconds(datetime.now(UTC).timestamp())
    restores = policy.names.restore is Restore.WHEN_FREE
    if not horizon and not restores:
        return None if advice is None else History(now=now, advice=advice)
    location = journal_location(journal)
    if isinstance(location, Path) and not location.exists():
        return History(now=now, advice=advice)
    try:
        return History(
            now=now,
            moves=_moves(location, Seconds(now - horizon)) if horizon else {},
            advice=advice,
            renamed=_renamed(location) if restores else {},
        )
    except RunError as error:
        tell(f"warning: cooldown, per_domain and the old names of domains are not asked for: {error}")
        return None if advice is None else History(now=now, advice=advice)


def read_experience(journal: Path | str | None = None) -> Experience | None:
    """What finished migrations have taught about how long such take; None: nothing is known."""
    from rebalancer.execution.journal.location import journal_location

    location = journal_location(journal)
    if isinstance(location, Path) and not location.exists():
        return None
    # A database takes as long to import as a small plan takes to make.
    from rebalancer.execution.experience import read_experience as read
    from rebalancer.execution.journal import Journal

    try:
        with Journal(location) as opened:
            return read(opened)
    except RunError as error:
        tell(f"warning: what earlier migrations took is not known: {error}")
        return None


def _moves(location: Path | str, since: Seconds) -> dict[str, tuple[Seconds, ...]]:
    from rebalancer.cluster.units import Seconds
    from rebalancer.execution.journal import Journal

    found: dict[str, tuple[Seconds, ...]] = {}
    with Journal(location) as journal:
        for run in journal.list_runs():
            if run.finished_at is not None and datetime.fromisoformat(run.finished_at).timestamp() < since:
                continue
            for step in journal.run(run.id).steps:
                if step.state == "done" and step.finished_at is not None:
                    moved = Seconds(datetime.fromisoformat(step.finished_at).timestamp())
                    found[step.uuid] = (*found.get(step.uuid, ()), moved)
    return found


def _renamed(location: Path | str) -> dict[str, Renamed]:
    """UUID → the name that a domain had before a run gave it another, and which one that was."""
    from rebalancer.execution.journal import Journal
    from rebalancer.policy.history import Renamed

    found: dict[str, Renamed | None] = {}
    with Journal(location) as journal:
        for run in reversed(journal.list_runs()):
            for step in journal.run(run.id).steps if run.done else ():
                if step.state == "done":
                    found[step.uuid] = Renamed.follow(
                        found.get(step.uuid), step.domain, step.name_now or step.name_after
                    )
    return {uuid: renamed for uuid, renamed in found.items() if renamed is not None}
