"""What commands work on: a cluster, from an inventory's hosts or a file, and a policy that fits it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rebalancer.cluster.text import printable
from rebalancer.errors import InvalidInput, RebalancerError
from rebalancer.values import dataclass

if TYPE_CHECKING:
    from rebalancer.cluster import Cluster
    from rebalancer.cluster.units import Seconds
    from rebalancer.inventory import Connections, Inventory, Reading
    from rebalancer.policy import Policy

__all__ = [
    "INVENTORY_VARIABLE",
    "LiveCluster",
    "live_cluster",
    "load_policy",
    "patience",
    "read_input",
    "refuse_to_overwrite",
    "tell",
]

INVENTORY_VARIABLE = "REBALANCE_INVENTORY"


def tell(message: str) -> None:
    """A message beside the results: standard error, on one line."""
    with suppress(OSError):
        print(printable(message, 2000), file=sys.stderr, flush=True)


@dataclass
class LiveCluster:
    """The hosts of an inventory, connected; ``cluster`` is what was read of them last."""

    inventory: Inventory
    connections: Connections
    cluster: Cluster
    ignore_unreachable: bool

    def read_again(self) -> Cluster:
        self.cluster = _read(self.inventory, self.connections, None, self.ignore_unreachable)
        return self.cluster


@contextmanager
def live_cluster(
    inventory: Path | None, dirty_rate: Seconds | None = None, *, ignore_unreachable: bool = False
) -> Iterator[LiveCluster]:
    """Reads every host of an inventory and keeps them connected.

    A host that cannot be read is an error, once all have been asked: what runs there is not known, so neither is what
    is right elsewhere. With ``ignore_unreachable`` it is told and left out.
    """
    from rebalancer.inventory import Connections, load_inventory

    found = load_inventory(_inventory_path(inventory))
    with Connections(found) as connections:
        cluster = _read(found, connections, dirty_rate, ignore_unreachable)
        yield LiveCluster(found, connections, cluster, ignore_unreachable)


def read_input(
    inventory: Path | None,
    snapshot: Path | None,
    dirty_rate: Seconds | None = None,
    *,
    ignore_unreachable: bool = False,
) -> Cluster:
    """The cluster of commands that change nothing: what was read from hosts now, or what a file says."""
    if snapshot is None:
        with live_cluster(inventory, dirty_rate, ignore_unreachable=ignore_unreachable) as live:
            return live.cluster
    if inventory is not None:
        raise InvalidInput("give an inventory (-i) or a snapshot (--snapshot), not both")
    if dirty_rate is not None:
        raise InvalidInput("--dirty-rate measures on hosts (-i); a snapshot (--snapshot) has what was measured then")
    from rebalancer.cluster.snapshot import parse_snapshot
    from rebalancer.files import read_text

    return parse_snapshot(read_text(snapshot), str(snapshot))


def load_policy(specs: Sequence[str] | None, cluster: Cluster, default: str = "balance") -> Policy:
    """The policies merged, checked against the cluster; what only looks wrong is told."""
    from rebalancer.files import read_text
    from rebalancer.policy import check_policy, load_policies

    policy = load_policies(specs or [default], read_text)
    errors, warnings = check_policy(policy, cluster)
    for warning in warnings:
        tell(f"warning: {warning}")
    if errors:
        raise InvalidInput(errors)
    return policy


def refuse_to_overwrite(output: Path | None, *inputs: Path | str | None) -> None:
    """Raises InvalidInput where a result would be written over what it is made from."""
    there = [Path(given) for given in inputs if given is not None and Path(given).exists()]
    if output is not None and output.exists() and any(output.samefile(given) for given in there):
        raise InvalidInput(f"{output} is an input of this command; write the result (-o) to another file")


@contextmanager
def patience(limit: Seconds | None) -> Iterator[Callable[[], float]]:
    """How much of the time limit has passed, from 0 to 1; 1 as well after Ctrl-C, which ends a search with the best so
    far. A second Ctrl-C ends the command."""
    begun = time.monotonic()
    interrupted: list[bool] = []

    def interrupt(*_: object) -> None:
        if interrupted:
            raise KeyboardInterrupt
        interrupted.append(True)

    def elapsed() -> float:
        if interrupted:
            return 1.0
        return 0.0 if limit is None else min((time.monotonic() - begun) / max(limit, 1e-9), 1.0)

    if threading.current_thread() is not threading.main_thread():
        yield elapsed
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield elapsed
    finally:
        signal.signal(signal.SIGINT, before)


def _inventory_path(given: Path | None) -> Path:
    if given is not None:
        return given
    if named := os.environ.get(INVENTORY_VARIABLE):
        return Path(named)
    raise InvalidInput(f"no inventory: give one with -i FILE, or its name in {INVENTORY_VARIABLE}")


def _read(
    inventory: Inventory, connections: Connections, dirty_rate: Seconds | None, ignore_unreachable: bool
) -> Cluster:
    from rebalancer.drivers import ReadOptions
    from rebalancer.inventory import read_cluster

    reading = read_cluster(inventory, ReadOptions(dirty_rate=dirty_rate), connections=connections)
    if reading.failures and not (ignore_unreachable and any(host.readable for host in reading.cluster.hosts)):
        failures = "\n".join(str(failure) for failure in reading.failures)
        raise RebalancerError(f"{_how_many(reading)}\n{failures}")
    for failure in reading.failures:
        tell(f"warning: {failure}")
    return reading.cluster


def _how_many(reading: Reading) -> str:
    failed, number = len(reading.failures), len(reading.cluster.hosts)
    if failed == number:
        return "no host could be read"
    return f"{failed} of {number} hosts could not be read (--ignore-unreachable goes on with the others)"
