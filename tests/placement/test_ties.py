"""Of placements that cost the same, the one for which least is sent; always the same one."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from rebalancer.native import library
from rebalancer.placement import Problem, State, Term, search
from rebalancer.placement.engine import Engine, Speed, best_speed, interpreted_only
from rebalancer.placement.kernels import layout as at
from rebalancer.placement.kernels import tasks
from rebalancer.placement.primitives import AssignmentCost, Capacity, Evenness, EvennessForm, FloatArray, IntArray
from rebalancer.placement.state import improves
from tests.placement.problems import random_problem

SPEEDS = pytest.mark.parametrize("speed", [interpreted_only, best_speed])


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    assert library.cached() is not None or library.compile_now() is not None


def even(
    demand: IntArray | FloatArray,
    start: IntArray,
    hosts: int,
    payload: IntArray | None,
    *,
    form: EvennessForm = "variance",
    tolerance: float = 0.0,
) -> Problem:
    """Even load is all that counts."""
    most = np.full(hosts, 2.0 * demand.sum() / hosts)
    balance = Evenness(
        resource="memory",
        demand=demand.astype(float),
        capacity=most,
        counted=np.ones(hosts, dtype=bool),
        target=0.5,
        tolerance=tolerance,
        form=form,
    )
    capacity = Capacity(resource="memory", demand=demand.astype(float), limit=most)
    return Problem(
        hosts=tuple(f"h{h}" for h in range(hosts)),
        domains=tuple(f"d{d}" for d in range(len(demand))),
        start=start,
        terms=(Term(name="balance", primitive=balance, tier=1), Term(name="capacity", primitive=capacity)),
        payload=payload,
    )


def alike(hosts: int, seed: int) -> Problem:
    """Domains of three sizes, those of a size alike but for what is sent of them; the first host has most."""
    random = np.random.default_rng(seed)
    demand = random.choice([1, 2, 4], size=10 * hosts)
    start = random.integers(hosts, size=10 * hosts)
    start[random.random(10 * hosts) < 0.3] = 0
    return even(demand, start, hosts, random.integers(1, 100, size=10 * hosts))


def sent(problem: Problem, placement: IntArray) -> int:
    assert problem.payload is not None
    return int(problem.payload[placement != problem.start].sum())


@SPEEDS
def test_least_is_sent_of_what_is_even(speed: Speed) -> None:
    for payload in permutations([300, 200, 100]):
        problem = even(np.ones(3), np.zeros(3, dtype=np.int64), 3, np.array(payload))
        found = search(problem, speed=speed).host
        assert found[payload.index(300)] == 0
        assert sorted(found) == [0, 1, 2]


@SPEEDS
def test_of_what_sends_as_much_fewest_domains_move(speed: Speed) -> None:
    payload = np.array([0, 0, 0, 0])
    problem = even(np.array([2, 1, 1, 4]), np.array([0, 0, 0, 1]), 2, payload)
    assert (search(problem, speed=speed).host == problem.start).all()
    problem = even(np.array([2, 1, 1]), np.zeros(3, dtype=np.int64), 2, payload[:3])
    assert search(problem, speed=speed).host.tolist() == [1, 0, 0]
    assert search(replace(problem, payload=None), speed=speed).host.tolist() == [1, 0, 0]
    assert search(replace(problem, payload=np.array([20, 9, 9])), speed=speed).host.tolist() == [0, 1, 1]


@SPEEDS
@pytest.mark.parametrize("seed", range(4))
def test_where_all_placements_are_tried_the_seed_does_not_matter(speed: Speed, seed: int) -> None:
    """Two of six alike have to go to either of two hosts that are alike: the first to the first."""
    problem = even(np.ones(6), np.zeros(6, dtype=np.int64), 3, np.array([3, 1, 1, 3, 1, 1]))
    assert search(problem, seed=seed, speed=speed).host.tolist() == [0, 1, 1, 0, 2, 2]


@pytest.mark.parametrize("seed", range(4))
def test_nor_does_it_where_they_are_many(seed: int) -> None:
    problem = even(np.ones(9), np.zeros(9, dtype=np.int64), 3, np.array([3, 1, 1, 3, 1, 1, 3, 1, 1]))
    found = search(problem, seed=seed)
    assert found.optimal
    assert found.host.tolist() == [0, 1, 1, 0, 1, 2, 0, 2, 2]


@SPEEDS
@pytest.mark.parametrize("seed", range(3))
def test_no_two_that_change_places_would_do_with_less(speed: Speed, seed: int) -> None:
    problem = alike(4 if speed is interpreted_only else 12, seed)
    placement = search(problem, seed=seed, effort=2, speed=speed).host
    costs, least = State(problem, placement).costs(), sent(problem, placement)
    for one, other in permutations(range(len(placement)), 2):
        exchanged = placement.copy()
        exchanged[[one, other]] = placement[[other, one]]
        if exchanged[one] == problem.start[one] and sent(problem, exchanged) < least:
            assert improves(costs - State(problem, exchanged).costs())


@SPEEDS
@pytest.mark.parametrize("seed", range(3))
def test_nobody_moves_without_a_gain(speed: Speed, seed: int) -> None:
    for problem in (random_problem(seed, hosts=3, domains=9), alike(3, seed)):
        free = replace(problem, payload=np.zeros(len(problem.domains), dtype=np.int64))
        placement = search(free, seed=seed, effort=2, speed=speed).host
        costs = State(problem, placement).costs()
        for domain in np.flatnonzero(placement != problem.start):
            back = placement.copy()
            back[domain] = problem.start[domain]
            assert improves(costs - State(problem, back).costs())


@SPEEDS
def test_descents_end_at_home_where_that_is_as_good(speed: Speed) -> None:
    """Three hosts cost the same, which are better than where the domain is."""
    costs = AssignmentCost(costs=np.array([[1.0, 0.0, 0.0, 0.0]]), row=np.array([0]))
    problem = Problem(
        hosts=("a", "b", "c", "d"),
        domains=("x",),
        start=np.array([2]),
        terms=(Term(name="costs", primitive=costs, tier=1),),
    )
    engine = Engine(problem, speed=speed)
    for host in (0, 1):
        engine.tell(at.SUBJECT, 0)
        engine.tell(at.DESTINATION, host)
        engine.run(tasks.MOVE)
        engine.tell(at.IDLE, 0)
        engine.tell(at.ITERATIONS, 100)
        engine.run(tasks.DESCEND)
        assert engine.best.tolist() == [2]
        assert engine.rank.tolist() == [0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("seed", range(20))
def test_both_speeds_take_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    demand = random.choice([1, 2], size=7)
    problem = even(demand, random.integers(3, size=7), 3, random.integers(1, 3, size=7))
    slow, fast = (search(problem, seed=seed, speed=speed).host for speed in (interpreted_only, best_speed))
    assert (slow == fast).all()


def test_what_is_sent_is_counted_to_the_byte() -> None:
    payload = np.array([2**50, 2**50 + 1, 2**50 - 1])
    problem = even(np.ones(3), np.zeros(3, dtype=np.int64), 2, payload)
    for speed in (interpreted_only, best_speed):
        assert search(problem, speed=speed).host.tolist() == [0, 0, 1]


@pytest.mark.parametrize("seed", range(4))
def test_roots_of_what_was_added_up_inexactly_hide_no_tie(seed: int) -> None:
    """Many placements are even within the tolerance, which sums of squares show as 0 or a little more."""
    demand = np.array([2.1, 2.3, 1.7, 1.9, 2.2, 1.8, 2.1, 2.3, 1.9])
    problem = even(demand, np.zeros(9, dtype=np.int64), 3, np.arange(9)[::-1] * 10, form="deviation", tolerance=0.05)
    found = search(problem, seed=seed)
    assert found.optimal
    assert State(problem, found.host).costs()[2] == 0
    assert found.host.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
