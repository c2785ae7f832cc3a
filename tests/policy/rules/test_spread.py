from __future__ import annotations

import math
from random import Random

import pytest
from pydantic import ValidationError

from rebalancer.cluster import Domain, HostState
from rebalancer.placement.primitives import GroupLeast
from rebalancer.policy import Caution, View
from rebalancer.policy.expressions import DomainKey, DomainNumber
from rebalancer.policy.rules.spread import Spread
from tests.policy.harness import Placed, compare, some_domains, some_key, some_zones
from tests.policy.worlds import cluster, domain, host


def draw(random: Random, view: View) -> Spread:
    least: int | DomainNumber | None = random.choice(
        [None, 1, 2, 3, DomainNumber("int(labels.spread)"), DomainNumber("1.5")]
    )
    return Spread(
        group=some_key(random),
        select=some_domains(random),
        across=some_zones(random),
        least=least,
        skew=random.randint(0, 2) if least is None or random.random() < 0.5 else None,
    )


def definition(rule: Spread, placed: Placed) -> float:
    cost = 0
    for group in placed.groups(rule.group, rule.select).values():
        if rule.least is not None:
            found = {placed.zone(placed.host(item), rule.across, alone=True) for item in group}
            cost += max(min(_wanted(rule.least, group), len(group)) - len(found), 0)
        if rule.skew is not None:
            at = [placed.zone(placed.host(item), rule.across, alone=False) for item in group]
            open_hosts = [item for item in placed.hosts if item.state is HostState.UP]
            looked_at = {placed.zone(item, rule.across, alone=False) for item in open_hosts} - {None}
            numbers = [at.count(zone) for zone in looked_at] or [0]
            cost += max(max(numbers) - min(numbers) - rule.skew, 0)
    return cost


def _wanted(least: int | DomainNumber, group: list[Domain]) -> int:
    if isinstance(least, int):
        return least
    if least.source == "1.5":
        return 2
    return math.ceil(max(int(item.labels.get("spread", "0")) for item in group))


def test_it_costs_what_it_says() -> None:
    compare(draw, definition)


def test_how_far_a_group_is_spread_may_depend_on_the_group() -> None:
    hosts = [host("h1"), host("h2")]
    labels = [{"app": "a", "spread": "2"}, {"app": "a"}, {"app": "b"}, {"app": "c", "spread": "5"}]
    view = View(cluster(hosts, [domain(f"d{i}", "h1", labels=each) for i, each in enumerate(labels)]))
    (term,) = Spread(group=DomainKey("labels.app"), least=DomainNumber("int(labels.spread)")).terms(view)
    assert isinstance(term.primitive, GroupLeast)
    assert term.primitive.least.tolist() == [2, 0, 1]


def test_least_and_skew_have_names_of_their_own() -> None:
    view = View(cluster([host("h1")], [domain("a", "h1")]))
    assert [term.name for term in Spread(least=1, skew=1, across="host").terms(view)] == ["spread", "spread, skew"]
    assert [term.name for term in Spread(skew=1).terms(view)] == ["spread"]


def test_more_zones_than_there_are_is_a_warning() -> None:
    view = View(cluster([host("h1"), host("h2")], [domain(name, "h1") for name in "abc"]))
    ((path, problem),) = Spread(least=3).check(view)
    assert path == ("least",)
    assert isinstance(problem, Caution)
    assert str(problem) == "a group should stand in 3 zones, but across 'host' there are 2"


def test_it_has_to_say_something() -> None:
    with pytest.raises(ValidationError, match="neither least nor skew"):
        Spread()
