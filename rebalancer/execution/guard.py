"""What watches over a run besides hosts and links: everything that may hold it, and whoever is asked or told."""

from __future__ import annotations

from dataclasses import dataclass

from rebalancer.drivers import Clock
from rebalancer.execution.gates import Gate
from rebalancer.execution.health import Health
from rebalancer.execution.hooks import Hooks
from rebalancer.execution.hosts import Hosts
from rebalancer.execution.record import Record
from rebalancer.inventory.safeguards import Safeguards

__all__ = ["Guard", "guard_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    gates: tuple[Gate, ...]
    hooks: Hooks


def guard_of(safeguards: Safeguards | None, hosts: Hosts, record: Record, clock: Clock) -> Guard:
    """What an inventory asks for; None: nothing."""
    found = safeguards or Safeguards()
    return Guard(gates=(Health(found, hosts, record, clock),), hooks=Hooks(found.hooks, record, clock))
