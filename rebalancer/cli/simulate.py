"""``rebalance simulate``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rebalancer.cli.evacuate import require_hosts
from rebalancer.cli.inputs import patience, read_input
from rebalancer.cli.options import (
    Effort,
    Format,
    IgnoreUnreachable,
    Inventory,
    OutputFormat,
    Policies,
    Seed,
    Snapshot,
    TimeLimit,
)
from rebalancer.cli.place import policy_for, read_newcomers
from rebalancer.cli.planning import DEFAULT_EFFORT, listen
from rebalancer.cli.status import ExitStatus

__all__ = ["simulate"]

Fail = Annotated[list[str] | None, typer.Option("--fail", metavar="HOST", help="This host fails; may be repeated.")]
Add = Annotated[Path | None, typer.Option("--add", metavar="FILE", help="These domains are started as well.")]
More = Annotated[
    Path | None, typer.Option("--more", metavar="FILE", help="How many more of each of these domains would fit then?")
]


def simulate(
    failing: Fail = None,
    add: Add = None,
    more: More = None,
    inventory: Inventory = None,
    snapshot: Snapshot = None,
    policies: Policies = None,
    time_limit: TimeLimit = None,
    seed: Seed = 0,
    effort: Effort = DEFAULT_EFFORT,
    ignore_unreachable: IgnoreUnreachable = False,
    output: OutputFormat = Format.TEXT,
) -> ExitStatus:
    """What if hosts fail or domains are added; changes nothing.

    Domains of failed hosts are started again on others, as high availability would; nothing else moves. Without
    --fail, --add and --more each host fails, one after another.
    """
    from rebalancer.report.console import make_console
    from rebalancer.report.whatif import (
        failures_json,
        print_failures,
        print_headroom,
        print_started,
        started_json,
    )
    from rebalancer.whatif import fail, fail_each, headroom

    cluster = read_input(inventory, snapshot, ignore_unreachable=ignore_unreachable)
    hosts = frozenset(failing or ())
    require_hosts(hosts, cluster, "what runs there is not known")
    newcomers = () if add is None else read_newcomers(add)
    kinds = () if more is None else read_newcomers(more, one_of_each=True)
    policy = policy_for(policies, cluster, (*newcomers, *kinds))
    listen()
    with patience(time_limit) as elapsed:
        if not (hosts or newcomers or kinds):
            found = list(fail_each(cluster, policy, elapsed=elapsed))
            if output is Format.JSON:
                print(failures_json(found, cluster), end="")
            else:
                print_failures(make_console(), found, cluster, policy=policy.name)
            return ExitStatus.RULE_BROKEN if any(each.unplaced for _, each in found) else ExitStatus.DONE
        started = fail(cluster, policy, hosts, newcomers, seed=seed, effort=effort, elapsed=elapsed)
        rooms = [headroom(started.after, policy, kind, elapsed=elapsed) for kind in kinds]
    if output is Format.JSON:
        print(started_json(started, rooms), end="")
    else:
        console = make_console()
        print_started(console, started, policy=policy.name, title=_title(hosts))
        print_headroom(console, rooms)
    return ExitStatus.RULE_BROKEN if started.unplaced else ExitStatus.DONE


def _title(hosts: frozenset[str]) -> str:
    return f"To start without {', '.join(sorted(hosts))}" if hosts else "To start"
