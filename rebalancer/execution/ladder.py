"""What is done with a migration that does not converge: the policy's rungs, one after another, and cancelling."""

from __future__ import annotations

from collections.abc import Callable

from rebalancer.errors import Unsupported
from rebalancer.execution.hosts import guarded
from rebalancer.execution.running import CANCEL_PATIENCE, MARGIN, SLACK, Running, patience
from rebalancer.policy.model import Rung

__all__ = ["climb"]

Favour = Callable[[Running], bool]
"""Gives a migration more of its links; whether there was any to give."""


def climb(running: Running, now: float, favour: Favour) -> str | None:
    """Takes the next rung: what was done, or None when nothing is left to do.

    Raises the driver's errors, and Unsupported for a rung that is of no use here; the next call takes the one after.
    """
    if not running.ladder or running.migration is None:
        return None
    rung = running.ladder.pop(0)
    _TAKE[rung](running, now, favour)
    return rung.value


def _more_bandwidth(running: Running, now: float, favour: Favour) -> None:
    if not favour(running):
        raise Unsupported(running.step.source, "more_bandwidth", "its links have none to spare")
    _go_on(running, now, throttled=False)


def _auto_converge(running: Running, now: float, _: Favour) -> None:
    """Asked for from the start, as hypervisors want it; from here on it is given the time that it takes."""
    if not running.offers.auto_converge:
        raise Unsupported(running.step.source, "auto_converge")
    _go_on(running, now, throttled=True)


def _go_on(running: Running, now: float, *, throttled: bool) -> None:
    running.trend.start_over(throttled=throttled)
    running.deadline = max(running.deadline, now + _allowed(running))


def _post_copy(running: Running, now: float, _: Favour) -> None:
    assert running.migration is not None  # noqa: S101 - see climb
    running.deadline = now + _allowed(running)
    guarded(running.step.source, running.migration.start_post_copy)
    running.settling = True


def _pause(running: Running, now: float, _: Favour) -> None:
    assert running.migration is not None  # noqa: S101 - see climb
    running.deadline = now + _allowed(running)
    running.suspended = True
    guarded(running.step.source, running.migration.pause)
    running.settling = True


def _cancel(running: Running, now: float, _: Favour) -> None:
    assert running.migration is not None  # noqa: S101 - see climb
    running.deadline, running.settling = now + CANCEL_PATIENCE, True
    guarded(running.step.source, running.migration.cancel)


def _allowed(running: Running) -> float:
    """Seconds for a rung to work: by what is left to send, or by the plan's prediction where that is not known."""
    left = running.trend.time_left(running.rate)
    return patience(running.step) if left is None else SLACK * left + MARGIN


_TAKE: dict[Rung, Callable[[Running, float, Favour], None]] = {
    Rung.MORE_BANDWIDTH: _more_bandwidth,
    Rung.AUTO_CONVERGE: _auto_converge,
    Rung.POST_COPY: _post_copy,
    Rung.PAUSE: _pause,
    Rung.CANCEL: _cancel,
}
