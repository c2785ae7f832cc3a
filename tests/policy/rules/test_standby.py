from __future__ import annotations

from dataclasses import replace
from random import Random

from rebalancer.cluster import Cluster, Domain, Host
from rebalancer.placement.primitives import AllowedHosts
from rebalancer.policy import Caution, View
from rebalancer.policy.expressions import DomainKey
from rebalancer.policy.rules.standby import Standby
from tests.policy.harness import Placed, compare, random_cluster, some_domains
from tests.policy.worlds import GIB, cluster, domain, host


def clusters(random: Random) -> Cluster:
    found = random_cluster(random)
    names = [item.name for item in found.hosts] + ["h9"]
    domains = [
        replace(item, labels={**item.labels, **({"secondary": random.choice(names)} if random.random() < 0.5 else {})})
        for item in found.domains
    ]
    return replace(found, domains=tuple(domains))


def draw(random: Random, view: View) -> Standby:
    return Standby(
        host=DomainKey("labels.secondary"),
        select=some_domains(random),
        resources=random.choice([("slots",), ("slots", "cpu")]),
        reserve=random.choice([{}, {"slots": 1.0}]),
        overcommit=random.choice([{}, {"slots": 2.0}]),
    )


def definition(rule: Standby, placed: Placed) -> float:
    ends = {item.uuid: found for item in placed.selected(rule.select) if (found := ends_of(item, placed))}
    if not ends:
        return 0.0
    cost = float(
        sum(placed.host(item).name not in ends.get(item.uuid, {placed.host(item).name}) for item in placed.domains)
    )
    for resource in rule.resources:
        limits: dict[str, float] = {}
        for item in placed.hosts:
            if resource in item.capacity:
                limit = max(item.capacity[resource] - rule.reserve.get(resource, 0.0), 0.0)
                kept = sum(d.uses.get(resource, 0.0) for d in placed.domains if item.name in ends.get(d.uuid, ()))
                limits[item.name] = max(limit * rule.overcommit.get(resource, 1.0) - kept, 0.0)
        positive = [limit for limit in limits.values() if limit > 0]
        scale = sum(positive) / len(positive) if positive else 1.0
        cost += (
            sum(
                max(other(item, resource, ends, placed) - limits[item.name], 0.0)
                for item in placed.hosts
                if item.name in limits
            )
            / scale
        )
    return cost


def other(item: Host, resource: str, ends: dict[str, set[str]], placed: Placed) -> float:
    """What domains without a standby use on a host."""
    return sum(d.uses.get(resource, 0.0) for d in placed.on(item) if d.uuid not in ends)


def ends_of(item: Domain, placed: Placed) -> set[str] | None:
    named = item.labels.get("secondary")
    return {item.host, named} if named in [each.name for each in placed.hosts] else None


def test_it_costs_what_it_says() -> None:
    compare(draw, definition, clusters=clusters)


def test_it_says_where_the_two_are() -> None:
    view = View(cluster([host("h1"), host("h2"), host("h3")], [domain("a", "h1", labels={"secondary": "h2"})]))
    mask, room = Standby(host=DomainKey("labels.secondary")).terms(view)
    assert isinstance(mask.primitive, AllowedHosts)
    assert mask.primitive.reasons[0, 2] == "runs on h1 or its standby h2"
    assert (mask.name, room.name) == ("standby", "standby, memory")
    assert room.primitive.limit.tolist() == [56 * GIB, 56 * GIB, 64 * GIB]  # type: ignore[union-attr]


def test_a_standby_that_does_not_exist_is_a_warning() -> None:
    view = View(cluster([host("h1")], [domain("a", "h1", labels={"secondary": "h7"})]))
    ((path, problem),) = Standby(host=DomainKey("labels.secondary")).check(view)
    assert path == ("host",)
    assert isinstance(problem, Caution)
    assert str(problem) == "the standby of 'a' is 'h7'; there is no such host"
