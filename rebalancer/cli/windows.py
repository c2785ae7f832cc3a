"""Whether a policy lets anything be moved now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rebalancer.cli.inputs import tell
from rebalancer.errors import RebalancerError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rebalancer.plan.model import Plan
    from rebalancer.policy import WindowEntry

__all__ = ["require_open", "tell_closed", "tell_windows"]


def tell_windows(windows: Iterable[WindowEntry]) -> None:
    """``windows: closed until 2026-11-28 22:00 CET (for 3 d)``; nothing where there are none."""
    from rebalancer.policy import opening

    found, now = tuple(windows), datetime.now(UTC)
    if found:
        tell(f"windows: {opening(found, now).words(now)}")


def require_open(plan: Plan, *, anyway: bool) -> None:
    """Raises RebalancerError where the plan has steps and none of its windows is open, unless asked to go on."""
    from rebalancer.policy import opening

    now = datetime.now(UTC)
    if not plan.windows or not plan.steps or opening(plan.windows, now).is_open:
        return
    words = opening(plan.windows, now).words(now)
    if not anyway:
        raise RebalancerError(f"the policy's windows are {words}; nothing was started (--now goes on regardless)")
    tell(f"warning: the policy's windows are {words}")


def tell_closed(plan: Plan) -> None:
    """Says what a run that is resumed outside of its windows does."""
    from rebalancer.policy import opening

    now = datetime.now(UTC)
    if plan.windows and not (found := opening(plan.windows, now)).is_open:
        settled = "what was under way is settled, and nothing is started (--now goes on regardless)"
        tell(f"warning: the policy's windows are {found.words(now)}: {settled}")
