"""What to do about a step whose controller died after it may have been started: from what its two hosts say. Pure.

A domain is never destroyed unless it is known to run on the other host, and nothing is done that a second look might
forbid: see :func:`course`.
"""

from __future__ import annotations

from enum import StrEnum

from rebalancer.cluster import DomainState
from rebalancer.drivers import Sighting
from rebalancer.execution.hosts import Finding
from rebalancer.plan.model import Step
from rebalancer.values import dataclass

__all__ = ["LOOKS", "Course", "Decision", "Past", "course", "looks_at", "on_both"]

LOOKS = 3
"""Times in a row that hosts must say the same before something is removed or let go on."""


PREPARED = 15
"""The same before a migration of which its destination knows nothing is taken for somebody else's: a destination may be
slow to prepare."""


class Course(StrEnum):
    MOVED = "moved"
    """The step is done."""
    NOT_MOVED = "not moved"
    """Nothing of it is left: it may be started again."""
    GOES_ON = "goes on"
    """Its migration is under way: it is adopted."""
    GOES_ELSEWHERE = "goes elsewhere"
    """It is being migrated, and nothing of it is on the destination: somebody else's migration, left alone. One of this
    run looks like that only for the moment before its destination is prepared."""
    COPY_LEFT = "copy left"
    """The domain runs on its source, and what was received of it stands still on the destination: removed there."""
    ORIGINAL_LEFT = "original left"
    """The domain runs on its destination, and stands still or is only defined on the source: removed there."""
    STARTED_LATE = "started late"
    """The domain runs on both, and its destination started it when its source had taken it back: suspended on the
    destination at once, where it then is a copy that is left."""
    PAUSED = "paused"
    """The run suspended it on its source, or its hypervisor did to move it, and there it is: it goes on there."""
    ONLY_COPY = "only copy"
    """The run suspended it on its destination, as started late, and its source has lost it since: it goes on there."""
    DOUBLED = "doubled"
    """It runs on both, and nobody knows which is right: left alone, somebody has to stop one at once."""
    UNCLEAR = "unclear"
    """Left alone: somebody has to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the journal knows of the domain of a step. ``expected``: its state before."""

    expected: DomainState = DomainState.RUNNING
    stayed: bool = False
    """The step failed: the domain had been seen on its source after the migration."""
    suspended: bool = False
    """The run paused it on its source, to let its copy end."""
    stopped: bool = False
    """The run paused it on its destination, as started late."""
    persistent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    course: Course
    reason: str
    unseen: bool = False
    """Its migration may go on, and nobody can watch it."""


def looks_at(course: Course) -> int:
    """Times in a row that a course must be found before it is followed."""
    if course in (Course.MOVED, Course.NOT_MOVED, Course.GOES_ON):
        return 1
    return PREPARED if course is Course.GOES_ELSEWHERE else LOOKS


def course(step: Step, past: Past, source: Finding, destination: Finding) -> Decision:
    if not source.answered or not destination.answered:
        return _half_known(step, source, destination)
    here, there = source.active, destination.active
    if here is not None and here.migrating and destination.sighting is None:
        to = f"it is being migrated from {step.source}, and not to {step.destination}"
        return _decided(Course.GOES_ELSEWHERE, f"{to}: by somebody else; resume again once that has ended")
    if any(sighting.migrating for sighting in (here, there) if sighting is not None):
        return _decided(Course.GOES_ON, "its migration is still under way")
    if here is None and there is None:
        return _decided(Course.UNCLEAR, f"it is active neither on {step.source} nor on {step.destination}")
    if here is None:
        found = _only_there(step, past, there)
        if found.course is Course.MOVED and source.sighting is not None:
            return _decided(Course.ORIGINAL_LEFT, f"{found.reason}, and its definition is left on {step.source}")
        return found
    if there is None:
        return _only_here(step, past, here, known_there=destination.sighting is not None)
    return _on_both(step, past, here, there)


def _only_there(step: Step, past: Past, there: Sighting | None) -> Decision:
    if there is not None and there.name == step.name_after:
        if there.state is past.expected:
            return _decided(Course.MOVED, f"it is {there.state} on {step.destination} alone")
        if past.stopped and there.state is DomainState.PAUSED:
            return _decided(
                Course.ONLY_COPY,
                f"{step.source} has lost it, and it stands still on {step.destination}, stopped by this run",
            )
    seen = f"it is {there.state} as '{there.name}'" if there else "it is"
    return _decided(Course.UNCLEAR, f"{seen} on {step.destination}, and no more on {step.source}")


def _only_here(step: Step, past: Past, here: Sighting, *, known_there: bool) -> Decision:
    """``known_there``: the destination has a definition of it."""
    if here.state is past.expected:
        return _decided(Course.NOT_MOVED, f"it is {here.state} on {step.source} alone")
    if past.suspended and here.state is DomainState.PAUSED:
        return _decided(Course.PAUSED, f"it stands still on {step.source}, where this run suspended it")
    # A destination that knows nothing of a persistent domain has never let it run: libvirt defines it before.
    if here.held and past.expected is DomainState.RUNNING and past.persistent and not known_there:
        return _decided(Course.PAUSED, f"it stands still on {step.source}, where its migration left it")
    return _decided(Course.UNCLEAR, f"it was {past.expected} and is {here.state} on {step.source}")


def _on_both(step: Step, past: Past, here: Sighting, there: Sighting) -> Decision:
    running = DomainState.RUNNING
    if here.state is running and there.state is running:
        # Only the source can say that it runs there by right: somebody may have let remains go on by hand.
        if there.name == step.name_after and (past.stayed or here.taken_back):
            return _decided(
                Course.STARTED_LATE,
                f"{step.source} had taken it back, and {step.destination} started it all the same, late",
            )
        return _decided(Course.DOUBLED, on_both(step))
    if here.state is running and there.state is DomainState.PAUSED:
        return _decided(
            Course.COPY_LEFT, f"it runs on {step.source}, and a half-received copy is on {step.destination}"
        )
    if there.state is running and here.state is DomainState.PAUSED:
        return _decided(Course.ORIGINAL_LEFT, f"it runs on {step.destination}, and its remains are on {step.source}")
    return _decided(
        Course.UNCLEAR,
        f"it is {here.state} on {step.source} and {there.state} on {step.destination}: find out which is right and"
        " stop the other",
    )


def on_both(step: Step) -> str:
    """What to do where nobody knows which of two domains is right."""
    return (
        f"it runs on both {step.source} and {step.destination}, and {step.source} does not say that it took it back:"
        " both write to its disks. Suspend one at once, find out which is right, and remove the other"
    )


def _half_known(step: Step, source: Finding, destination: Finding) -> Decision:
    """A domain that runs on its destination may run on a silent source, too: one that was cut off takes it back."""
    silent = " and ".join(finding.silence for finding in (source, destination) if not finding.answered)
    there = destination.active
    seen = f"it is {there.state} on {step.destination}, but " if there is not None else ""
    here = source.active
    unseen = not source.answered or (here is not None and here.migrating)
    return Decision(course=Course.UNCLEAR, reason=f"{seen}{silent}", unseen=unseen)


def _decided(found: Course, reason: str) -> Decision:
    return Decision(course=found, reason=reason)
