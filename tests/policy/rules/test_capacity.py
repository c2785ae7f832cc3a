from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rebalancer.cluster import Domain, Host, HostState
from rebalancer.placement.problem import Problem
from rebalancer.placement.state import State
from rebalancer.policy import Caution, View
from rebalancer.policy.amounts import Target
from rebalancer.policy.expressions import DomainKey, DomainNumber, DomainSelector, HostSelector
from rebalancer.policy.rules.capacity import Capacity, Moving, Presence
from tests.policy.harness import Placed, compare, counts, some_domains, some_zones, with_loads
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


def draw_of_zones(random: Random, view: View) -> Capacity:
    limit = random.choice([None, None, Target(amount=3.0), Target(share=0.4)])
    return Capacity(
        resource=random.choice(["cpu", "slots"]),
        reserve=0.0 if limit else random.choice([0.0, 1.0]),
        most=1.0 if limit else random.choice([0.5, 1.0]),
        limit=limit,
        least=random.choice([None, Target(share=0.3), Target(amount=2.0)]),
        presence=random.choice([None, Presence(group=DomainKey("labels.app"), amount=random.choice(AMOUNTS))]),
        select=some_domains(random),
        hosts=HostSelector(random.choice(["true", "labels.rack == 'r1'"])),
        across=some_zones(random),
        per=random.choice([1.0, 4.0]),
        load=random.choice([None, "p95"]),
    )


AMOUNTS = [0.0, 2.0, DomainNumber("double(labels.spread) * 2.0")]


def of_zones(rule: Capacity, placed: Placed) -> float:
    zones: dict[object, list[Host]] = {}
    for item in placed.chosen_hosts(rule.hosts):
        zones.setdefault(placed.zone(item, rule.across, alone=False), []).append(item)
    zones.pop(None, None)
    wrong = 0.0
    for hosts in zones.values():
        guests = [item for item in placed.selected(rule.select) if placed.host(item) in hosts]
        load = weight_of(rule, guests, placed)
        known = [item.capacity.get(rule.resource) for item in hosts]
        if rule.limit is not None:
            everything = sum(counts(item, rule.resource, rule.load) for item in placed.selected(rule.select))
            limit = rule.limit.amount if rule.limit.share is None else rule.limit.share * everything
            wrong += max(load - (limit or 0.0), 0.0)
        elif None not in known:
            limit = sum(max((has or 0.0) - rule.reserve, 0.0) * rule.most for has in known)
            wrong += max(load - limit, 0.0)
        open_hosts = [item for item in hosts if item.state is HostState.UP]
        if rule.least is not None and open_hosts:
            capacity = sum(item.capacity.get(rule.resource, 0.0) for item in open_hosts)
            wanted = rule.least.amount if rule.least.share is None else rule.least.share * capacity
            wrong += max((wanted or 0.0) - load, 0.0)
    return wrong / (rule.per or 1.0)


def weight_of(rule: Capacity, guests: list[Domain], placed: Placed) -> float:
    if rule.presence is None:
        return sum(counts(item, rule.resource, rule.load) for item in guests)
    load = sum(counts(item, rule.resource, rule.load) for item in guests if rule.presence.group.key(item) is None)
    for group in placed.groups(rule.presence.group, rule.select).values():
        present = [item for item in group if item in guests]
        amounts = [
            rule.presence.amount if isinstance(rule.presence.amount, float) else 2.0 * int(item.labels.get("spread", 0))
            for item in group
        ]
        if present:
            load += max(sum(counts(item, rule.resource, rule.load) for item in present), *amounts)
    return load


def test_several_hosts_together_cost_what_it_says() -> None:
    compare(draw_of_zones, of_zones, clusters=with_loads)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"limit": 5, "most": "50%"}, "the limit is all that counts"),
        ({"across": "rack", "moving": Moving.BOTH}, "about single hosts"),
    ],
)
def test_what_does_not_fit_together_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Capacity.model_validate({"resource": "cpu", **given})


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
    assert rule.limits(view).tolist() == [60 * GIB, np.inf]


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
