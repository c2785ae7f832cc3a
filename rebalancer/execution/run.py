"""A new run: recorded, with its hosts to itself, carried out to its end."""

from __future__ import annotations

from rebalancer.cluster import Cluster
from rebalancer.drivers import Clock
from rebalancer.drivers.audit import overheard
from rebalancer.execution.engine import Engine
from rebalancer.execution.guard import guard_of
from rebalancer.execution.hosts import Hosts
from rebalancer.execution.journal import Journal
from rebalancer.execution.keeper import Keeper
from rebalancer.execution.observer import Observer
from rebalancer.execution.outcome import RunResult
from rebalancer.execution.record import Record
from rebalancer.execution.stop import StopSignal
from rebalancer.inventory.safeguards import Safeguards
from rebalancer.plan.model import Plan

__all__ = ["execute"]


def execute(
    plan: Plan,
    cluster: Cluster,
    hosts: Hosts,
    journal: Journal,
    *,
    clock: Clock,
    plan_text: str,
    observer: Observer | None = None,
    stop: StopSignal | None = None,
    safeguards: Safeguards | None = None,
    command: str = "",
    undoes: int | None = None,
) -> RunResult:
    """Carries out a plan as far as it can be, and says where every domain of it is afterwards.

    ``cluster``: read just now; the caller has made sure that it is the one planned for. ``plan_text``: the plan file,
    for the journal; ``command`` and ``undoes`` likewise. Raises :class:`~rebalancer.errors.RunError`, before anything
    is started, when the journal cannot be written or another run has one of the hosts; no other error, whatever hosts
    do.
    """
    run = journal.start_run(plan_text, cluster.name, plan.steps, command=command, undoes=undoes)
    record = Record(journal, observer, run)
    record.begin(plan)
    asked = stop or StopSignal()
    guard = guard_of(plan, safeguards, hosts, journal, record, clock)
    with overheard(record.asked), Keeper(journal, run, asked, record.lose):
        engine = Engine(plan, cluster, hosts, record, clock, asked, guard)
        if (veto := guard.hooks.before_run(plan)) is not None:
            engine.forbid(veto)
        engine.carry_out()
        result = engine.result()
        guard.hooks.after_run(result)
        record.finish(result)
    return result
