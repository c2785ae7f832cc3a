"""Instances small enough for exhaustive search, and how far the planner is from the best on each.

``CASES``: those that separate a good planner from one that follows a rule of thumb, with their fewest moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from uuid import NAMESPACE_DNS, uuid5

import numpy as np

from rebalancer.cluster import Capabilities, Cluster, Domain, Host, MigrationTraits
from rebalancer.cluster.units import Bytes
from rebalancer.placement.primitives import Capacity
from rebalancer.placement.problem import Problem, Term
from rebalancer.plan.migration_model import ASSUMED_STREAM_RATE, forecast
from rebalancer.plan.model import Step
from rebalancer.plan.schedule import Moves, StuckMovesError, schedule
from rebalancer.policy.model import MigrationSettings, Names
from tests.benchmarks.planning.oracle import GaveUpError, Instance, fewest_moves, shortest_makespan

__all__ = ["CASES", "Outcome", "Summary", "case", "compare", "moves_of", "random_instance", "summarise"]

GIB = 2**30
_ABLE = Capabilities(live=True, offline=True, rename=True, bandwidth=True, set_bandwidth=True, bandwidth_unit=2**20)

CASES: dict[str, tuple[str, str, int]] = {
    "swap, a spare host": ("a8:v1 8; b8:v2 8; c8", "v1>b v2>a", 3),
    "enough room, no bounce": ("a8:u 4,k 4; b8:w 4,s 4; c8", "u>b w>a k>c", 3),
    "order trap": ("d10:k 8; s8:z 2; x8:i 2,p 6", "i>d k>s z>d", 3),
    "bystander has to step aside": ("a6:v1 6; b11:v2 5,t 3; c3", "v1>b v2>a", 4),
    "transient load": ("a16:v1 8; b16:v2 8; c16:x 8; d16", "v1>c v2>c x>d", 3),
}
"""Hosts with their memory and domains, and where which domain goes, in GiB; the fewest moves."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the planner made of an instance, and what is possible; None: no plan."""

    instance: Instance
    moves: int | None
    fewest: int | None
    makespan: float = 0.0
    shortest: float | None = None
    """None: not known, the search for it gave up."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    instances: int
    feasible: int
    called_infeasible: int
    """Feasible instances for which the planner found no plan."""
    impossible_plans: int
    """Plans for instances that have none."""
    fewest_moves: float
    """The share of feasible instances planned with the fewest moves."""
    longer: float
    """By how much longer plans are than the shortest, on average."""
    proved: int
    """Instances whose shortest makespan is known."""


def case(name: str) -> Instance:
    hosts, goals, _ = CASES[name]
    capacity, size, start, keys, index = [], [], [], [], {}
    for number, part in enumerate(hosts.split(";")):
        head, _, residents = part.strip().partition(":")
        index[head[0]] = number
        capacity.append(float(head[1:]))
        for resident in filter(None, residents.split(",")):
            key, amount = resident.split()
            keys.append(key)
            size.append(float(amount))
            start.append(number)
    target = list(start)
    for goal in goals.split():
        key, destination = goal.split(">")
        target[keys.index(key)] = index[destination]
    return _timed(Instance(capacity=tuple(capacity), size=tuple(size), start=tuple(start), target=tuple(target)))


def random_instance(random: Random) -> Instance:
    """3 to 5 hosts, 2 to 8 domains that move and a few that do not, hosts between comfortably and completely full."""
    hosts, domains = random.randint(3, 5), random.randint(3, 9)
    size = tuple(float(random.choice([1, 1, 2, 2, 3, 4, 5, 6, 8])) for _ in range(domains))
    start = tuple(random.randrange(hosts) for _ in range(domains))
    target = tuple(random.randrange(hosts) if random.random() < 0.75 else here for here in start)
    if not 2 <= sum(a != b for a, b in zip(start, target, strict=True)) <= 8:
        return random_instance(random)
    need = [0.0] * hosts
    for placement in (start, target):
        load = [0.0] * hosts
        for domain, host in enumerate(placement):
            load[host] += size[domain]
        need = [max(pair) for pair in zip(need, load, strict=True)]
    spare = random.choice([0, 1, 2, 3])
    capacity = tuple(max(amount, 1.0) + random.randint(0, spare) for amount in need)
    return _timed(Instance(capacity=capacity, size=size, start=start, target=target))


def _timed(instance: Instance) -> Instance:
    found = []
    for size in instance.size:
        traits = MigrationTraits(memory=Bytes(round(size * GIB)))
        found.append(forecast(traits, ASSUMED_STREAM_RATE, MigrationSettings().max_downtime).duration)
    return Instance(
        capacity=instance.capacity,
        size=instance.size,
        start=instance.start,
        target=instance.target,
        duration=tuple(found),
    )


def moves_of(instance: Instance) -> Moves:
    """The same for the planner: memory in GiB, no links, settings as they are by default."""
    names = [f"h{number}" for number in range(len(instance.capacity))]
    domains = tuple(
        Domain(
            name=f"d{number}",
            uuid=str(uuid5(NAMESPACE_DNS, f"d{number}")),
            host=names[host],
            uses={"memory": size * GIB},
            migration=MigrationTraits(memory=Bytes(round(size * GIB))),
        )
        for number, (size, host) in enumerate(zip(instance.size, instance.start, strict=True))
    )
    hosts = tuple(
        Host(name=name, capacity={"memory": size * GIB}, migration=_ABLE)
        for name, size in zip(names, instance.capacity, strict=True)
    )
    memory = Capacity(
        resource="memory",
        demand=np.array([size * GIB for size in instance.size]),
        limit=np.array([size * GIB for size in instance.capacity]),
    )
    return Moves(
        cluster=Cluster(name="small", hosts=hosts, domains=domains),
        problem=Problem(
            hosts=tuple(names),
            domains=tuple(domain.uuid for domain in domains),
            start=np.array(instance.start, dtype=np.int64),
            terms=(Term(name="capacity: memory", primitive=memory, physical=True),),
        ),
        domains=domains,
        placement=np.array(instance.target, dtype=np.int64),
        settings=[MigrationSettings(per_host=instance.per_host, total=instance.total)] * len(domains),
        names=Names(),
        caps={},
    )


def _planned(instance: Instance) -> tuple[Step, ...] | None:
    try:
        return schedule(moves_of(instance))
    except StuckMovesError:
        return None


def compare(instance: Instance) -> Outcome | None:
    """None: the instance was too large to be searched."""
    try:
        fewest = fewest_moves(instance)
    except GaveUpError:
        return None
    steps = _planned(instance)
    if steps is None or fewest is None:
        return Outcome(instance=instance, moves=None if steps is None else len(steps), fewest=fewest)
    makespan = max(step.predicted.end for step in steps)
    try:
        shortest: float | None = shortest_makespan(instance, fewest, makespan)
    except GaveUpError:
        shortest = None
    return Outcome(instance=instance, moves=len(steps), fewest=fewest, makespan=makespan, shortest=shortest)


def summarise(outcomes: Iterable[Outcome]) -> Summary:
    found: Sequence[Outcome] = list(outcomes)
    feasible = [each for each in found if each.fewest is not None]
    longer = [each.makespan / each.shortest - 1 for each in feasible if each.shortest]
    return Summary(
        instances=len(found),
        feasible=len(feasible),
        called_infeasible=sum(each.moves is None for each in feasible),
        impossible_plans=sum(each.fewest is None and each.moves is not None for each in found),
        fewest_moves=sum(each.moves == each.fewest for each in feasible) / max(len(feasible), 1),
        longer=sum(longer) / max(len(longer), 1),
        proved=len(longer),
    )
