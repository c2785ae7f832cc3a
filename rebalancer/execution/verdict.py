"""What is true of a step, from what its two hosts say: before it starts, and after it ended."""

from __future__ import annotations

from rebalancer.cluster import DomainState
from rebalancer.drivers import Sighting
from rebalancer.execution.hosts import Finding
from rebalancer.execution.outcome import Outcome, Place
from rebalancer.execution.recovery import on_both
from rebalancer.plan.model import Step
from rebalancer.values import dataclass

__all__ = ["Refusal", "Verdict", "definition_left", "judge", "obstacle", "whereabouts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``certain``: asking again will not change it. What is not certain stands when there is no more time to ask."""

    outcome: Outcome
    reason: str = ""
    place: Place | None = None
    certain: bool = False
    freed: bool = False
    """Nothing of the domain is left on the destination of a step that failed."""
    doubled: bool = False
    """It runs on both hosts, and no migration of it is under way on either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a step is not started, and what that makes of it."""

    reason: str
    outcome: Outcome = Outcome.FAILED
    outdated: bool = True
    """The world is other than planned, so that trying again will not help."""


def obstacle(step: Step, expected: DomainState, source: Finding, destination: Finding) -> Refusal | None:
    """Why the step must not start, the world being other than planned; None: nothing is in its way."""
    if not source.answered or not destination.answered:
        return Refusal(reason=source.error or destination.error or "", outdated=False)
    here, there = source.sighting, destination.sighting
    if source.active is None and destination.active and _is_as_planned(step, expected, destination.active):
        return Refusal(reason="somebody else has moved it there", outcome=Outcome.DONE, outdated=False)
    if here is None:
        found = f"; it is on {step.destination} now" if destination.active else ""
        return Refusal(reason=f"'{step.domain}' is not on {step.source} any more{found}")
    checks = {
        f"'{step.domain}' is called '{here.name}' on {step.source} now": here.name != step.domain,
        f"'{step.domain}' is being migrated by somebody else": here.migrating,
        f"'{step.domain}' was {expected} and is {here.state} now": here.state is not expected,
        f"'{step.domain}' is active on {step.destination} already": destination.active is not None,
        f"{step.destination} has another definition of '{step.domain}', called '{there.name if there else ''}'": (
            there is not None and there.name != step.name_after
        ),
    }
    return next((Refusal(reason=text) for text, wrong in checks.items() if wrong), None)


def _is_as_planned(step: Step, expected: DomainState, there: Sighting) -> bool:
    """Whether the domain is on its destination just as it is to be once it has moved."""
    return not there.migrating and there.name == step.name_after and there.state is expected


def whereabouts(source: Finding, destination: Finding, before: Place | None) -> Place | None:
    """Where a domain that was not moved is; ``before``: where it was last known to be."""
    for finding in (source, destination):
        if finding.active is not None:
            return Place(host=finding.host, name=finding.active.name)
    return before if not source.answered else None


def judge(
    step: Step, expected: DomainState, source: Finding, destination: Finding, *, reported: bool = False
) -> Verdict:
    """``expected``: the domain's state before the step; ``reported``: its source has said that it has moved it."""
    if not destination.answered:
        return _without_destination(step, source, destination)
    if destination.active is None:
        return _not_arrived(step, expected, source, destination)
    there = destination.active
    if not _is_as_planned(step, expected, there):
        return _half_arrived(step, source, destination)
    return _arrived(step, expected, source, reported=reported)


def _arrived(step: Step, expected: DomainState, source: Finding, *, reported: bool) -> Verdict:
    place = Place(host=step.destination, name=step.name_after)
    if source.answered and source.active is None:
        if source.sighting is None:
            return Verdict(outcome=Outcome.DONE, place=place, certain=True)
        return Verdict(outcome=Outcome.DONE, place=place, reason=definition_left(step))
    if source.active is not None:
        if source.active.state is DomainState.PAUSED and expected is DomainState.RUNNING:
            left = f"it runs on {step.destination}, and its remains stand still on {step.source}"
            return Verdict(outcome=Outcome.UNKNOWN, reason=f"{left}: 'rebalance resume' removes them")
        doubled = source.active.state is DomainState.RUNNING and not source.active.migrating
        both = f"active on both {step.source} and {step.destination}: find out which is right and stop the other"
        return Verdict(outcome=Outcome.UNKNOWN, reason=on_both(step) if doubled else both, doubled=doubled)
    if reported and expected is DomainState.RUNNING:
        return Verdict(outcome=Outcome.DONE, place=place, reason=source.silence)
    # A source that is cut off may have taken it back, so that it runs on both (see remains.py).
    reason = f"it is {expected} on {step.destination}, but {source.silence}"
    return Verdict(outcome=Outcome.UNKNOWN, place=place, reason=reason)


def _not_arrived(step: Step, expected: DomainState, source: Finding, destination: Finding) -> Verdict:
    if not source.answered:
        return Verdict(outcome=Outcome.UNKNOWN, reason=f"not on {step.destination}, and {source.silence}")
    here = source.sighting
    if here is None:
        reason = f"neither {step.source} nor {step.destination} knows it"
        if (there := destination.sighting) is not None:
            left = f"{step.source} does not know it any more"
            reason = f"it runs nowhere: {left}, and on {step.destination} it is {there.state}"
        return Verdict(outcome=Outcome.UNKNOWN, reason=reason)
    if here.migrating:
        return Verdict(outcome=Outcome.UNKNOWN, reason="its migration still goes on")
    place = Place(host=step.source, name=here.name)
    as_before = here.state is expected
    reason = "" if as_before else f"it is {here.state} on {step.source}"
    if here.held and not as_before:
        reason += ", where its migration left it; 'rebalance resume' lets it go on where that is safe"
    return Verdict(outcome=Outcome.FAILED, reason=reason, place=place, certain=as_before, freed=True)


def _half_arrived(step: Step, source: Finding, destination: Finding) -> Verdict:
    there = destination.active
    seen = f"on {step.destination} it is {there.state} as '{there.name}'" if there else ""
    if not source.answered:
        return Verdict(outcome=Outcome.UNKNOWN, reason=f"{seen}, and {source.silence}")
    here = source.active
    if here is None:
        place = Place(host=step.destination, name=there.name) if there and not there.migrating else None
        return Verdict(outcome=Outcome.UNKNOWN, reason=f"it has left {step.source}, but {seen}", place=place)
    if here.migrating or (there and there.migrating):
        return Verdict(outcome=Outcome.UNKNOWN, reason="its migration still goes on")
    reason = f"it is {here.state} on {step.source}, and a copy is left: {seen}"
    return Verdict(outcome=Outcome.FAILED, reason=reason, place=Place(host=step.source, name=here.name))


def _without_destination(step: Step, source: Finding, destination: Finding) -> Verdict:
    if not source.answered:
        return Verdict(outcome=Outcome.UNKNOWN, reason=f"{source.silence}, {destination.silence}")
    here = source.active
    if here is None:
        return Verdict(outcome=Outcome.UNKNOWN, reason=f"it has left {step.source}, and {destination.silence}")
    if here.migrating:
        return Verdict(outcome=Outcome.UNKNOWN, reason="its migration still goes on")
    # Not certain: a destination that answers late may start it late (see remains.py).
    return Verdict(
        outcome=Outcome.FAILED,
        reason=f"{destination.silence}; once it does, 'rebalance resume' sees to it that it does not run there, too",
        place=Place(host=step.source, name=here.name),
    )


def definition_left(step: Step) -> str:
    return f"its definition is left on {step.source}: remove it"
