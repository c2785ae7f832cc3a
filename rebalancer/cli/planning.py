"""From a cluster and the options of ``plan``, ``apply`` and ``evacuate`` to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rebalancer.cli.advice import AdviceBook
from rebalancer.cli.history import read_experience, read_history
from rebalancer.cli.inputs import load_policy, patience, tell
from rebalancer.cli.windows import tell_windows
from rebalancer.cluster.units import Seconds
from rebalancer.values import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from rebalancer.cluster import Cluster
    from rebalancer.plan.model import Deadline, Plan
    from rebalancer.plan.rolling import Make
    from rebalancer.policy import Policy

__all__ = ["DEFAULT_EFFORT", "PlanningOptions", "listen", "plan_for", "planner"]

DEFAULT_EFFORT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningOptions:
    """``policies``: files or names, merged in this order. ``journal``: where earlier moves are looked up; None for the
    user's own."""

    policies: list[str] | None
    default_policy: str = "balance"
    seed: int = 0
    effort: int = DEFAULT_EFFORT
    time_limit: Seconds | None = None
    journal: Path | str | None = None


def plan_for(cluster: Cluster, options: PlanningOptions, deadline: Deadline | None = None) -> tuple[Plan, str]:
    """The plan, and the name of the policy it follows."""
    policy = load_policy(options.policies, cluster, options.default_policy)
    tell_windows(located.entry for located in policy.windows)
    book = AdviceBook(policy, cluster, options.journal)
    plan = planner(options, book.earlier())(cluster, policy, deadline=deadline)
    book.remember(plan)
    return plan, policy.name


def listen() -> None:
    """Tells when the search is compiled, which takes a while."""
    from rebalancer.native import library

    library.listeners[:] = [tell]


def planner(options: PlanningOptions, advice: tuple[Mapping[str, str], ...] | None = None) -> Make:
    """Makes plans as the options say. ``advice``: placements of earlier plans, where these are remembered."""
    from rebalancer.plan.make import make_plan

    listen()
    experience = read_experience(options.journal)

    def make(cluster: Cluster, policy: Policy, *, deadline: Deadline | None = None) -> Plan:
        with patience(options.time_limit) as elapsed:
            return make_plan(
                cluster,
                policy,
                seed=options.seed,
                effort=options.effort,
                created_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
                elapsed=elapsed,
                history=read_history(policy, options.journal, advice=advice),
                experience=experience,
                deadline=deadline,
            )

    return make
