"""What ``apply`` and ``evacuate`` share: show the plan, ask, carry it out, and read again what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rebalancer.cli.inputs import LiveCluster
from rebalancer.cli.options import Format
from rebalancer.cli.status import ExitStatus
from rebalancer.cli.verify import contradictions
from rebalancer.cluster.text import shown
from rebalancer.errors import PlanOutdated, RebalancerError, RunError
from rebalancer.values import dataclass

if TYPE_CHECKING:
    from rebalancer.cluster import Cluster
    from rebalancer.execution import Journal, Observer, RunResult, StopSignal
    from rebalancer.plan.model import Plan

__all__ = ["RunOptions", "carry_on", "carry_out", "require_current", "show"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """``journal``: None: the user's own. ``planned_as``: what the plan takes the cluster for, given what was read."""

    yes: bool
    journal: Path | str | None
    output: Format
    planned_as: Callable[[Cluster], Cluster] = lambda cluster: cluster
    command: str = "apply"
    undoes: int | None = None
    """For the journal, as is ``command``: the run that this one is the way back from."""


def show(plan: Plan, policy: str, options: RunOptions, *, known: bool = False) -> None:
    """The plan for people: the result until there is a better one, so with JSON as result a mere message.

    ``known``: it comes from a file that somebody has looked at, so that a line will do where nobody is asked.
    """
    from rebalancer.report import make_console, print_plan, print_summary

    console = make_console(stderr=options.output is Format.JSON)
    if known and options.yes:
        print_summary(console, plan)
    else:
        print_plan(console, plan, policy=policy)


def require_current(plan: Plan, cluster: Cluster) -> None:
    """Raises PlanOutdated where the cluster is no longer the one that the plan was made for."""
    from rebalancer.cluster.snapshot import differences, fingerprint

    if fingerprint(cluster) != plan.fingerprint:
        found = "\n".join(differences(plan.snapshot, cluster)) or "the plan file has been changed by hand"
        raise PlanOutdated(f"the cluster is not the one that the plan was made for; make a new plan\n{found}")


def carry_out(live: LiveCluster, plan: Plan, options: RunOptions) -> ExitStatus:
    """``plan`` has been shown, and is one for ``live.cluster``."""
    if not plan.steps:
        return ExitStatus.DONE
    if not options.yes:
        _ask(len(plan.steps))
        require_current(plan, options.planned_as(live.read_again()))
    return _run(live, plan, options)


def _ask(steps: int) -> None:
    if not sys.stdin.isatty():
        raise RebalancerError("cannot ask whether to go on: standard input is no terminal; add --yes to go on unasked")
    print(f"\nCarry out {steps} migration{'s' * (steps > 1)}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise RebalancerError("not confirmed; nothing was changed")


def _run(live: LiveCluster, plan: Plan, options: RunOptions) -> ExitStatus:
    from rebalancer.execution import Journal, execute
    from rebalancer.execution.journal.location import journal_location
    from rebalancer.plan.file import dump_plan

    def start(observer: Observer, stop: StopSignal) -> RunResult:
        return execute(
            plan,
            live.cluster,
            live.connections,
            journal,
            clock=live.connections.clock(),
            plan_text=dump_plan(plan),
            observer=observer,
            stop=stop,
            safeguards=live.inventory.safeguards,
            command=options.command,
            undoes=options.undoes,
        )

    with Journal(journal_location(options.journal)) as journal:
        return _watched(live, plan, options.output, start)


def carry_on(live: LiveCluster, plan: Plan, journal: Journal, run: int, output: Format, *, stop: int = 0) -> ExitStatus:
    """Goes on with a run of the journal; ``plan``: its own; ``stop``: as if asked to so often."""
    from rebalancer.execution.resume import resume

    _require_its_cluster(run, plan, live.cluster)

    def start(observer: Observer, stop: StopSignal) -> RunResult:
        return resume(
            run,
            plan,
            live.read_again,
            live.connections,
            journal,
            clock=live.connections.clock(),
            observer=observer,
            stop=stop,
            safeguards=live.inventory.safeguards,
        )

    return _watched(live, plan, output, start, stop)


def _require_its_cluster(run: int, plan: Plan, cluster: Cluster) -> None:
    """Raises RunError for the inventory of another cluster, whose hosts may have the same names."""
    ours, its = cluster.name, plan.snapshot.name
    known = {host.name for host in cluster.hosts}
    strangers = sorted({host for step in plan.steps for host in (step.source, step.destination)} - known)
    if ours and its and ours != its:
        raise RunError(f"run {run} is one of the cluster {shown(its)}, and the inventory is that of {shown(ours)}")
    if strangers:
        raise RunError(f"run {run} needs hosts that the inventory does not have: {', '.join(map(shown, strangers))}")


def _watched(
    live: LiveCluster,
    plan: Plan,
    output: Format,
    start: Callable[[Observer, StopSignal], RunResult],
    asked_to_stop: int = 0,
) -> ExitStatus:
    """Shows how it goes on, reads all hosts again at the end, and says how it ended."""
    from rebalancer.execution import stop_on_signals
    from rebalancer.report import make_console, print_run, run_json
    from rebalancer.report.progress import progress

    with stop_on_signals() as stop, progress(make_console(stderr=True), stop) as observer:
        stop.raise_to(asked_to_stop)
        result = start(observer, stop)
    try:
        found = contradictions(result, live.read_again())
    except RebalancerError as error:
        found = (f"what came of it could not be read: {error}",)
    with suppress(BrokenPipeError):  # how the run ended is said by the status, too
        if output is Format.JSON:
            print(run_json(plan, result, found), end="")
        else:
            print_run(make_console(), plan, result, found)
    return ExitStatus.DONE if result.complete and not found else ExitStatus.RUN_INCOMPLETE
