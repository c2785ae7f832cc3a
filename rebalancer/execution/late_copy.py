"""A domain that runs on both hosts of a migration that failed: what arrived is stopped, and then removed.

libvirt's source takes a domain back when its destination does not answer for some time (its keepalive, 30 s by default)
and lets it run on. A destination whose daemon merely stood still finds the order to start the domain when it goes on,
and follows it: "there is a small chance that the domain is running on the destination" (``doPeer2PeerMigrate3``).
"""

from __future__ import annotations

from enum import StrEnum

from rebalancer.cluster import DomainState
from rebalancer.errors import RebalancerError
from rebalancer.execution.hosts import Finding, Hosts, guarded
from rebalancer.execution.record import Record
from rebalancer.execution.recovery import LOOKS
from rebalancer.execution.running import Running
from rebalancer.execution.verdict import Verdict

__all__ = ["put_right"]


class _Take(StrEnum):
    SUSPEND = "suspended"
    LET_GO_ON = "let go on"
    """The source has lost it meanwhile: what was suspended is all that there is."""
    REMOVE = "removed"


def put_right(
    hosts: Hosts, record: Record, running: Running, verdict: Verdict, source: Finding, destination: Finding
) -> bool:
    """Whether anything was done, so that the hosts are to be asked anew. Raises nothing.

    Only of a migration of which the source itself says that it failed. Suspending can be taken back, so that is done at
    once; what stands still is removed when the domain has been seen to run on its source often enough.
    """
    taken = _due(running, verdict, source, destination)
    if taken is None:
        return False
    host, uuid = running.step.destination, running.step.uuid
    try:
        connection = guarded(host, lambda: hosts.connection(host))
        match taken:
            case _Take.SUSPEND:
                guarded(host, lambda: connection.suspend(uuid))
            case _Take.LET_GO_ON:
                guarded(host, lambda: connection.unpause(uuid))
            case _Take.REMOVE:
                guarded(host, lambda: connection.discard(uuid))
                running.failure = f"{running.failure}; {_told(running)}"
    except RebalancerError as error:
        record.event("late copy", running.step, host=host, error=str(error))
        return False
    running.late_copy, running.looks = taken is _Take.SUSPEND, 0
    record.event("late copy", running.step, host=host, taken=taken.value)
    return True


def _due(running: Running, verdict: Verdict, source: Finding, destination: Finding) -> _Take | None:
    there = destination.active
    if running.failed and verdict.doubled:
        return _Take.SUSPEND
    if not running.late_copy or there is None or there.state is not DomainState.PAUSED or there.migrating:
        return None
    if source.answered and source.active is None:
        return _Take.LET_GO_ON
    return _Take.REMOVE if _enough(running, source) else None


def _enough(running: Running, source: Finding) -> bool:
    here = source.active
    runs = here is not None and here.state is running.expected and not here.migrating
    running.looks = running.looks + 1 if runs else 0
    return running.looks >= LOOKS


def _told(running: Running) -> str:
    step = running.step
    return (
        f"{step.destination} had started it all the same, late, when {step.source} ran it again: stopped and removed"
        f" there. Both ran for a moment: check '{step.domain}', and let libvirt on {step.source} wait longer for its"
        " peers (keepalive_count in qemu.conf)"
    )
