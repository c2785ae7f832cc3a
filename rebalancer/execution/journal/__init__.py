"""The journal: what runs are about to do, durable before it is done, what came of it, and who holds which host.

In: runs, steps, events and leases. Out: the same as immutable values, to anybody, at any time. SQLite in a file by
default, PostgreSQL by a URL; the same code on both.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rebalancer.execution.journal.journal import Journal
    from rebalancer.execution.journal.leases import HostsHeldError, Lease, RunLostError
    from rebalancer.execution.journal.location import default_journal_path, journal_name
    from rebalancer.execution.journal.records import (
        Event,
        Move,
        RunRecord,
        RunState,
        RunSummary,
        StepRecord,
        StepState,
        undone_by,
    )
else:
    from rebalancer.lazy import lazily

    __getattr__ = lazily(
        __name__,
        {
            "Event": "records",
            "HostsHeldError": "leases",
            "Journal": "journal",
            "Lease": "leases",
            "Move": "records",
            "RunLostError": "leases",
            "RunRecord": "records",
            "RunState": "records",
            "RunSummary": "records",
            "StepRecord": "records",
            "StepState": "records",
            "default_journal_path": "location",
            "journal_name": "location",
            "undone_by": "records",
        },
    )

__all__ = [
    "Event",
    "HostsHeldError",
    "Journal",
    "Lease",
    "Move",
    "RunLostError",
    "RunRecord",
    "RunState",
    "RunSummary",
    "StepRecord",
    "StepState",
    "default_journal_path",
    "journal_name",
    "undone_by",
]
