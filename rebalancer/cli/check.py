"""``rebalance check``"""

from __future__ import annotations

from rebalancer.cli.inputs import load_policy, read_input
from rebalancer.cli.options import DirtyRate, Format, IgnoreUnreachable, Inventory, OutputFormat, Policies, Snapshot
from rebalancer.cli.status import ExitStatus
from rebalancer.cli.windows import tell_windows

__all__ = ["check"]


def check(
    inventory: Inventory = None,
    snapshot: Snapshot = None,
    policies: Policies = None,
    dirty_rate: DirtyRate = None,
    ignore_unreachable: IgnoreUnreachable = False,
    output: OutputFormat = Format.TEXT,
) -> ExitStatus:
    """Is the cluster well placed? Score and broken rules of what is there now; changes nothing."""
    from rebalancer.plan.make import assess
    from rebalancer.report import check_json, make_console, print_check

    cluster = read_input(inventory, snapshot, dirty_rate, ignore_unreachable=ignore_unreachable)
    policy = load_policy(policies, cluster)
    tell_windows(located.entry for located in policy.windows)
    assessment = assess(cluster, policy)
    if output is Format.JSON:
        print(check_json(assessment), end="")
    else:
        print_check(make_console(), assessment, policy=policy.name)
    return ExitStatus.RULE_BROKEN if assessment.violations_before else ExitStatus.DONE
