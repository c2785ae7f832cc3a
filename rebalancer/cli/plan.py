"""``rebalance plan``"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rebalancer.cli.history import read_history
from rebalancer.cli.inputs import INVENTORY_VARIABLE, load_policy, patience, read_input, refuse_to_overwrite, tell
from rebalancer.cli.options import (
    Batch,
    DetailedExitcode,
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
    Snapshot,
    TimeLimit,
)
from rebalancer.cli.planning import DEFAULT_EFFORT, PlanningOptions, listen, plan_for
from rebalancer.cli.rolling import RollingOptions, print_rolling, rolling_json, rolling_plan, selected_hosts
from rebalancer.cli.status import ExitStatus
from rebalancer.errors import InvalidInput

if TYPE_CHECKING:
    from rebalancer.cluster import Cluster
    from rebalancer.plan import Plan

__all__ = ["plan"]

Rolling = Annotated[
    str | None,
    typer.Option("--rolling", metavar="SELECTOR", help="Empty the hosts that an expression selects, round by round."),
]
Frontier = Annotated[
    bool, typer.Option("--frontier", help="Instead of a plan: the best score for each of several numbers of moves.")
]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the plan here, as JSON.")]


def plan(
    inventory: Inventory = None,
    snapshot: Snapshot = None,
    policies: Policies = None,
    output: Output = None,
    journal: Journal = None,
    time_limit: TimeLimit = None,
    seed: Seed = 0,
    effort: Effort = DEFAULT_EFFORT,
    dirty_rate: DirtyRate = None,
    ignore_unreachable: IgnoreUnreachable = False,
    output_format: OutputFormat = Format.TEXT,
    detailed_exitcode: DetailedExitcode = False,
    rolling: Rolling = None,
    batch: Batch = None,
    back: Return = False,
    frontier: Frontier = False,
) -> ExitStatus:
    """What would make the cluster better, in which order, how long it takes, and why; changes nothing."""
    from rebalancer.files import write_atomically
    from rebalancer.report import make_console, print_plan

    refuse_to_overwrite(output, inventory or os.environ.get(INVENTORY_VARIABLE), snapshot, *(policies or []))
    options = PlanningOptions(policies=policies, seed=seed, effort=effort, time_limit=time_limit, journal=journal)
    if frontier:
        if rolling is not None or output is not None:
            raise InvalidInput("--frontier makes no plan; leave --rolling and -o out")
        cluster = read_input(inventory, snapshot, dirty_rate, ignore_unreachable=ignore_unreachable)
        return _frontier(cluster, options, output_format)
    if rolling is not None:
        cluster = read_input(inventory, snapshot, dirty_rate, ignore_unreachable=ignore_unreachable)
        how = RollingOptions(batch=batch, home=back)
        return _in_rounds(cluster, rolling, replace(options, default_policy="evacuate"), how, output, output_format)
    if back or batch is not None:
        raise InvalidInput("--batch and --return are about rounds: add --rolling SELECTOR")
    made, policy = plan_for(read_input(inventory, snapshot, dirty_rate, ignore_unreachable=ignore_unreachable), options)
    if output_format is Format.JSON:
        print(_file_of(made), end="")
    else:
        print_plan(make_console(), made, policy=policy)
    if output is not None:
        write_atomically(output, _file_of(made), 0o644)
        tell(f"plan written to {output}")
    return ExitStatus.PLAN_HAS_STEPS if detailed_exitcode and made.steps else ExitStatus.DONE


def _file_of(made: Plan) -> str:
    from rebalancer.plan.file import dump_plan

    return dump_plan(made)


def _frontier(cluster: Cluster, options: PlanningOptions, output_format: Format) -> ExitStatus:
    from rebalancer.plan.frontier import find_frontier
    from rebalancer.report.console import make_console
    from rebalancer.report.frontier import frontier_json, print_frontier

    policy = load_policy(options.policies, cluster, options.default_policy)
    history = read_history(policy, options.journal)
    listen()
    with patience(options.time_limit) as elapsed:
        found = find_frontier(
            cluster, policy, seed=options.seed, effort=options.effort, elapsed=elapsed, history=history
        )
    if output_format is Format.JSON:
        print(frontier_json(found), end="")
    else:
        print_frontier(make_console(), found, cluster, policy=policy.name)
    if not found.complete:
        tell("the time limit was reached: the curve may lie lower than shown")
    return ExitStatus.DONE


def _in_rounds(
    cluster: Cluster,
    selector: str,
    options: PlanningOptions,
    how: RollingOptions,
    output: Path | None,
    output_format: Format,
) -> ExitStatus:
    from rebalancer.files import write_atomically

    rolling = rolling_plan(cluster, selected_hosts(selector, cluster), options, how)
    if output_format is Format.JSON:
        print(rolling_json(rolling), end="")
    else:
        print_rolling(rolling)
    if output is not None:
        write_atomically(output, rolling_json(rolling), 0o644)
        tell(f"rounds written to {output}")
    return ExitStatus.DONE
