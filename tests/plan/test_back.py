"""The way back from a run, judged by the checker: old names, and none that somebody has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalancer.checker import check_plan
from rebalancer.cluster import Cluster, DirectedLink, cap_of
from rebalancer.plan.back import Home, plan_back
from rebalancer.plan.file import dump_plan, parse_plan
from rebalancer.plan.make import assess, make_plan
from rebalancer.plan.rolling import after, way_home
from tests.execution.worlds import EVERYTHING
from tests.plan.test_make import cluster, policy
from tests.plan.worlds import nic

FREE = policy("", base="evacuate")
"""The way back is a plan without rules but those of its own, and its names may be others."""


def named(names: Mapping[str, str], world: Cluster) -> Cluster:
    return replace(world, domains=tuple(replace(d, name=names.get(d.name, d.name)) for d in world.domains))


def homes(before: Cluster, now: Cluster) -> dict[str, Home]:
    at = {domain.uuid: domain.host for domain in now.domains}
    return {d.uuid: Home(host=d.host, name=d.name) for d in before.domains if at[d.uuid] != d.host}


def arrangement(places: list[tuple[str, str]]) -> Cluster:
    """Domains with their hosts and names, in order."""
    hosts = ("h1", "h2", "h3")
    world = cluster(*hosts, memory=64, **{f"d{i}": (host, 2.0) for i, (host, _) in enumerate(places)})
    return named({f"d{i}": name for i, (_, name) in enumerate(places)}, world)


PASSING = [
    pytest.param([("h1", "web"), ("h2", "web")], [("h2", "web-h1"), ("h1", "web")], id="one has a new name"),
    pytest.param([("h1", "web"), ("h2", "web")], [("h2", "web-h1"), ("h1", "web-h2")], id="both have"),
    pytest.param(
        [("h1", "web"), ("h2", "web"), ("h2", "web-h1")],
        [("h2", "web-h1"), ("h1", "web"), ("h3", "web-h1")],
        id="one has a name that another wants back",
    ),
]


@pytest.mark.parametrize(("before", "now"), PASSING)
@pytest.mark.parametrize("back", [plan_back, lambda world, wanted, _: way_home(world, FREE, wanted)])
def test_domains_of_one_name_that_pass_each_other_never_take_a_name_that_is_taken(before, now, back) -> None:
    first, world = arrangement(before), arrangement(now)
    plan = back(world, homes(first, world), assess(world, FREE))
    assert check_plan(plan, FREE) == ()
    assert {d.uuid: d.host for d in after(world, plan).domains} == {d.uuid: d.host for d in first.domains}


def test_a_name_that_is_free_again_is_given_back() -> None:
    first, world = arrangement([("h1", "web"), ("h2", "web")]), arrangement([("h3", "web-h1"), ("h2", "web")])
    plan = plan_back(world, homes(first, world), assess(world, FREE))
    assert [d.name for d in after(world, plan).domains] == ["web", "web"]


PLACES = st.tuples(st.sampled_from(["h1", "h2", "h3"]), st.sampled_from(["web", "db", "web-h1", "web-h2", "db-h3"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PLACES, PLACES), min_size=2, max_size=5))
def test_whatever_they_are_called_now(both: list[tuple[tuple[str, str], tuple[str, str]]]) -> None:
    before, now = ([pair[i] for pair in both] for i in (0, 1))
    if len(set(before)) < len(before) or len(set(now)) < len(now):
        return  # a name twice on a host
    first, world = arrangement(before), arrangement(now)
    plan = plan_back(world, homes(first, world), assess(world, FREE))
    assert check_plan(plan, FREE) == ()


def test_the_caps_of_the_run_hold_on_the_way_back_in_each_direction_and_in_the_plan_file() -> None:
    links = tuple(nic(host, 1e9) for host in ("h1", "h2"))
    before = cluster("h1", "h2", web=("h1", 2))
    before = replace(before, links=links, hosts=tuple(replace(host, migration=EVERYTHING) for host in before.hosts))
    asked = "links: [{most: 50%, inbound: 10%}, {select: \"name == 'h1-nic'\", concurrency: 2}]"
    rules = policy(asked, base="evacuate")
    run = make_plan(before.with_maintenance(frozenset({"h1"})), rules)
    assert parse_plan(dump_plan(run), "plan.json").guards == run.guards
    assert run.guards.slots == {"h1-nic": 2}
    now = replace(before, domains=tuple(replace(d, host="h2") for d in before.domains))
    back = plan_back(now, homes(before, now), run)
    assert back.steps
    for host in ("h1", "h2"):
        for start in (host, "switch"):
            directed = DirectedLink(f"{host}-nic", start)
            assert cap_of(back.guards.links, directed) == cap_of(run.guards.links, directed)


def test_the_way_back_says_so_and_not_that_rules_are_broken():
    first, world = arrangement([("h1", "web"), ("h2", "db")]), arrangement([("h2", "web"), ("h2", "db")])
    plan = plan_back(world, homes(first, world), assess(world, FREE))
    assert [[reason.text for reason in step.why] for step in plan.steps] == [["it was on h1 before"]]
    assert plan.violations_before == plan.violations_after == ()
