"""What people look at: plans, clusters and runs as text for a terminal, and as JSON where no file format exists.

In: immutable values of the other stages. Out: text on a :class:`rich.console.Console`, or JSON as a ``str``. Names come
from hosts and may hold anything: every one of them passes through :func:`rebalancer.report.console.text`, which escapes
control characters, and no console here interprets markup.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rebalancer.report.check import check_json, print_check
    from rebalancer.report.console import make_console, text
    from rebalancer.report.hosts import hosts_json, print_hosts
    from rebalancer.report.plan import print_plan, print_summary
    from rebalancer.report.run import print_run, run_json
else:
    from rebalancer.lazy import lazily

    __getattr__ = lazily(
        __name__,
        {
            "check_json": "check",
            "hosts_json": "hosts",
            "make_console": "console",
            "print_check": "check",
            "print_hosts": "hosts",
            "print_plan": "plan",
            "print_run": "run",
            "print_summary": "plan",
            "run_json": "run",
            "text": "console",
        },
    )

__all__ = [
    "check_json",
    "hosts_json",
    "make_console",
    "print_check",
    "print_hosts",
    "print_plan",
    "print_run",
    "print_summary",
    "run_json",
    "text",
]
