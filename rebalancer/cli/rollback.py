"""``rebalance rollback``"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from rebalancer.cli.carry_out import RunOptions, carry_out, show
from rebalancer.cli.inputs import live_cluster, tell
from rebalancer.cli.options import Format, IgnoreUnreachable, Inventory, Journal, OutputFormat, RunNumber, Yes
from rebalancer.cli.status import ExitStatus
from rebalancer.cluster.text import shown
from rebalancer.errors import RunError

if TYPE_CHECKING:
    from rebalancer.cluster import Cluster
    from rebalancer.execution import RunRecord
    from rebalancer.plan.back import Home

__all__ = ["homes_of", "rollback"]


def rollback(
    number: Annotated[int, RunNumber],
    inventory: Inventory = None,
    yes: Yes = False,
    journal: Journal = None,
    ignore_unreachable: IgnoreUnreachable = False,
    output: OutputFormat = Format.TEXT,
) -> ExitStatus:
    """Bring what a run has moved back to where it was, under the names it had: a new plan, shown and carried out.

    The caps and limits that held for the run hold for the way back. What somebody has moved since is left alone.
    """
    from rebalancer.execution.journal.location import journal_location
    from rebalancer.execution.journal.opening import opened_run
    from rebalancer.plan.back import plan_back
    from rebalancer.plan.file import parse_plan

    with opened_run(journal_location(journal), number) as (opened, record):
        if opened.leases(number):
            raise RunError(f"run {number} goes on: stop it first with 'rebalance cancel {number}'")
    _require_settled(record)
    options = RunOptions(yes=yes, journal=journal, output=output, command=f"rollback {number}", undoes=number)
    with live_cluster(inventory, ignore_unreachable=ignore_unreachable) as live:
        homes, strangers = homes_of(record, live.cluster)
        for stranger in strangers:
            tell(f"warning: {stranger}")
        if not homes:
            tell(f"nothing to bring back: what run {number} has moved is where it was, or is left alone")
            return ExitStatus.DONE
        made = plan_back(
            live.cluster,
            homes,
            parse_plan(record.plan, f"plan of run {number}"),
            created_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        show(made, f"the way back from run {number}", options)
        return carry_out(live, made, options)


def homes_of(record: RunRecord, cluster: Cluster) -> tuple[dict[str, Home], list[str]]:
    """Where the domains that the run has moved were before, by UUID; and which are left alone, in words."""
    from rebalancer.execution import StepState
    from rebalancer.plan.back import Home

    first: dict[str, Home] = {}
    last: dict[str, Home] = {}
    for step in record.steps:
        first.setdefault(step.uuid, Home(host=step.source, name=step.domain))
        # What somebody else had moved there is not the run's to take back.
        if step.state is StepState.DONE and step.host_now is not None and step.intended_at is not None:
            last[step.uuid] = Home(host=step.host_now, name=step.name_now or step.name_after)
    homes: dict[str, Home] = {}
    strangers: list[str] = []
    for uuid, left in last.items():
        seen = [Home(host=d.host, name=d.name) for d in cluster.domains_by_uuid.get(uuid, ()) if d.state.active]
        if seen == [left] and left.host != first[uuid].host:
            homes[uuid] = first[uuid]
        elif seen not in ([left], [first[uuid]]):
            where = " and ".join(f"on {place.host} as {shown(place.name)}" for place in seen) or "active nowhere"
            strangers.append(f"{shown(left.name)} is left alone: run left it on {left.host}, and it is {where}")
    return homes, strangers


def _require_settled(record: RunRecord) -> None:
    from rebalancer.execution import StepState

    number = record.summary.id
    open_ends = ", ".join(s.step for s in record.steps if s.state in (StepState.INTENDED, StepState.UNKNOWN))
    if open_ends:
        hint = f"settle it first with 'rebalance cancel {number}' (or go on with 'rebalance resume {number}')"
        raise RunError(f"what became of {open_ends} of run {number} is not known: {hint}")
