"""Rules on groups hold at every moment of a schedule, whichever end each moving domain is at."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations, product
from random import Random

import numpy as np
import pytest

from rebalancer.placement.primitives import (
    Capacity,
    Failover,
    GroupLeast,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    IntArray,
    Near,
    Pool,
    Primitive,
)
from rebalancer.placement.problem import Term
from rebalancer.plan.ledger import Ledger, Leg
from rebalancer.plan.model import Step
from rebalancer.plan.schedule import Moves, StuckMovesError, schedule
from rebalancer.plan.watches import watch
from tests.placement.problems import elements
from tests.plan.worlds import world

NAMES = "abcdefgh"
CASES = int(os.environ.get("REBALANCE_CASES", "300")) // 10


def random_rule(random: Random, hosts: int, domains: int) -> Primitive:
    group = np.array([random.randint(-1, 2) for _ in range(domains)])
    zone = np.array([random.randint(-1, 2) for _ in range(hosts)]) if random.random() < 0.5 else np.arange(hosts)
    rules = [
        GroupSpan(group=group, zone=zone, most=random.randint(1, 2), alone=random.random() < 0.7),
        GroupLeast(group=group, zone=zone, least=np.array([random.randint(1, 3) for _ in range(3)])),
        GroupSkew(group=group, zone=zone, most=random.randint(0, 2)),
        GroupsApart(group=group, zone=zone, most=1),
        Near(group=group, zone=zone, pairs=np.array([[random.randrange(3), random.randrange(3)] for _ in range(2)])),
    ]
    rules += [random_pool(random, hosts, domains), random_failover(random, hosts, domains)]
    return random.choice(rules)


def random_pool(random: Random, hosts: int, domains: int) -> Pool:
    grouped = random.random() < 0.5
    return Pool(
        resource="r",
        demand=np.array([float(random.randint(0, 4)) for _ in range(domains)]),
        zone=np.array([random.randint(-1, 2) for _ in range(hosts)]),
        most=np.array([random.choice([4.0, 8.0, np.inf]) for _ in range(3)]),
        least=np.array([random.choice([0.0, 2.0, 4.0]) for _ in range(3)]),
        group=np.array([random.randint(-1, 1) for _ in range(domains)]) if grouped else None,
        presence=np.array([3.0, 0.0]) if grouped else None,
    )


def random_failover(random: Random, hosts: int, domains: int) -> Failover:
    return Failover(
        demand=np.array([[float(random.randint(0, 4)) for _ in range(domains)] for _ in range(2)]),
        limit=np.array([[float(random.randint(4, 10)) for _ in range(hosts)] for _ in range(2)]),
        zone=np.array([random.randint(-1, 2) for _ in range(hosts)]),
        tolerate=random.randint(1, 2),
    )


def random_moves(random: Random) -> tuple[Moves, Primitive]:
    """A world with room for everything, and one rule on groups."""
    hosts, domains = random.randint(2, 5), random.randint(1, 6)
    residents: dict[int, list[str]] = {host: [] for host in range(hosts)}
    for domain in range(domains):
        residents[random.randrange(hosts)].append(f"v{domain} {random.randint(1, 4)}")
    text = ";".join(f"{NAMES[host]}999:{','.join(found)}" for host, found in residents.items())
    names = [resident.split()[0] for found in residents.values() for resident in found]
    goals = " ".join(f"{name}>{NAMES[random.randrange(hosts)]}" for name in names)
    moves = world(text, goals)
    rule = random_rule(random, hosts, domains)
    terms = (*moves.problem.terms, Term(name="rule", primitive=rule))
    return replace(moves, problem=replace(moves.problem, terms=terms)), rule


def moments(moves: Moves, events: Sequence[tuple[str, Step]]) -> Iterator[IntArray]:
    """Every placement that may be real at some moment: each moving domain is at either end."""
    index = {name: h for h, name in enumerate(moves.problem.hosts)}
    number = {uuid: d for d, uuid in enumerate(moves.problem.domains)}
    at = [[int(host)] for host in moves.problem.start]
    for kind, step in events:
        domain, destination = number[step.uuid], index[step.destination]
        at[domain] = [index[step.source], destination] if kind == "start" else [destination]
        yield from (np.array(each) for each in product(*at))


def orders(steps: Sequence[Step], random: Random) -> Iterator[list[tuple[str, Step]]]:
    """As predicted, and in a few random orders that the dependencies allow, with several steps at once."""
    events = [(step.predicted.end, 0, "end", step) for step in steps]
    events += [(step.predicted.start, 1, "start", step) for step in steps]
    yield [(kind, step) for _, _, kind, step in sorted(events, key=lambda event: event[:2])]
    for _ in range(4):
        done: set[str] = set()
        running: list[Step] = []
        waiting = list(steps)
        order: list[tuple[str, Step]] = []
        while waiting or running:
            ready = [step for step in waiting if set(step.after) <= done]
            if ready and (not running or random.random() < 0.6):
                chosen = random.choice(ready)
                waiting.remove(chosen)
                running.append(chosen)
                order.append(("start", chosen))
            else:
                chosen = running.pop(random.randrange(len(running)))
                done.add(chosen.id)
                order.append(("end", chosen))
        yield order


def can_be_kept(rule: Primitive, element: object, moves: Moves) -> bool:
    """Whether some order of all moves, one at a time, never makes the element worse than allowed."""
    start = moves.problem.start
    before = elements(rule, start, start).get(element, 0.0)
    movers = np.flatnonzero(start != moves.placement)
    for order in permutations(movers):
        at = start.copy()
        for domain in order:
            at[domain] = moves.placement[domain]
            if elements(rule, at, start).get(element, 0.0) > before:
                break
        else:
            return True
    return False


@pytest.mark.parametrize("block", range(10))
def test_rules_on_groups_hold_at_every_moment(block: int) -> None:
    planned = 0
    for case in range(CASES):
        random = Random(f"{block} {case}")
        moves, rule = random_moves(random)
        start = moves.problem.start
        before, after = elements(rule, start, start), elements(rule, moves.placement, start)
        if any(cost > before.get(element, 0.0) for element, cost in after.items()):
            continue  # the search never asks for such a placement
        try:
            steps = schedule(moves)
        except StuckMovesError:
            continue
        planned += 1
        for order in orders(steps, random):
            for at in moments(moves, order):
                for element, cost in elements(rule, at, start).items():
                    if cost > before.get(element, 0.0) + 1e-6:
                        assert isinstance(rule, GroupSpan | Near)
                        assert not can_be_kept(rule, element, moves), (block, case, element, at)
    assert planned > 5


def rule_of(moves: Moves, rule: Primitive) -> Moves:
    terms = (*moves.problem.terms, Term(name="rule", primitive=rule))
    return replace(moves, problem=replace(moves.problem, terms=terms))


def one_group(moves: Moves) -> IntArray:
    return np.zeros(len(moves.domains), dtype=np.int64)


def test_a_group_that_is_kept_together_moves_one_by_one() -> None:
    moves = world("a9:u 1,v 1; b9; c9", "u>b v>b")
    together = GroupSpan(group=one_group(moves), zone=np.arange(3), most=1)
    steps = schedule(rule_of(moves, together))
    assert {step.destination for step in steps} == {"b"}
    assert all(step.after == () for step in steps)


def test_one_licensed_host_is_emptied_before_another_is_used() -> None:
    moves = world("a9:u 1; b9:v 1,w 1; c9", "u>c v>c")
    licensed = GroupSpan(group=one_group(moves), zone=np.arange(3), most=2)
    steps = {step.domain: step for step in schedule(rule_of(moves, licensed))}
    assert steps["u"].after == ()
    assert steps["v"].after == (steps["u"].id,)


def test_a_tenant_waits_until_the_other_has_gone() -> None:
    moves = world("a9:u 1,v 1; b9:w 1; c9", "u>c v>c w>a")
    apart = GroupsApart(group=np.array([0, 0, 1]), zone=np.arange(3))
    steps = {step.domain: step for step in schedule(rule_of(moves, apart))}
    assert set(steps["w"].after) == {steps["u"].id, steps["v"].id}
    assert steps["u"].after == steps["v"].after == ()


def test_replicas_are_never_together_on_the_way() -> None:
    moves = world("a9:u 1; b9:v 1; c9", "u>b v>a")
    spread = GroupLeast(group=one_group(moves), zone=np.arange(3), least=np.array([2]))
    steps = schedule(rule_of(moves, spread))
    assert len(steps) == 3, "one of them steps aside"


def test_moves_that_cannot_break_a_rule_wait_for_nothing() -> None:
    moves = world("a9:u 1; b9:v 1; c9:w 1; d9", "u>d")
    spread = GroupLeast(group=one_group(moves), zone=np.arange(4), least=np.array([2]))
    (step,) = schedule(rule_of(moves, spread))
    assert step.after == ()


def test_what_counts_on_both_ends_is_never_freed() -> None:
    moves = world("a9:u 5; b9:v 5; c9", "u>b v>c")
    disk = Capacity(resource="disk", demand=np.array([5.0, 5.0]), limit=np.full(3, 9.0), scale=1.0, both_ends=True)
    ledger = Ledger(moves.cluster, rule_of(moves, disk).problem)
    ledger.move(Leg(1, 1, 2), "v")
    assert not ledger.fits(0, 1)
    assert ledger.fits(1, 1), "it has never left"
    ledger.move(Leg(1, 2, 1), "v")
    assert [load[1] for load in ledger.load] == [5.0, 5.0, 0.0]


def test_a_rule_that_is_no_rule_on_groups_is_not_watched() -> None:
    disk = Capacity(resource="disk", demand=np.array([5.0]), limit=np.full(3, 9.0))
    assert watch(disk, np.array([0])) is None
