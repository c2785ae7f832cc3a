"""Links are not shared without need, the next setup overlaps the last transfer, and bounds are met where possible."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster import DirectedLink
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.plan.bounds import jackson
from rebalancer.plan.migration_model import SETUP_TIME
from rebalancer.plan.schedule import make_schedule
from rebalancer.policy.model import MigrationSettings
from rebalancer.policy.steps import Order, StepGroup, StepRules
from tests.plan.worlds import nic, verify, world

FOUR = MigrationSettings(per_host=4)
NARROW = {"links": [nic("a", 1e9), nic("b", 1e9)], "caps": {"a-nic": BytesPerSecond(105e6)}}


def test_over_one_full_link_each_is_set_up_while_the_last_one_sends() -> None:
    moves = world("a9:u 1,v 1,w 1; b9", "u>b v>b w>b", links=NARROW["links"], caps=NARROW["caps"], settings=FOUR)
    found = make_schedule(moves)
    verify(moves, found.steps)
    for before, after in itertools.pairwise(found.steps):
        sent = before.predicted.end - 0.5
        assert after.predicted.start == pytest.approx(sent - SETUP_TIME)
        assert after.bandwidth == before.bandwidth
    assert found.steps[-1].predicted.end == pytest.approx(found.bound, rel=1e-3)


def test_no_more_start_in_any_hour_than_the_policy_allows() -> None:
    moves = replace(world("a9:u 1,v 1,w 1,x 1,y 1; b9", "u>b v>b w>b x>b y>b", settings=FOUR), per_hour=2)
    found = make_schedule(moves)
    verify(moves, found.steps)
    assert [step.predicted.start for step in found.steps] == [0.0, 0.0, 3600.0, 3600.0, 7200.0]
    assert found.steps[-1].predicted.end == pytest.approx(found.bound)


def test_what_others_moved_in_the_last_hour_counts() -> None:
    moves = world("a9:u 1,v 1,w 1; b9", "u>b v>b w>b", settings=FOUR)
    moves = replace(moves, per_hour=2, moved_lately=(3000.0, 600.0))
    found = make_schedule(moves)
    assert [step.predicted.start for step in found.steps] == [600.0, 3000.0, 4200.0]
    assert found.steps[-1].predicted.end == pytest.approx(found.bound)


def test_who_must_start_together_waits_for_an_hour_that_has_room_for_all() -> None:
    moves = world("a9:u 1,v 1,w 1; b9; c9", "u>b v>b w>c", settings=FOUR)
    order = Order(name="p", first=frozenset({2}), then=frozenset({0, 1}))
    group = StepGroup(name="t", domains=frozenset({0, 1}))
    found = make_schedule(replace(moves, per_hour=2, rules=StepRules(precedence=(order,), sync=(group,))))
    assert [step.predicted.start for step in found.steps] == [0.0, 3600.0, 3600.0]


def test_what_does_not_fill_a_link_goes_side_by_side() -> None:
    half = MigrationSettings(per_host=4, bandwidth=BytesPerSecond(48 * 2**20))
    moves = world(
        "a9:u 1,v 1; b9", "u>b v>b", links=NARROW["links"], caps={"a-nic": BytesPerSecond(115e6)}, settings=half
    )
    assert {step.predicted.start for step in make_schedule(moves).steps} == {0.0}


def test_each_direction_of_a_link_has_its_own_cap() -> None:
    caps = {DirectedLink("a-nic", "a"): BytesPerSecond(105e6), DirectedLink("a-nic", "switch"): BytesPerSecond(420e6)}
    moves = world("a9:u 1; b9:v 1", "u>b v>a", links=NARROW["links"], caps=caps, settings=FOUR)
    steps = {step.domain: step for step in make_schedule(moves).steps}
    assert steps["u"].predicted.start == steps["v"].predicted.start == 0.0
    assert (steps["v"].bandwidth or 0.0) > 3 * (steps["u"].bandwidth or 0.0)


def test_of_parallel_links_the_least_loaded_is_taken() -> None:
    links = [nic("a", 1e9), nic("b", 1e9), replace(nic("a", 1e9), name="a-nic2")]
    caps = dict.fromkeys(["a-nic", "a-nic2"], BytesPerSecond(105e6))
    moves = world("a9:u 2,v 1,w 1; b9", "u>b v>b w>b", links=links, caps=caps, settings=FOUR)
    found = make_schedule(moves)
    verify(moves, found.steps)
    ways = {step.domain: step.links[0] for step in found.steps}
    assert ways["v"] == ways["w"] != ways["u"]
    assert found.steps[-1].predicted.end == pytest.approx(found.bound, rel=1e-3)


def test_no_more_cross_a_link_at_once_than_it_has_slots() -> None:
    links = [nic("a", 1e9), nic("b", 1e9), nic("c", 1e9)]
    some = MigrationSettings(per_host=4, bandwidth=BytesPerSecond(2**20 * 10))
    moves = world(
        "a9:u 1,v 1,w 1; b9; c9", "u>b v>c w>c", links=links, caps={"a-nic": BytesPerSecond(1e9)}, settings=some
    )
    free, limited = make_schedule(moves).steps, make_schedule(replace(moves, slots={"a-nic": 2})).steps
    assert [step.predicted.start for step in free] == [0.0, 0.0, 0.0]
    first = min(step.predicted.end for step in limited)
    assert [step.predicted.start for step in limited] == [0.0, 0.0, pytest.approx(first - 0.5 - SETUP_TIME)]


def test_no_swap_is_shorter_than_its_chain_of_legs() -> None:
    found = make_schedule(world("a8:v1 8; b8:v2 8; c8", "v1>b v2>a"))
    assert found.steps[-1].predicted.end == pytest.approx(found.bound)


jobs = st.lists(st.tuples(*(st.integers(0, 9).map(float),) * 3), min_size=1, max_size=5)


@given(jobs)
def test_no_order_on_one_machine_beats_jacksons_bound(found: list[tuple[float, float, float]]) -> None:
    def makespan(order: tuple[tuple[float, float, float], ...]) -> float:
        time, longest = 0.0, 0.0
        for head, work, tail in order:
            time = max(time, head) + work
            longest = max(longest, time + tail)
        return longest

    shortest = min(makespan(order) for order in itertools.permutations(found))
    assert jackson(found) <= shortest
    assert jackson(found) >= max(head + work + tail for head, work, tail in found)
