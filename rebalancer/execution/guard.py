"""What watches over a run besides hosts and links: everything that may hold it, and whoever is asked or told."""

from __future__ import annotations

from rebalancer.drivers import Clock
from rebalancer.execution.gates import Gate
from rebalancer.execution.health import Health
from rebalancer.execution.hooks import Hooks
from rebalancer.execution.hosts import Hosts
from rebalancer.execution.journal import Journal
from rebalancer.execution.pace import PaceGate, WindowGate
from rebalancer.execution.record import Record
from rebalancer.inventory.safeguards import Safeguards
from rebalancer.plan.model import Plan
from rebalancer.values import dataclass

__all__ = ["Guard", "guard_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    gates: tuple[Gate, ...]
    hooks: Hooks


def guard_of(
    plan: Plan,
    safeguards: Safeguards | None,
    hosts: Hosts,
    journal: Journal,
    record: Record,
    clock: Clock,
    *,
    resumed: bool = False,
) -> Guard:
    """What the plan's policy and an inventory (None: nothing) ask for."""
    found = safeguards or Safeguards()
    gates = (
        WindowGate(plan, journal, resumed=resumed),
        PaceGate(plan, journal, record.run),
        Health(found, hosts, record, clock),
    )
    return Guard(gates=gates, hooks=Hooks(found.hooks, plan.snapshot.name, record, clock))
