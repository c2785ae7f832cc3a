"""``rebalance hosts``"""

from __future__ import annotations

from rebalancer.cli.inputs import read_input
from rebalancer.cli.options import Format, Inventory, OutputFormat, Snapshot
from rebalancer.cli.status import ExitStatus

__all__ = ["hosts"]


def hosts(inventory: Inventory = None, snapshot: Snapshot = None, output: OutputFormat = Format.TEXT) -> ExitStatus:
    """The hosts: state, capacity, domains, and what each can do in a migration. Status 1 if one cannot be read."""
    from rebalancer.cluster import HostState
    from rebalancer.report import hosts_json, make_console, print_hosts

    cluster = read_input(inventory, snapshot, ignore_unreachable=True)
    if output is Format.JSON:
        print(hosts_json(cluster), end="")
    else:
        print_hosts(make_console(), cluster)
    reached = all(host.state is not HostState.UNREACHABLE for host in cluster.hosts)
    return ExitStatus.DONE if reached else ExitStatus.ERROR
