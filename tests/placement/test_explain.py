from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rebalancer.placement.explain import breaches, refusals
from rebalancer.placement.primitives import (
    AssignmentCost,
    Capacity,
    DistanceCost,
    Failover,
    GroupLeast,
    GroupMost,
    GroupMoves,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    MoveCost,
    Near,
    Pool,
    Primitive,
    Ratio,
    Traffic,
)
from rebalancer.placement.problem import Problem, Term
from rebalancer.placement.state import State
from tests.placement.problems import elements, random_problem, rarer_primitives

HOSTS = ("h1", "h2", "h3")
RACKS = np.array([0, 0, 1])
GIB = 2.0**30


def problem(primitive: Primitive, start: list[int]) -> Problem:
    names = tuple("abcdefgh"[: len(start)])
    return Problem(hosts=HOSTS, domains=names, start=np.array(start), terms=(Term(name="rule", primitive=primitive),))


def said(primitive: Primitive, start: list[int], moved: list[int] | None = None) -> list[tuple[float, str]]:
    found = problem(primitive, start)
    placement = found.start if moved is None else np.array(moved)
    return [(each.amount, each.text) for each in breaches(found, placement, lambda d: "abcdefgh"[d])]


def group(*members: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(members, dtype=np.int64)


@pytest.mark.parametrize(
    ("primitive", "start", "amount", "text"),
    [
        (
            Capacity(resource="memory", demand=np.full(2, 8 * GIB), limit=np.full(3, 12 * GIB)),
            [0, 0],
            4 * GIB,
            "h1: 16 GiB of memory, limit 12 GiB",
        ),
        (
            Capacity(resource="domains", demand=np.ones(3), limit=np.full(3, 2.0), scale=1.0),
            [1, 1, 1],
            1.0,
            "h2: 3 domains, limit 2",
        ),
        (
            GroupMost(group=group(0, 0), zone=RACKS, most=1, fixed=np.zeros((1, 2), dtype=np.int64)),
            [0, 1],
            1.0,
            "together: 'a' on h1, 'b' on h2",
        ),
        (
            GroupSpan(group=group(0, 0), zone=np.arange(3), most=1),
            [0, 1],
            1.0,
            "on 2 hosts, at most 1 allowed: 'a' on h1, 'b' on h2",
        ),
        (
            GroupLeast(group=group(0, 0), zone=RACKS, least=group(2)),
            [0, 1],
            1.0,
            "on 1 zone, at least 2 wanted: 'a' on h1, 'b' on h2",
        ),
        (
            GroupSkew(group=group(0, 0), zone=RACKS, most=1),
            [0, 1],
            1.0,
            "2 on h1, h2 and 0 on h3, 1 apart allowed: 'a' on h1, 'b' on h2",
        ),
        (
            GroupsApart(group=group(0, 1, 1), zone=RACKS),
            [0, 1, 1],
            1.0,
            "2 groups meet: 'a' on h1, 'b' on h2",
        ),
        (
            Near(group=group(0, 1), zone=RACKS, pairs=np.array([[0, 1]])),
            [0, 2],
            1.0,
            "'a' on h1 is far from all that it needs: 'b' on h3",
        ),
        (
            Near(group=group(0), zone=RACKS, pairs=np.array([[0, 1]])),
            [0],
            1.0,
            "'a' on h1 is far from all that it needs: there is none",
        ),
    ],
)
def test_a_breach_names_domains_hosts_and_numbers(
    primitive: Primitive, start: list[int], amount: float, text: str
) -> None:
    assert said(primitive, start) == [(amount, text)]


def test_what_a_failure_would_leave_without_a_place() -> None:
    demand, limit = np.array([[6.0, 6.0, 2.0]]) * GIB, np.full((1, 3), 8 * GIB)
    alone = np.array([-1, -1, -1])
    one = Failover(demand=demand, limit=limit, zone=alone, resources=("memory",))
    assert said(one, [0, 1, 2]) == []
    two = Failover(demand=demand, limit=limit, zone=alone, resources=("memory",), tolerate=2)
    assert said(two, [0, 1, 2]) == [
        (6 * GIB, "without h1 and h2, 6 GiB of memory would be missing"),
        (1.0, "without h1 and h3, no host has room for 'a' (6 GiB of memory)"),
        (1.0, "without h2 and h3, no host has room for 'b' (6 GiB of memory)"),
    ]
    racks = Failover(demand=demand, limit=limit, zone=RACKS, resources=("memory",))
    assert said(racks, [0, 1, 2])[0] == (6 * GIB, "without h1, h2, 6 GiB of memory would be missing")


def test_what_leaves_a_host_is_named_where_it_still_counts() -> None:
    disk = Capacity(resource="disk", demand=np.full(2, 8 * GIB), limit=np.full(3, 12 * GIB), both_ends=True)
    assert said(disk, [0, 1], [1, 1]) == [(4 * GIB, "h2: 16 GiB of disk, limit 12 GiB")]
    assert said(disk, [0, 1], [2, 0]) == [(4 * GIB, "h1: 16 GiB of disk, limit 12 GiB, counting what leaves: 'a'")]


def test_a_refusal_says_what_would_be_broken() -> None:
    spread = GroupLeast(group=group(0, 0), zone=np.arange(3), least=group(2))
    found = problem(spread, [0, 1])
    assert refusals(found, found.start, 0, lambda d: f"web{d + 1}") == {
        "h2": "rule: would break it (on 1 host, at least 2 wanted: 'web1' on h2, 'web2' on h2)",
        "h3": "",
    }
    assert "'a' on h2" in refusals(found, found.start, 0)["h2"], "without names: UUIDs"


def test_a_refusal_says_what_the_rule_has_to_say_itself() -> None:
    apart = GroupMost(group=group(0, 0), zone=np.arange(3), most=1, fixed=np.zeros((1, 3), dtype=np.int64))
    found = problem(apart, [0, 1])
    told = replace(found, terms=(replace(found.terms[0], refusal="its twin is there"),))
    assert refusals(told, found.start, 0)["h2"] == "rule: its twin is there"


def test_a_full_host_says_how_many_domains_it_has() -> None:
    count = Capacity(resource="domains", demand=np.ones(3), limit=np.full(3, 2.0), scale=1.0)
    found = problem(count, [0, 1, 1])
    assert refusals(found, found.start, 0) == {"h2": "rule: has 2 domains, limit 2", "h3": ""}


@pytest.mark.parametrize("seed", range(100))
def test_breaches_add_up_to_what_a_rule_costs(seed: int) -> None:
    random = np.random.default_rng(seed)
    some = random_problem(seed)
    hosts, domains = len(some.hosts), len(some.domains)
    placement = random.integers(hosts, size=domains)
    soft = AssignmentCost | DistanceCost | GroupMoves | Ratio | MoveCost | Traffic
    primitives = [each for each in rarer_primitives(random, hosts, domains) if not isinstance(each, soft)]
    primitives += [
        term.primitive for term in some.terms if term.name in ("capacity", "pin", "anti_affinity", "affinity")
    ]
    for primitive in primitives:
        alone = Problem(
            hosts=some.hosts,
            domains=some.domains,
            start=some.start,
            terms=(Term(name="rule", primitive=primitive),),
        )
        found = breaches(alone, placement, str)
        cost = sum(elements(primitive, placement, some.start).values())
        amount = sum(each.amount for each in found)
        if isinstance(primitive, Capacity):
            amount /= primitive.limit.mean() if primitive.scale is None else primitive.scale
        if isinstance(primitive, Pool):
            amount /= primitive.scale
        if isinstance(primitive, Failover):
            assert (amount > 1e-9) == (cost > 1e-9), primitive
        else:
            assert amount == pytest.approx(cost), primitive
        state = State(alone, placement)
        for domain in range(domains):
            change = state.shifts(domain)[1]
            for name, words in refusals(alone, placement, domain).items():
                if change[some.hosts.index(name)] > 1e-9:
                    assert words, (primitive, domain, name)
