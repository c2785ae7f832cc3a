"""Small clusters with moves to make, written on one line, and a check of schedules that shares no code with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import NAMESPACE_DNS, uuid5

import numpy as np

from rebalancer.cluster import Capabilities, Cluster, Domain, Host, Link, MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.placement.primitives import Capacity
from rebalancer.placement.problem import Problem, Term
from rebalancer.plan.model import Step
from rebalancer.plan.schedule import Moves
from rebalancer.policy.model import MigrationSettings, Names

GIB = 2**30
ABLE = Capabilities(live=True, offline=True, rename=True, bandwidth=True, set_bandwidth=True, bandwidth_unit=2**20)


def world(
    hosts: str,
    goals: str,
    *,
    links: Sequence[Link] = (),
    caps: Mapping[str, BytesPerSecond] | None = None,
    settings: MigrationSettings | None = None,
    names: Names | None = None,
    dirty_rate: float | None = None,
) -> Moves:
    """``hosts``: ``"a8:v1 8,w 2; b8"``, hosts with their memory and domains with theirs, in GiB; a domain given as
    ``v1=web 8`` is called ``web``; ``goals``: ``"v1>b v2>a"``."""
    found: list[Host] = []
    domains: list[Domain] = []
    keys: list[str] = []
    for part in hosts.split(";"):
        head, _, residents = part.strip().partition(":")
        name, size = head[0], float(head[1:])
        found.append(Host(name=name, capacity={"memory": size * GIB}, migration=ABLE))
        for resident in filter(None, residents.split(",")):
            label, amount = resident.split()
            key, _, domain_name = label.partition("=")
            keys.append(key)
            memory = float(amount) * GIB
            domains.append(
                Domain(
                    name=domain_name or key,
                    uuid=str(uuid5(NAMESPACE_DNS, key)),
                    host=name,
                    uses={"memory": memory},
                    migration=MigrationTraits(
                        memory=Bytes(round(memory)),
                        dirty_rate=None if dirty_rate is None else BytesPerSecond(dirty_rate),
                    ),
                )
            )
    index = {host.name: i for i, host in enumerate(found)}
    start = np.array([index[domain.host] for domain in domains], dtype=np.int64)
    placement = start.copy()
    for goal in goals.split():
        key, destination = goal.split(">")
        placement[keys.index(key)] = index[destination]
    capacity = Capacity(
        resource="memory",
        demand=np.array([domain.uses["memory"] for domain in domains]),
        limit=np.array([host.capacity["memory"] for host in found]),
    )
    cluster = Cluster(name="test", hosts=tuple(found), domains=tuple(domains), links=tuple(links))
    return Moves(
        cluster=cluster,
        problem=Problem(
            hosts=tuple(index),
            domains=tuple(domain.uuid for domain in domains),
            start=start,
            terms=(Term(name="capacity: memory", primitive=capacity),),
        ),
        domains=tuple(domains),
        placement=placement,
        settings=[settings or MigrationSettings()] * len(domains),
        names=names or Names(),
        caps=caps or {},
    )


def verify(moves: Moves, steps: Sequence[Step]) -> None:
    """Replays a schedule by its predicted times: places, memory on both ends, names, slots; raises AssertionError.

    Also replays it in every order that its dependencies alone would allow one step at a time, latest first.
    """
    _replay(moves, _by_time(steps))
    _replay(moves, _lazily(steps))
    index = {name: i for i, name in enumerate(moves.problem.hosts)}
    for domain, (uuid, target) in enumerate(zip(moves.problem.domains, moves.placement, strict=True)):
        legs = [step for step in steps if step.uuid == uuid]
        at = index[legs[-1].destination] if legs else moves.problem.start[domain]
        assert at == target, uuid


def _by_time(steps: Sequence[Step]) -> list[tuple[str, Step]]:
    events = [(round(step.predicted.end, 6), 0, "end", step) for step in steps]
    events += [(round(step.predicted.start, 6), 1, "start", step) for step in steps]
    return [(kind, step) for _, _, kind, step in sorted(events, key=lambda event: event[:2])]


def _lazily(steps: Sequence[Step]) -> list[tuple[str, Step]]:
    done: set[str] = set()
    events: list[tuple[str, Step]] = []
    left = list(reversed(steps))
    while left:
        step = next(step for step in left if set(step.after) <= done)
        left.remove(step)
        done.add(step.id)
        events += [("start", step), ("end", step)]
    return events


def _replay(moves: Moves, events: Sequence[tuple[str, Step]]) -> None:
    free = {host.name: host.capacity["memory"] for host in moves.cluster.hosts}
    names: dict[str, list[str]] = {host.name: [] for host in moves.cluster.hosts}
    place: dict[str, tuple[str, str]] = {}
    memory = {domain.uuid: domain.uses.get("memory", 0.0) for domain in moves.domains}
    for domain in moves.cluster.domains:
        names[domain.host].append(domain.name)
        if domain.state.active:
            free[domain.host] -= memory[domain.uuid]
            place[domain.uuid] = (domain.host, domain.name)
    done: set[str] = set()
    for kind, step in events:
        if kind == "start":
            assert set(step.after) <= done, f"{step.id} starts before what it waits for"
            assert place[step.uuid] == (step.source, step.domain), step
            assert step.name_after not in names[step.destination], step
            names[step.destination].append(step.name_after)
            free[step.destination] -= memory[step.uuid]
            assert free[step.destination] >= -1, f"{step.destination} overfull at {step.id}"
        else:
            names[step.source].remove(step.domain)
            free[step.source] += memory[step.uuid]
            place[step.uuid] = (step.destination, step.name_after)
            done.add(step.id)


def nic(host: str, rate: float, switch: str = "switch") -> Link:
    return Link(name=f"{host}-nic", connects=(host, switch), capacity=BytesPerSecond(rate))


SECOND = Seconds(1.0)
