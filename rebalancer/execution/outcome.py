"""What became of a step and of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from rebalancer.cluster.units import Seconds
from rebalancer.drivers import MigrationOutcome
from rebalancer.values import dataclass

__all__ = ["Outcome", "Place", "RunResult", "StepOutcome"]


class Outcome(StrEnum):
    DONE = "done"
    """Verified: the domain runs on the destination under the right name, and no more on the source."""
    FAILED = "failed"
    """Verified: the domain is where it was."""
    UNKNOWN = "unknown"
    """The hosts could not be asked, or what they say does not fit together: somebody has to look."""
    SKIPPED = "skipped"
    """Not started: it needed something that another step should have done or freed."""
    NOT_STARTED = "not started"
    """Not started: the run was stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The host that a domain is on, and its name there."""

    host: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutcome:
    step: str
    outcome: Outcome
    reason: str = ""
    """Why it is not ``done``; with ``done``, what is to be said nevertheless."""
    place: Place | None = None
    """Where the domain is now; None where nobody could say."""
    started: Seconds | None = None
    """After the run's start; None: no migration was begun."""
    finished: Seconds | None = None
    measured: MigrationOutcome | None = None
    outdated: bool = False
    """It failed as the world is other than planned: its domain, or what has its room or its name, was left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """``complete``: every step is done. ``where``: by UUID, each domain of the plan; None: nobody could say."""

    run_id: int
    outcomes: Mapping[str, StepOutcome]
    complete: bool
    where: Mapping[str, Place | None]
    problems: tuple[str, ...] = field(default=())
    """What went wrong with the run itself, e.g. a journal that could not be written to its end, and what somebody has
    to look at though all went on."""
