from __future__ import annotations

from dataclasses import replace

import pytest

from rebalancer.checker import check_plan
from rebalancer.cluster import Cluster
from rebalancer.plan.rolling import after, homes_of, least_first, next_round, roll, way_home
from rebalancer.policy.load import load_policies
from rebalancer.policy.model import Policy
from tests.plan.test_make import cluster, policy

EVACUATE: Policy = load_policies(["evacuate"], read=lambda path: path)
FOUR = cluster("h1", "h2", "h3", "h4", memory=10, **{f"d{i}": (f"h{1 + i % 4}", 2.0) for i in range(8)})
"""Four hosts of 10 GiB with 4 GiB used on each."""
ALL = ["h1", "h2", "h3", "h4"]


def places(world: Cluster) -> dict[str, str]:
    return {domain.name: domain.host for domain in world.active_domains}


def test_as_many_hosts_at_once_as_the_others_have_room_for() -> None:
    found = roll(FOUR, EVACUATE, ALL)
    assert [len(each.hosts) for each in found.rounds] == [2, 2]
    assert {host for each in found.rounds for host in each.hosts} == set(ALL)
    assert not found.stuck
    assert found.home is None


def test_each_round_empties_its_hosts_by_a_sound_plan() -> None:
    world = FOUR
    for each in roll(FOUR, EVACUATE, ALL).rounds:
        assert check_plan(each.plan, EVACUATE) == ()
        world = after(world, each.plan)
        assert not [domain for domain in world.active_domains if domain.host in each.hosts]


def test_no_more_at_once_than_asked_for() -> None:
    assert [len(each.hosts) for each in roll(FOUR, EVACUATE, ALL, most=1).rounds] == [1, 1, 1, 1]


def test_a_spare_host_saves_second_moves() -> None:
    """Three hosts to be emptied one at a time and a fourth that need not be: nobody moves twice."""
    spare = cluster("h1", "h2", "h3", "h4", memory=16, a=("h1", 4), b=("h2", 4), c=("h3", 4))
    found = roll(spare, EVACUATE, ["h1", "h2", "h3"], most=1)
    assert found.twice == ()
    assert sum(len(each.plan.steps) for each in found.rounds) == 3


def test_hosts_emptied_before_take_what_leaves_later() -> None:
    """Without a spare host the first round has to use one that is emptied later; after that nobody needs to."""
    three = cluster("h1", "h2", "h3", memory=9, a=("h1", 4), b=("h2", 4), c=("h3", 4))
    found = roll(three, EVACUATE, ["h1", "h2", "h3"])
    assert len(found.rounds) == 3
    assert len(found.twice) == 1


def test_hosts_with_least_to_send_are_emptied_first_where_the_order_is_free() -> None:
    """Whoever leaves in the first round leaves again, as there is no spare host."""
    three = cluster("h1", "h2", "h3", memory=9, a=("h1", 4), b=("h2", 2), c=("h2", 1), d=("h3", 1))
    assert least_first(three, ["h1", "h2", "h3"]) == ["h3", "h2", "h1"]
    assert least_first(three, ["h2"]) == ["h2"]
    assert len(roll(three, EVACUATE, least_first(three, ["h1", "h2", "h3"]), most=1).twice) == 1


def test_who_comes_home_says_so_in_words() -> None:
    world = after(FOUR, roll(FOUR, EVACUATE, ["h1"]).rounds[0].plan)
    plan = way_home(world, EVACUATE, homes_of(FOUR, ["h1"]))
    assert plan.steps
    assert all(step.why[0].text == "comes home" for step in plan.steps)


def test_back_home_at_the_end_under_the_old_names_where_that_takes_a_move() -> None:
    twins = cluster("h1", "h2", memory=8, web=("h1", 2), other=("h2", 2))
    twins = replace(twins, domains=(twins.domains[0], replace(twins.domains[1], name="web")))
    found = roll(twins, EVACUATE, ["h1", "h2"], home=True)
    assert len(found.rounds) == 2
    world = twins
    for each in found.rounds:
        world = after(world, each.plan)
        assert len({(domain.host, domain.name) for domain in world.active_domains}) == 2
    assert found.home is not None
    at_home = after(world, found.home)
    assert {d.uuid: d.host for d in at_home.domains} == {d.uuid: d.host for d in twins.domains}
    came = {step.uuid for step in found.home.steps}
    assert came
    assert {d.name for d in at_home.domains if d.uuid in came} == {"web"}


def test_limits_of_the_policy_do_not_keep_domains_from_home() -> None:
    strict = policy("limits: {max_moves: 1, min_gain: 90%}\n", base="evacuate")
    moved = replace(FOUR, domains=tuple(replace(d, host="h4" if d.host == "h1" else d.host) for d in FOUR.domains))
    plan = way_home(moved, strict, homes_of(FOUR, ["h1"]))
    assert places(after(moved, plan)) == places(FOUR)


def test_a_host_that_cannot_be_emptied_is_told_with_the_reason_and_the_others_go_on() -> None:
    world = cluster("h1", "h2", "h3", memory=8, big=("h1", 7.9), b=("h2", 2), c=("h3", 2))
    found = roll(world, EVACUATE, ["h1", "h2", "h3"])
    assert list(found.stuck) == ["h1"]
    assert found.stuck["h1"].unplaced[0].domain == "big"
    assert {host for each in found.rounds for host in each.hosts} == {"h2", "h3"}


def test_rules_hold_in_every_round() -> None:
    apart = policy("rules:\n  - anti_affinity: {select: \"name in ['d0', 'd1', 'd2']\"}\n", base="evacuate")
    world = FOUR
    for each in roll(FOUR, apart, ALL).rounds:
        world = after(world, each.plan)
        at = places(world)
        assert len({at["d0"], at["d1"], at["d2"]}) == 3


@pytest.mark.parametrize("left", [["h1"], ["h4", "h2"]])
def test_the_next_round_is_planned_from_what_is_there(left: list[str]) -> None:
    found = next_round(FOUR, EVACUATE, left)
    assert set(found.hosts) == set(left)
