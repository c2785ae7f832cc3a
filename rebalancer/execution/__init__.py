"""The run: carries out a plan on the hosts, step by step, and writes down what it does.

In: a :class:`~rebalancer.plan.model.Plan`, the cluster as read just now, the hosts and a journal. Out: what became of
each step and where each domain is, verified on the hosts.
"""

from rebalancer.execution.hosts import Hosts
from rebalancer.execution.journal import (
    Event,
    HostsHeldError,
    Journal,
    Lease,
    RunLostError,
    RunRecord,
    RunState,
    RunSummary,
    StepRecord,
    StepState,
    default_journal_path,
)
from rebalancer.execution.observer import Observer, Silent
from rebalancer.execution.outcome import Outcome, Place, RunResult, StepOutcome
from rebalancer.execution.resume import resume
from rebalancer.execution.run import execute
from rebalancer.execution.stop import StopSignal, stop_on_signals

__all__ = [
    "Event",
    "Hosts",
    "HostsHeldError",
    "Journal",
    "Lease",
    "Observer",
    "Outcome",
    "Place",
    "RunLostError",
    "RunRecord",
    "RunResult",
    "RunState",
    "RunSummary",
    "Silent",
    "StepOutcome",
    "StepRecord",
    "StepState",
    "StopSignal",
    "default_journal_path",
    "execute",
    "resume",
    "stop_on_signals",
]
