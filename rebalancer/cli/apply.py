"""``rebalance apply``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rebalancer.cli.carry_out import RunOptions, carry_out, require_current, show
from rebalancer.cli.inputs import live_cluster
from rebalancer.cli.options import (
    DirtyRate,
    Effort,
    Format,
    IgnoreUnreachable,
    Inventory,
    Journal,
    Now,
    OutputFormat,
    Policies,
    Seed,
    TimeLimit,
    Yes,
)
from rebalancer.cli.planning import DEFAULT_EFFORT, PlanningOptions, plan_for
from rebalancer.cli.status import ExitStatus
from rebalancer.cli.windows import require_open
from rebalancer.errors import InvalidInput

__all__ = ["apply"]

PlanFile = Annotated[
    Path | None, typer.Argument(metavar="[PLAN]", help="A plan made by 'plan -o'; refused if the cluster has changed.")
]


def apply(
    plan_file: PlanFile = None,
    inventory: Inventory = None,
    policies: Policies = None,
    yes: Yes = False,
    journal: Journal = None,
    time_limit: TimeLimit = None,
    seed: Seed = 0,
    effort: Effort = DEFAULT_EFFORT,
    dirty_rate: DirtyRate = None,
    ignore_unreachable: IgnoreUnreachable = False,
    now: Now = False,
    output: OutputFormat = Format.TEXT,
) -> ExitStatus:
    """Carry out a plan, from a file or made now. Ctrl-C finishes what runs and stops; twice cancels what runs."""
    run = RunOptions(yes=yes, journal=journal, output=output)
    if plan_file is not None:
        if policies:
            raise InvalidInput("give a plan or policies (-p), not both: a plan is carried out as it is")
        return _apply_file(plan_file, inventory, run, ignore_unreachable=ignore_unreachable, now=now)
    options = PlanningOptions(policies=policies, seed=seed, effort=effort, time_limit=time_limit, journal=journal)
    with live_cluster(inventory, dirty_rate, ignore_unreachable=ignore_unreachable) as live:
        plan, policy = plan_for(live.cluster, options)
        show(plan, policy, run)
        require_open(plan, anyway=now)
        return carry_out(live, plan, run)


def _apply_file(
    file: Path, inventory: Path | None, run: RunOptions, *, ignore_unreachable: bool, now: bool
) -> ExitStatus:
    from rebalancer.files import read_text
    from rebalancer.plan.file import parse_plan

    plan = parse_plan(read_text(file), str(file))
    require_open(plan, anyway=now)
    with live_cluster(inventory, ignore_unreachable=ignore_unreachable) as live:
        require_current(plan, live.cluster)
        show(plan, f"of {file}", run, known=True)
        return carry_out(live, plan, run)
