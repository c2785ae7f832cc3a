"""``rebalance place``"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rebalancer.cli.inputs import load_policy, patience, read_input
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
from rebalancer.cli.planning import DEFAULT_EFFORT, listen
from rebalancer.cli.status import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rebalancer.cluster import Cluster, Domain
    from rebalancer.policy import Policy

__all__ = ["place", "policy_for", "read_newcomers"]

File = Annotated[Path, typer.Argument(metavar="FILE", help="The new domains (kind: Domains).")]
Best = Annotated[int, typer.Option("--best", min=1, metavar="N", help="How many hosts to name for each domain.")]


def place(
    file: File,
    inventory: Inventory = None,
    snapshot: Snapshot = None,
    policies: Policies = None,
    best: Best = 3,
    time_limit: TimeLimit = None,
    seed: Seed = 0,
    effort: Effort = DEFAULT_EFFORT,
    ignore_unreachable: IgnoreUnreachable = False,
    output: OutputFormat = Format.TEXT,
) -> ExitStatus:
    """The best hosts for new domains, while everything else stays where it is; starts nothing."""
    from rebalancer.report.console import make_console
    from rebalancer.report.whatif import print_started, started_json
    from rebalancer.whatif import start_domains

    cluster = read_input(inventory, snapshot, ignore_unreachable=ignore_unreachable)
    domains = read_newcomers(file)
    policy = policy_for(policies, cluster, domains)
    listen()
    with patience(time_limit) as elapsed:
        started = start_domains(cluster, policy, domains, best=best, seed=seed, effort=effort, elapsed=elapsed)
    if output is Format.JSON:
        print(started_json(started), end="")
    else:
        print_started(make_console(), started, policy=policy.name, title="To place")
    return ExitStatus.RULE_BROKEN if started.unplaced else ExitStatus.DONE


def read_newcomers(file: Path, *, one_of_each: bool = False) -> tuple[Domain, ...]:
    from rebalancer.cluster.newcomers import parse_newcomers
    from rebalancer.files import read_text

    return parse_newcomers(read_text(file), str(file), one_of_each=one_of_each)


def policy_for(specs: list[str] | None, cluster: Cluster, newcomers: Sequence[Domain]) -> Policy:
    """The policies, checked against what there would be: a rule may be about new domains alone."""
    host = cluster.hosts[0].name if cluster.hosts else ""
    there = tuple(replace(domain, host=host) for domain in newcomers if host)
    return load_policy(specs, replace(cluster, domains=(*cluster.domains, *there)))
