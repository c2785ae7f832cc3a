"""What a migration left where its domain is not: taken away once the domain is known to run on the other host.

The definition on the source: libvirt's daemon does not remove it any more when it dies right after the last byte.

A second domain that runs on the destination of a migration that failed: libvirt's source takes a domain back when its
destination does not answer for some time (its keepalive, 30 s by default) and lets it run on. A destination whose
daemon merely stood still finds the order to start the domain when it goes on, and follows it: "there is a small chance"
of that, says ``doPeer2PeerMigrate3``. It is stopped there, and then removed.
"""

from __future__ import annotations

from enum import StrEnum

from rebalancer.cluster import DomainState
from rebalancer.errors import RebalancerError
from rebalancer.execution.hosts import Finding, Hosts, ask, guarded
from rebalancer.execution.outcome import Outcome
from rebalancer.execution.record import Record
from rebalancer.execution.recovery import LOOKS, Course, Past, course
from rebalancer.execution.running import Running
from rebalancer.execution.verdict import Verdict, definition_left
from rebalancer.plan.model import Step

__all__ = ["Take", "forget_definition", "put_right", "ran_twice", "stop_late", "stop_unexpected"]


class Take(StrEnum):
    SUSPEND = "suspended"
    LET_GO_ON = "let go on"
    """The source has lost it meanwhile: what was suspended is all that there is."""
    UNPAUSE = "let go on at its source"
    """Where this run had suspended it, in vain."""
    REMOVE = "removed"
    FORGET = "definition removed"
    """On the source, which has no more than that."""


def put_right(
    hosts: Hosts, record: Record, running: Running, verdict: Verdict, source: Finding, destination: Finding
) -> bool:
    """Whether anything was done, so that the hosts are to be asked anew. Raises nothing.

    What runs is stopped only where the source itself says that the migration failed, or that it took the domain back.
    Suspending can be undone, so that is done at once; what stands still is removed when the domain has been seen to
    run elsewhere often enough.
    """
    taken = _due(running, verdict, source, destination)
    if taken is None:
        return False
    if taken is Take.SUSPEND:
        running.late_copy, running.looks = stop_late(hosts, record, running.step) is None, 0
        return running.late_copy
    uuid = running.step.uuid
    host = running.step.source if taken in (Take.FORGET, Take.UNPAUSE) else running.step.destination
    try:
        connection = guarded(host, lambda: hosts.connection(host))
        match taken:
            case Take.LET_GO_ON | Take.UNPAUSE:
                guarded(host, lambda: connection.unpause(uuid))
            case Take.FORGET:
                guarded(host, lambda: connection.discard(uuid))
            case Take.REMOVE:
                guarded(host, lambda: connection.discard(uuid))
                running.failure = f"{running.failure}; {_told(running.step)}"
    except RebalancerError as error:
        record.event("remains", running.step, host=host, error=str(error))
        return False
    running.late_copy, running.looks = False, 0
    record.event("remains", running.step, host=host, taken=taken.value)
    return True


def forget_definition(hosts: Hosts, record: Record, step: Step) -> str | None:
    """Removes the definition that the source of a step has kept whose domain has moved on since; what is left to be
    done, in words, None: nothing. Raises nothing."""
    found = ask(hosts, step.source, step.uuid)
    if not found.answered or found.active is not None:
        return found.silence if not found.answered else f"it is active on {step.source}, too: find out which is right"
    if found.sighting is None:
        return None
    try:
        connection = guarded(step.source, lambda: hosts.connection(step.source))
        guarded(step.source, lambda: connection.discard(step.uuid))
    except RebalancerError as error:
        record.event("remains", step, host=step.source, error=str(error))
        return definition_left(step)
    record.event("remains", step, host=step.source, taken=Take.FORGET.value)
    return None


def stop_unexpected(hosts: Hosts, record: Record, step: Step, source: Finding, destination: Finding) -> str | None:
    """Suspends a domain that runs on the destination of a step that is about to start, where its source says that it
    took it back; what was done, in words, None: there is none. A host that was silent so far may have started it."""
    if course(step, Past(), source, destination).course is not Course.STARTED_LATE:
        return None
    late = f"{step.destination} has started it late, and"
    if (failure := stop_late(hosts, record, step)) is not None:
        return f"{late} could not be told to stop it: {failure}. Do so at once"
    return f"{late} was told to stop it: 'rebalance resume' removes it there"


def stop_late(hosts: Hosts, record: Record, step: Step) -> str | None:
    """Suspends what a destination has started late; why that could not be done, None: it was."""
    host = step.destination
    try:
        connection = guarded(host, lambda: hosts.connection(host))
        guarded(host, lambda: connection.suspend(step.uuid))
    except RebalancerError as error:
        record.event("remains", step, host=host, error=str(error))
        return str(error)
    record.event("remains", step, host=host, taken=Take.SUSPEND.value)
    record.remark(ran_twice(step))
    return None


def _due(running: Running, verdict: Verdict, source: Finding, destination: Finding) -> Take | None:
    there = destination.active
    if verdict.doubled and (running.failed or (source.active is not None and source.active.taken_back)):
        return Take.SUSPEND
    if verdict.outcome is Outcome.DONE and source.sighting is not None:
        running.looks += 1
        return Take.FORGET if running.looks >= LOOKS else None
    if running.suspended and verdict.freed and not verdict.certain:
        here = source.active
        still = here is not None and here.state is DomainState.PAUSED
        running.looks = running.looks + 1 if still else 0
        return Take.UNPAUSE if running.looks >= LOOKS else None
    if not running.late_copy or there is None or there.state is not DomainState.PAUSED or there.migrating:
        return None
    if source.answered and source.active is None:
        return Take.LET_GO_ON
    return Take.REMOVE if _enough(running, source) else None


def _enough(running: Running, source: Finding) -> bool:
    here = source.active
    runs = here is not None and here.state is running.expected and not here.migrating
    running.looks = running.looks + 1 if runs else 0
    return running.looks >= LOOKS


def _told(step: Step) -> str:
    return (
        f"{step.destination} had started it all the same, late, when {step.source} ran it again: stopped and removed"
        " there"
    )


def ran_twice(step: Step) -> str:
    """What there is to do about a domain that was started late, once that is put right."""
    return (
        f"'{step.domain}' ran on both {step.source} and {step.destination} for a moment: check it, and let libvirt on"
        f" {step.source} wait longer for its peers (keepalive_count in qemu.conf)"
    )
