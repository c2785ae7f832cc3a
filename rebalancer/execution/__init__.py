"""The run: carries out a plan on the hosts, step by step, and writes down what it does.

In: a :class:`~rebalancer.plan.model.Plan`, the cluster as read just now, the hosts and a journal. Out: what became of
each step and where each domain is, verified on the hosts.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from rebalancer.execution.run import execute
    from rebalancer.execution.stop import StopSignal, stop_on_signals
else:
    from rebalancer.lazy import lazily

    __getattr__ = lazily(
        __name__,
        {
            "Event": "journal",
            "Hosts": "hosts",
            "HostsHeldError": "journal",
            "Journal": "journal",
            "Lease": "journal",
            "Observer": "observer",
            "Outcome": "outcome",
            "Place": "outcome",
            "RunLostError": "journal",
            "RunRecord": "journal",
            "RunResult": "outcome",
            "RunState": "journal",
            "RunSummary": "journal",
            "Silent": "observer",
            "StepOutcome": "outcome",
            "StepRecord": "journal",
            "StepState": "journal",
            "StopSignal": "stop",
            "default_journal_path": "journal",
            "execute": "run",
            "stop_on_signals": "stop",
        },
    )

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
    "stop_on_signals",
]
