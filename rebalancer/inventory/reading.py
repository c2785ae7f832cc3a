"""Reading all hosts at once: what answers is read, what does not is reported, and nothing waits for ever."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from rebalancer.cluster import Cluster, Domain, Host, HostState
from rebalancer.cluster.units import Seconds, format_duration
from rebalancer.drivers import ReadOptions
from rebalancer.errors import HostAnswerInvalid, HostError, HostUnreachable, RebalancerError
from rebalancer.inventory.connections import Connections
from rebalancer.inventory.model import Inventory, InventoryHost, LabelRule

__all__ = ["Reading", "read_cluster"]

AT_ONCE = 64
"""Hosts that are read at the same time."""

Answer = tuple[Host, tuple[Domain, ...]]


class Reading(NamedTuple):
    """What was read. A host that failed is in the cluster as unreachable, with the reason."""

    cluster: Cluster
    failures: tuple[HostError, ...]


def read_cluster(
    inventory: Inventory,
    options: ReadOptions,
    *,
    connections: Connections,
    deadline: Seconds = Seconds(60.0),
) -> Reading:
    """The cluster as its hosts say it is now, in the inventory's order.

    ``deadline`` is what one host has to connect and answer, on top of the time that ``options`` has it measure.
    Raises InvalidInput where a label rule fails for a domain.
    """
    taken_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    names = [host.name for host in inventory.hosts]
    # The first of the two windows that dirty rates are measured over is a second long.
    measured = 0.0 if options.dirty_rate is None else 1.0 + options.dirty_rate
    limit = Seconds(deadline + options.sample + measured)

    def read(name: str) -> Answer:
        return connections.connection(name).read(options)

    answers = _ask_all(names, read, limit, given_up=connections.drop)
    _refuse_same_machine(names, answers)
    hosts: list[Host] = []
    domains: list[Domain] = []
    for host in inventory.hosts:
        answer = answers[host.name]
        if isinstance(answer, HostError):
            hosts.append(_unreachable(host, answer))
        else:
            hosts.append(_merged(host, answer[0]))
            domains.extend(_labelled(host.name, answer[1], inventory.label_rules))
    cluster = Cluster(
        name=inventory.name, hosts=tuple(hosts), domains=tuple(domains), links=inventory.links, taken_at=taken_at
    )
    return Reading(cluster, tuple(answer for answer in answers.values() if isinstance(answer, HostError)))


def _ask_all(
    names: Sequence[str], read: Callable[[str], Answer], limit: Seconds, given_up: Callable[[str], None]
) -> dict[str, Answer | HostError]:
    """Every host's answer or failure, in the order of ``names``."""
    results: queue.SimpleQueue[tuple[str, Answer | HostError]] = queue.SimpleQueue()
    waiting = deque(names)
    running: dict[str, float] = {}  # host → until when
    answers: dict[str, Answer | HostError] = {}
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            name = waiting.popleft()
            running[name] = time.monotonic() + limit
            # No thread pool: at exit Python would wait for a thread of it that hangs.
            thread = threading.Thread(
                target=lambda name: results.put((name, _answer(name, read))),
                args=(name,),
                name=f"read {name}",
                daemon=True,
            )
            thread.start()
        try:
            name, answer = results.get(timeout=max(0.0, min(running.values()) - time.monotonic()))
        except queue.Empty:
            name = min(running, key=running.__getitem__)
            answer = HostUnreachable(name, f"did not answer within {format_duration(limit)}")
            given_up(name)
        if name in running:  # else it answers after its deadline
            del running[name]
            answers[name] = answer
    return {name: answers[name] for name in names}


def _answer(name: str, read: Callable[[str], Answer]) -> Answer | HostError:
    try:
        return read(name)
    except HostError as error:
        return error
    except RebalancerError as error:
        return HostError(name, str(error))
    except Exception as error:  # noqa: BLE001 - a fault in one driver must not cost the other hosts
        failure = HostAnswerInvalid(name, f"its driver failed: {error!r}")
        failure.__cause__ = error
        return failure


def _refuse_same_machine(names: Iterable[str], answers: dict[str, Answer | HostError]) -> None:
    """A machine listed under two names would have its domains twice.

    Told by equal ``host_uuid`` *and* equal domains: UUIDs of machines are not always unique.
    """
    seen: dict[tuple[frozenset[str], frozenset[str]], str] = {}
    for name in names:
        answer = answers[name]
        if isinstance(answer, HostError):
            continue
        machine = answer[0].offers.get("host_uuid", frozenset())
        domains = frozenset(domain.uuid for domain in answer[1])
        if machine and domains:
            first = seen.setdefault((machine, domains), name)
            if first != name:
                words = f"is the same machine as {first}: remove one of them from the inventory"
                answers[name] = HostAnswerInvalid(name, words)


def _merged(entry: InventoryHost, host: Host) -> Host:
    """What the host says and what the inventory says, the latter first."""
    merged = replace(
        host,
        name=entry.name,
        labels={**host.labels, **entry.labels},
        capacity={**host.capacity, **entry.capacity},
        distance={**host.distance, **entry.distance},
    )
    if entry.maintenance and merged.state is HostState.UP:
        return replace(merged, state=HostState.MAINTENANCE, reason="in maintenance according to the inventory")
    return merged


def _unreachable(entry: InventoryHost, error: HostError) -> Host:
    return Host(
        name=entry.name,
        state=HostState.UNREACHABLE,
        labels=entry.labels,
        capacity=entry.capacity,
        reason=error.message,
    )


def _labelled(host: str, domains: Iterable[Domain], rules: Sequence[LabelRule]) -> list[Domain]:
    found = []
    for domain in sorted(domains, key=lambda domain: (domain.name, domain.uuid)):
        placed = replace(domain, host=host)
        for rule in rules:
            placed = rule.apply(placed)
        found.append(placed)
    return found
