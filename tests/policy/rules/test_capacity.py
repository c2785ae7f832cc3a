from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.placement.problem import Problem
from rebalancer.placement.state import State
from rebalancer.policy import Caution, View
from rebalancer.policy.expressions import DomainSelector, HostSelector
from rebalancer.policy.rules.capacity import Capacity, Moving
from tests.policy.harness import Placed, compare, counts, some_domains, with_loads
from tests.policy.worlds import GIB, agrees, cluster, domain, host, views


@given(views(), st.sampled_from([0.0, 1.0]), st.sampled_from([1.0, 2.0]), st.sampled_from([0.5, 1.0]), st.booleans())
def test_the_uses_of_a_hosts_domains_stay_within_its_limit(
    view: View, reserve: float, overcommit: float, most: float, only_databases: bool
) -> None:
    select = "labels.app == 'db'" if only_databases else "true"
    rule = Capacity(resource="cpu", reserve=reserve, overcommit=overcommit, most=most, select=DomainSelector(select))
    limits = {
        item.name: max(item.capacity["cpu"] - reserve, 0) * overcommit * most
        for item in view.hosts
        if "cpu" in item.capacity
    }
    scale = np.mean([limit for limit in limits.values() if limit > 0] or [1.0])

    def excess(placement: dict[str, str]) -> float:
        loads = dict.fromkeys(limits, 0.0)
        for item in view.domains:
            counts = not only_databases or item.labels.get("app") == "db"
            if placement[item.uuid] in loads and counts:
                loads[placement[item.uuid]] += item.uses.get("cpu", 0.0)
        return float(sum(max(loads[name] - limit, 0) for name, limit in limits.items()) / scale)

    agrees(rule.terms(view), view, excess)


def draw(random: Random, view: View) -> Capacity:
    return Capacity(
        resource=random.choice(["cpu", "slots"]),
        reserve=random.choice([0.0, 1.0]),
        overcommit=random.choice([1.0, 2.0]),
        most=random.choice([0.5, 1.0]),
        select=some_domains(random),
        hosts=HostSelector(random.choice(["true", "labels.rack == 'r1'"])),
        moving=random.choice(list(Moving)),
        per=random.choice([None, 1.0, 4.0]),
        load=random.choice([None, "p95"]),
    )


def definition(rule: Capacity, placed: Placed) -> float:
    excess, limits = 0.0, []
    for item in placed.chosen_hosts(rule.hosts):
        if rule.resource not in item.capacity:
            continue
        limits.append(max(item.capacity[rule.resource] - rule.reserve, 0.0) * rule.overcommit * rule.most)
        load = sum(
            counts(guest, rule.resource, rule.load)
            for guest in placed.selected(rule.select)
            if placed.host(guest) is item or (rule.moving is Moving.BOTH and placed.home(guest) is item)
        )
        excess += max(load - limits[-1], 0.0)
    positive = [limit for limit in limits if limit > 0]
    return excess / (rule.per or (sum(positive) / len(positive) if positive else 1.0))


def test_it_costs_what_it_says() -> None:
    compare(draw, definition, clusters=with_loads)


def test_whole_numbers_cost_exactly_what_they_say() -> None:
    huge = 2.0**52
    domains = [domain("a", "h1", uses={"cpu": huge}), domain("b", "h1", uses={"cpu": 3.0})]
    view = View(cluster([host("h1", capacity={"cpu": huge}), host("h2", capacity={"cpu": huge})], domains))
    (term,) = Capacity(resource="cpu", per=1.0, soft=1.0).terms(view)
    problem = Problem(hosts=("h1", "h2"), domains=("a", "b"), start=view.start, terms=(term,))
    state = State(problem)
    assert state.costs().tolist() == [0.0, 0.0, 3.0]
    assert state.shifts(1)[2].tolist() == [0.0, -3.0]


def test_only_the_selected_hosts_are_limited() -> None:
    view = View(cluster([host("h1"), host("h2")], [domain("a", "h1")]))
    rule = Capacity(resource="memory", reserve=4 * GIB, hosts=HostSelector("name == 'h1'"))
    assert rule.limit(view).tolist() == [60 * GIB, np.inf]


def test_a_soft_rule_is_weighed_in_tier_one() -> None:
    (term,) = Capacity(resource="cpu", soft=7.0).terms(View(cluster([host("h1")])))
    assert (term.name, term.tier, term.weight) == ("capacity: cpu", 1, 7.0)


def test_a_misspelt_resource_is_an_error_and_an_unknown_one_a_warning() -> None:
    view = View(cluster([host("h1")]))
    ((path, problem),) = Capacity(resource="memroy").check(view)
    assert (path, str(problem)) == (
        ("resource",),
        "no host reports a capacity of 'memroy'; did you mean 'memory'?",
    )
    ((_, problem),) = Capacity(resource="gpu").check(view)
    assert isinstance(problem, Caution)


def test_hosts_that_do_not_report_the_resource_are_named() -> None:
    view = View(cluster([host("h1"), host("h2", capacity={"memory": 1.0})]))
    ((_, problem),) = Capacity(resource="cpu").check(view)
    assert isinstance(problem, Caution)
    assert str(problem) == "no capacity of 'cpu' is known of h2: not limited there"


def test_a_reserve_that_leaves_nothing_is_an_error() -> None:
    ((path, problem),) = Capacity(resource="memory", reserve=64 * GIB).check(View(cluster([host("h1")])))
    assert path == ("reserve",)
    assert not isinstance(problem, Caution)
