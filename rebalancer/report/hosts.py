"""What was read of every host, and what each can do."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from rebalancer.cluster import Capabilities, Cluster, Host
from rebalancer.cluster.units import format_bytes, format_number, format_rate
from rebalancer.report.console import item, show, text
from rebalancer.report.load import HostLoad, host_loads
from rebalancer.report.tables import host_name, plain_table

__all__ = ["hosts_json", "print_hosts"]


_TABLE_FROM = 70


def print_hosts(console: Console, cluster: Cluster) -> None:
    """A table, or on a narrow terminal a list."""
    table = plain_table()
    table.add_column("host", overflow="fold")
    table.add_column("domains", justify="right", no_wrap=True)
    table.add_column("capacity", overflow="fold")
    table.add_column("migrations", overflow="fold")
    for load in host_loads(cluster, {}):
        host = load.host
        domains = _domains(cluster, load) if host.readable else "?"
        abilities = _abilities(host.migration) if host.readable else host.reason or ""
        table.add_row(host_name(host), domains, text(_capacity(host)), text(abilities))
        if console.width < _TABLE_FROM:
            item(console, host_name(host), f": {domains} domains")
            item(console, text(_capacity(host)), indent=2)
            item(console, text(abilities), lead="migrations: ", indent=2)
    if console.width >= _TABLE_FROM:
        show(console, table)
    for link in cluster.links:
        ends = " to ".join(link.connects)
        item(console, text(link.name), ": ", text(ends), f", {format_rate(link.capacity)}", lead="link ")
    for host in cluster.hosts:
        if host.readable and host.reason:
            item(console, text(f"{host.name}: {host.reason}"), lead=Text("note: ", style="yellow"))


def hosts_json(cluster: Cluster) -> str:
    """Everything known of each host, in base units."""
    hosts = [
        {
            "name": load.host.name,
            "state": load.host.state.value,
            "reason": load.host.reason,
            "labels": dict(load.host.labels),
            "capacity": dict(load.host.capacity),
            "used": {name: before for name, (before, _) in load.shares.items()},
            "domains": {
                "active": load.domains[0],
                "defined": len(cluster.domains_on(load.host.name)) - load.domains[0],
            },
            "migration": asdict(load.host.migration),
        }
        for load in host_loads(cluster, {})
    ]
    return json.dumps({"cluster": cluster.name, "hosts": hosts}, indent=1, ensure_ascii=False) + "\n"


def _domains(cluster: Cluster, load: HostLoad) -> str:
    defined = len(cluster.domains_on(load.host.name)) - load.domains[0]
    return f"{load.domains[0]}+{defined} defined" if defined else str(load.domains[0])


def _capacity(host: Host) -> str:
    amounts: list[str] = []
    for resource, amount in sorted(host.capacity.items()):
        if resource == "cpu":
            amounts.append(f"{format_number(amount)} cores")
        elif resource in ("memory", "disk"):
            amounts.append(f"{format_bytes(amount)} {resource}")
        else:
            amounts.append(f"{format_number(amount)} {resource}")
    return ", ".join(amounts)


def _abilities(offers: Capabilities) -> str:
    names = {
        "live": "live",
        "offline": "offline",
        "rename": "rename",
        "bandwidth": "bandwidth cap",
        "auto_converge": "auto-converge",
        "post_copy": "post-copy",
        "dirty_rate": "dirty rate",
    }
    able = [words for name, words in names.items() if getattr(offers, name)]
    if offers.transports:
        able.append(f"over {'/'.join(offers.transports)}")
    return ", ".join(able) or "none"
