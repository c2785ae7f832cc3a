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
    EmptyBy,
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
    from rebalancer.cluster.units import Seconds
    from rebalancer.plan.model import Deadline, Plan

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
    deadline: EmptyBy = None,
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
            how = RollingOptions(batch=batch, home=back, within=deadline, partial=partial)
            chosen = selected_hosts("true", live.cluster) if every else list(dict.fromkeys(names or ()))
            return evacuate_in_rounds(live, chosen, options, run, how)
        plan, policy = plan_for(live.cluster.with_maintenance(hosts), options, due(hosts, deadline, partial=partial))
        show(plan, policy, run)
        if message := what_stays(plan, hosts):
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


def due(hosts: frozenset[str], within: Seconds | None, *, partial: bool) -> Deadline | None:
    """With ``partial`` who cannot leave in time stays."""
    from rebalancer.plan.model import Deadline

    return None if within is None else Deadline(hosts=hosts, within=within, strict=partial)


def what_stays(plan: Plan, hosts: frozenset[str]) -> str:
    """Which domains the plan leaves on hosts to be emptied, or leaves there for too long; empty: none."""
    from rebalancer.plan.rolling import staying

    names = {domain.uuid: shown(domain.name) for domain in plan.snapshot.active_domains}
    where = ", ".join(sorted(hosts))
    parts = [(f"cannot leave {where}", staying(plan, hosts)), (f"cannot leave {where} in time", tuple(plan.late))]
    return "; ".join(f"{words}: {', '.join(names[uuid] for uuid in uuids)}" for words, uuids in parts if uuids)
