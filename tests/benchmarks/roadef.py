"""Google's machine reassignment problem (ROADEF/EURO challenge 2012), said in the policy language and nothing else.

    python -m tests.benchmarks.roadef MODEL ASSIGNMENT -o OUT --time-limit 60 [--keep DIR]

A process is a domain, a machine a host, a service a group. From the challenge's two files a cluster and a policy are
made; the public pipeline reads the policy, compiles and searches; the new assignment is written in the challenge's
format.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rebalancer.cluster import Capabilities, Cluster, Domain, Host
from rebalancer.cluster.snapshot import dump_snapshot
from rebalancer.errors import InvalidInput
from rebalancer.placement.primitives import IntArray
from rebalancer.placement.problem import Problem
from rebalancer.placement.search import search
from rebalancer.placement.state import State
from rebalancer.policy import Compiled, check_policy, compile_problem, load_policies

__all__ = [
    "Instance",
    "assignment_of",
    "cluster",
    "compiled",
    "main",
    "placement_of",
    "policy_text",
    "read_assignment",
    "read_model",
    "score",
]


@dataclass(frozen=True, kw_only=True)
class Machine:
    neighbourhood: int
    location: int
    capacity: list[int]
    safety: list[int]
    move_cost: IntArray
    """int[M]: to each machine."""


@dataclass(frozen=True, kw_only=True)
class Service:
    spread: int
    needs: list[int]
    """Services that it depends on."""


@dataclass(frozen=True, kw_only=True)
class Process:
    service: int
    requirement: list[int]
    move_cost: int


@dataclass(frozen=True, kw_only=True)
class Balance:
    first: int
    second: int
    target: int
    weight: int


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A model file."""

    transient: list[bool]
    """Of each resource."""
    load_weight: list[int]
    machines: list[Machine]
    services: list[Service]
    processes: list[Process]
    balances: list[Balance]
    process_weight: int
    service_weight: int
    machine_weight: int


def read_model(text: str) -> Instance:
    numbers = _Numbers(text)
    take = numbers.take
    resources = [take(2) for _ in range(numbers.one())]
    r, m = len(resources), numbers.one()
    machines = [
        Machine(
            neighbourhood=numbers.one(),
            location=numbers.one(),
            capacity=take(r),
            safety=take(r),
            move_cost=numbers.row(m),
        )
        for _ in range(m)
    ]
    services = [Service(spread=numbers.one(), needs=take(numbers.one())) for _ in range(numbers.one())]
    processes = [
        Process(service=numbers.one(), requirement=take(r), move_cost=numbers.one()) for _ in range(numbers.one())
    ]
    balances = [
        Balance(first=numbers.one(), second=numbers.one(), target=numbers.one(), weight=numbers.one())
        for _ in range(numbers.one())
    ]
    process_weight, service_weight, machine_weight = take(3)
    return Instance(
        transient=[bool(flag) for flag, _ in resources],
        load_weight=[weight for _, weight in resources],
        machines=machines,
        services=services,
        processes=processes,
        balances=balances,
        process_weight=process_weight,
        service_weight=service_weight,
        machine_weight=machine_weight,
    )


class _Numbers:
    """The numbers of a text, one after another: 25 million of them in the largest models."""

    def __init__(self, text: str) -> None:
        self._numbers = np.fromstring(text, dtype=np.int64, sep=" ")
        self._next = 0

    def row(self, count: int) -> IntArray:
        self._next += count
        return self._numbers[self._next - count : self._next]

    def take(self, count: int) -> list[int]:
        return [int(number) for number in self.row(count)]

    def one(self) -> int:
        return self.take(1)[0]


def read_assignment(text: str) -> list[int]:
    """The machine of each process."""
    return [int(number) for number in text.split()]


def cluster(instance: Instance, assignment: Sequence[int]) -> Cluster:
    """The machines and processes, each where the assignment has it."""
    able = Capabilities(live=True, offline=True, rename=True)
    names = [f"m{index}" for index in range(len(instance.machines))]
    hosts = (
        Host(
            name=name,
            labels={"location": str(machine.location), "neighbourhood": str(machine.neighbourhood)},
            capacity={
                **{f"r{r}": amount for r, amount in enumerate(machine.capacity)},
                **{f"r{r}_safe": amount for r, amount in enumerate(machine.safety)},
            },
            distance=dict(zip(names, machine.move_cost.tolist(), strict=True)),
            migration=able,
        )
        for name, machine in zip(names, instance.machines, strict=True)
    )
    domains = (
        Domain(
            name=f"p{index}",
            uuid=f"00000000-0000-4000-8000-{index:012d}",
            host=names[assignment[index]],
            uses={f"r{r}": amount for r, amount in enumerate(process.requirement)},
            labels={
                "service": f"s{process.service}",
                "spread": str(instance.services[process.service].spread),
                "move_cost": str(process.move_cost),
            },
        )
        for index, process in enumerate(instance.processes)
    )
    return Cluster(name="roadef", hosts=tuple(hosts), domains=tuple(domains))


def policy_text(instance: Instance) -> str:
    rules: list[dict[str, object]] = [
        {"capacity": {"resource": f"r{r}", **({"moving": "both"} if transient else {})}}
        for r, transient in enumerate(instance.transient)
    ]
    rules.append({"anti_affinity": {"group": "labels.service"}})
    rules.append({"spread": {"group": "labels.service", "across": "location", "least": "int(labels.spread)"}})
    pairs = [[f"s{index}", f"s{need}"] for index, service in enumerate(instance.services) for need in service.needs]
    if pairs:
        rules.append({"near": {"group": "labels.service", "pairs": pairs, "within": "neighbourhood"}})
    header = {"apiVersion": "rebalancer/v1", "kind": "Policy", "metadata": {"name": "roadef"}}
    return json.dumps({**header, "rules": rules, "goals": list(_goals(instance))}, indent=1)


def _goals(instance: Instance) -> Iterator[dict[str, object]]:
    for r, weight in enumerate(instance.load_weight):
        if weight:
            yield {"headroom": {"resource": f"r{r}", "capacity": f"r{r}_safe", "weight": weight}}
    for balance in instance.balances:
        if balance.weight and balance.target:
            first, second = f"r{balance.first}", f"r{balance.second}"
            yield {"ratio": {"of": first, "to": second, "target": balance.target, "weight": balance.weight}}
    moves: dict[str, object] = {}
    if instance.process_weight:
        moves["per_move"] = f"{instance.process_weight} * int(labels.move_cost)"
    if instance.service_weight:
        moves["per_group"] = {"group": "labels.service", "weight": instance.service_weight}
    if instance.machine_weight:
        moves["per_distance"] = {"weight": instance.machine_weight}
    if moves:
        yield {"move_cost": moves}


def compiled(instance: Instance, assignment: Sequence[int]) -> Compiled:
    """The public pipeline up to the search; raises InvalidInput where the policy does not fit the cluster."""
    placed, policy = cluster(instance, assignment), policy_text(instance)
    found = load_policies(["./policy.json"], lambda _: policy)
    errors, _ = check_policy(found, placed)
    if errors:
        raise InvalidInput(list(errors))
    return compile_problem(found, placed)


def placement_of(problem: Problem, assignment: Sequence[int]) -> IntArray:
    """``assignment``: by process. int[D]: by the problem's domains, whose order is their hosts'."""
    return np.array(assignment)[_processes(problem)]


def assignment_of(problem: Problem, placement: IntArray) -> list[int]:
    """The other way round."""
    assignment = np.empty_like(placement)
    assignment[_processes(problem)] = placement
    return assignment.tolist()


def _processes(problem: Problem) -> list[int]:
    return [int(uuid.rpartition("-")[2]) for uuid in problem.domains]


def score(problem: Problem, placement: IntArray) -> tuple[int, dict[str, int]]:
    """The soft cost of a placement and its parts; raises ValueError where they are not whole, i.e. not exact."""
    soft = {term.name for term in problem.terms if not term.hard}
    parts = {name: cost for name, cost in State(problem, placement).parts().items() if name in soft}
    if any(cost != int(cost) or abs(cost) > 2**53 for cost in parts.values()):
        raise ValueError(f"not exact: {parts}")
    whole = {name: int(cost) for name, cost in parts.items()}
    return sum(whole.values()), whole


def main(arguments: Sequence[str] | None = None) -> None:
    start = time.monotonic()
    parser = argparse.ArgumentParser(prog="roadef", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("assignment", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the new assignment")
    parser.add_argument("--time-limit", type=float, default=60.0, metavar="S", help="seconds, everything included")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where to leave cluster.json and policy.json")
    given = parser.parse_args(arguments)

    instance = read_model(given.model.read_text())
    assignment = read_assignment(given.assignment.read_text())
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        (given.keep / "cluster.json").write_text(dump_snapshot(cluster(instance, assignment)))
        (given.keep / "policy.json").write_text(policy_text(instance))
    problem = compiled(instance, assignment).problem
    ready = time.monotonic() - start
    limit = 0.97 * given.time_limit  # the rest is for writing
    placement = search(problem, seed=given.seed, effort=10, elapsed=lambda: (time.monotonic() - start) / limit)
    given.output.write_text(" ".join(map(str, assignment_of(problem, placement.host))) + "\n")
    before, _ = score(problem, problem.start)
    after, parts = score(problem, placement.host)
    result = {
        "before": before,
        "after": after,
        "moved": int(np.count_nonzero(placement.host != problem.start)),
        "parts": parts,
        "broken": State(problem, placement.host).costs()[:2].tolist(),
        "seconds": {"compile": round(ready, 2), "all": round(time.monotonic() - start, 2)},
        "evaluations": placement.evaluations,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
