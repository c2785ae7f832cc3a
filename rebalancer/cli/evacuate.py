"""``rebalance evacuate``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rebalancer.cli.carry_out import RunOptions, carry_out, show
from rebalancer.cli.inputs import live_cluster, tell
from rebalancer.cli.options import (
    Batch,
    DirtyRate,
    Effort,
    Format,
    IgnoreUnreachable,
    Inventory,
    Journal,
    OutputFormat,
    Policies,
    Return,
    Seed,
    TimeLimit,
    Yes,
)
from rebalancer.cli.planning import DEFAULT_EFFORT, PlanningOptions, plan_for
from rebalancer.cli.rolling import RollingOptions, evacuate_in_rounds, selected_hosts
from rebalancer.cli.status import ExitStatus
from rebalancer.cluster.text import shown
from rebalancer.errors import InvalidInput, PlanImpossible, Problem

if TYPE_CHECKING:
    from rebalancer.cluster import Cluster
    from rebalancer.plan.model import Plan

__all__ = ["evacuate"]

Hosts = Annotated[list[str] | None, typer.Argument(metavar="[HOST...]", help="The hosts to empty.")]
All = Annotated[bool, typer.Option("--all", help="All hosts, in as few rounds as the rules allow.")]
Partial = Annotated[bool, typer.Option("--partial", help="Move what can leave, though something cannot.")]


def evacuate(
    names: Hosts = None,
    inventory: Inventory = None,
    policies: Policies = None,
    yes: Yes = False,
    partial: Partial = False,
    every: All = False,
    batch: Batch = None,
    back: Return = False,
    journal: Journal = None,
    time_limit: TimeLimit = None,
    seed: Seed = 0,
    effort: Effort = DEFAULT_EFFORT,
    dirty_rate: DirtyRate = None,
    ignore_unreachable: IgnoreUnreachable = False,
    output: OutputFormat = Format.TEXT,
) -> ExitStatus:
    """Empty hosts, keeping the rest well placed. Says before anything starts what cannot leave, and why.

    With --all, --batch or --return round by round: it goes on when the hosts of a round can run domains again.
    """
    if bool(names) == every:
        raise InvalidInput(
            "name the hosts to empty, or give --all" if every is False else "give hosts or --all, not both"
        )
    hosts = frozenset(names or ())
    options = PlanningOptions(
        policies=policies, default_policy="evacuate", seed=seed, effort=effort, time_limit=time_limit, journal=journal
    )
    run = RunOptions(
        yes=yes,
        journal=journal,
        output=output,
        planned_as=lambda cluster: cluster.with_maintenance(hosts),
        command=f"evacuate {' '.join(sorted(hosts)) or '--all'}",
    )
    with live_cluster(inventory, dirty_rate, ignore_unreachable=ignore_unreachable) as live:
        require_hosts(hosts, live.cluster)
        if every or back or batch is not None:
            how = RollingOptions(batch=batch, home=back, partial=partial)
            chosen = selected_hosts("true", live.cluster) if every else list(dict.fromkeys(names or ()))
            return evacuate_in_rounds(live, chosen, options, run, how)
        plan, policy = plan_for(live.cluster.with_maintenance(hosts), options)
        show(plan, policy, run)
        if stuck := staying(plan, hosts):
            message = f"cannot leave {', '.join(sorted(hosts))}: {', '.join(stuck)}"
            if not partial:
                raise PlanImpossible(f"{message}; nothing was started (--partial moves the others)")
            tell(f"warning: {message}")
        return carry_out(live, plan, run)


def require_hosts(
    names: frozenset[str], cluster: Cluster, consequence: str = "what runs there cannot be moved away"
) -> None:
    """Raises InvalidInput for hosts that are not in the cluster or could not be read."""
    from rebalancer.cluster.entries import suggestion

    problems: list[Problem] = []
    for name in sorted(names):
        host = cluster.host_by_name.get(name)
        if host is None:
            problems.append(Problem(f"there is no host {shown(name)}{suggestion(name, cluster.host_by_name.keys())}"))
        elif not host.readable:
            problems.append(Problem(f"{shown(name)} is {host.state}: {consequence}"))
    if problems:
        raise InvalidInput(problems)


def staying(plan: Plan, hosts: frozenset[str]) -> tuple[str, ...]:
    """The names of the domains that the plan leaves on hosts to be emptied."""
    return tuple(
        shown(domain.name)
        for domain in plan.snapshot.active_domains
        if plan.placement.get(domain.uuid, domain.host) in hosts
    )
