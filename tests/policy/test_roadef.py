"""The machine reassignment problem, said in the policy language, costs what the challenge's statement says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from rebalancer.cluster.snapshot import differences, parse_snapshot
from rebalancer.placement.search import search
from rebalancer.placement.state import State
from tests.benchmarks.roadef import (
    Instance,
    assignment_of,
    cluster,
    compiled,
    main,
    placement_of,
    policy_text,
    read_model,
    score,
)

Assignment = list[int]


def model_text(random: Random, machines: int, processes: int) -> str:
    """A model file with every kind of constraint and cost."""
    r, services = 3, 5
    lines = [str(r), *(f"{int(n == 0)} {random.choice([0, 1, 7])}" for n in range(r)), str(machines)]
    for _ in range(machines):
        capacity = [random.randint(20, 60) for _ in range(r)]
        safety = [random.randint(5, c) for c in capacity]
        moves = [random.randint(0, 5) for _ in range(machines)]
        lines.append(" ".join(map(str, [random.randint(0, 2), random.randint(0, 3), *capacity, *safety, *moves])))
    lines.append(str(services))
    for s in range(services):
        needs = random.sample([other for other in range(services) if other != s], random.choice([0, 0, 1]))
        lines.append(" ".join(map(str, [random.randint(0, 2), len(needs), *needs])))
    lines.append(str(processes))
    for _ in range(processes):
        requirement = [random.randint(0, 9) for _ in range(r)]
        lines.append(" ".join(map(str, [random.randrange(services), *requirement, random.randint(0, 9)])))
    lines += ["2", "0 1 3", "10", "2 0 1", "5", "1 10 100"]
    return "\n".join(lines)


def usage(instance: Instance, assignment: Assignment, machine: int, r: int) -> int:
    return sum(p.requirement[r] for p, m in zip(instance.processes, assignment, strict=True) if m == machine)


def cost(instance: Instance, initial: Assignment, assignment: Assignment) -> int:
    total = 0
    for m, machine in enumerate(instance.machines):
        used = [usage(instance, assignment, m, r) for r in range(len(instance.transient))]
        free = [capacity - u for capacity, u in zip(machine.capacity, used, strict=True)]
        for u, safety, weight in zip(used, machine.safety, instance.load_weight, strict=True):
            total += weight * max(0, u - safety)
        for each in instance.balances:
            total += each.weight * max(0, each.target * free[each.first] - free[each.second])
    moved = [p for p in range(len(initial)) if initial[p] != assignment[p]]
    services = [instance.processes[p].service for p in moved]
    total += instance.process_weight * sum(instance.processes[p].move_cost for p in moved)
    total += instance.service_weight * max(map(services.count, services), default=0)
    return total + instance.machine_weight * sum(instance.machines[initial[p]].move_cost[assignment[p]] for p in moved)


def broken(instance: Instance, initial: Assignment, assignment: Assignment) -> set[str]:
    found = set()
    for m, machine in enumerate(instance.machines):
        for r, transient in enumerate(instance.transient):
            used = usage(instance, assignment, m, r)
            if transient:
                left = [p for p in range(len(initial)) if initial[p] == m != assignment[p]]
                used += sum(instance.processes[p].requirement[r] for p in left)
            if used > machine.capacity[r]:
                found.add("capacity")
    for s, service in enumerate(instance.services):
        at = [m for p, m in zip(instance.processes, assignment, strict=True) if p.service == s]
        if len(set(at)) < len(at):
            found.add("anti_affinity")
        if len({instance.machines[m].location for m in at}) < min(service.spread, len(at)):
            found.add("spread")
        for other in service.needs:
            there = {
                instance.machines[m].neighbourhood
                for p, m in zip(instance.processes, assignment, strict=True)
                if p.service == other
            }
            if not {instance.machines[m].neighbourhood for m in at} <= there:
                found.add("near")
    return found


def feasible_start(instance: Instance, random: Random) -> Assignment | None:
    for _ in range(300):
        assignment = [random.randrange(len(instance.machines)) for _ in instance.processes]
        if not broken(instance, assignment, assignment):
            return assignment
    return None


def instances(number: int) -> list[tuple[str, Instance, Assignment]]:
    found: list[tuple[str, Instance, Assignment]] = []
    seed = 0
    while len(found) < number:
        random = Random(seed)
        text = model_text(random, machines=random.randint(3, 6), processes=random.randint(3, 7))
        instance = read_model(text)
        start = feasible_start(instance, random)
        seed += 1
        if start is not None:
            found.append((text, instance, start))
    return found


def others(random: Random, instance: Instance, start: Assignment) -> Iterator[Assignment]:
    """Some assignments, each a few moves from the start."""
    for _ in range(30):
        assignment = list(start)
        for p in random.sample(range(len(start)), min(random.randint(1, 4), len(start))):
            assignment[p] = random.randrange(len(instance.machines))
        yield assignment


INSTANCES = instances(12)


@pytest.mark.parametrize("number", range(len(INSTANCES)))
def test_any_assignment_costs_and_breaks_what_the_statement_says(number: int) -> None:
    _, instance, start = INSTANCES[number]
    random = Random(number)
    problem = compiled(instance, start).problem
    assert score(problem, problem.start)[0] == cost(instance, start, start)
    for assignment in others(random, instance, start):
        placement = placement_of(problem, assignment)
        assert score(problem, placement)[0] == cost(instance, start, assignment)
        state = State(problem, placement)
        parts = state.parts()
        found = {term.name.partition(":")[0] for term in problem.terms if term.hard and parts[term.name] > 0}
        assert found == broken(instance, start, assignment)


def test_every_kind_of_constraint_is_broken_by_some() -> None:
    kinds = set()
    for number, (_, instance, start) in enumerate(INSTANCES):
        for assignment in others(Random(number), instance, start):
            kinds |= broken(instance, start, assignment)
    assert kinds == {"capacity", "anti_affinity", "spread", "near"}


@pytest.mark.parametrize("number", range(len(INSTANCES)))
def test_what_the_search_finds_is_allowed_and_no_worse(number: int) -> None:
    _, instance, start = INSTANCES[number]
    problem = compiled(instance, start).problem
    found = search(problem, effort=1).host
    assignment = assignment_of(problem, found)
    assert broken(instance, start, assignment) == set()
    assert score(problem, found)[0] == cost(instance, start, assignment) <= cost(instance, start, start)


def test_files_in_files_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, instance, start = INSTANCES[0]
    (tmp_path / "model.txt").write_text(text)
    (tmp_path / "start.txt").write_text(" ".join(map(str, start)))
    paths = [str(tmp_path / name) for name in ("model.txt", "start.txt", "out.txt", "kept")]
    main([*paths[:2], "-o", paths[2], "--time-limit", "10", "--keep", paths[3]])
    found = [int(number) for number in (tmp_path / "out.txt").read_text().split()]
    printed = json.loads(capsys.readouterr().out)
    assert (printed["before"], printed["after"]) == (cost(instance, start, start), cost(instance, start, found))
    assert (tmp_path / "kept" / "policy.json").read_text() == policy_text(instance)
    kept = parse_snapshot((tmp_path / "kept" / "cluster.json").read_text(), "cluster.json")
    assert differences(kept, cluster(instance, start)) == ()
