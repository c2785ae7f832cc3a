from __future__ import annotations

from itertools import combinations
from random import Random

from rebalancer.cluster import Host, HostState
from rebalancer.policy import Caution, View
from rebalancer.policy.rules.failover import Failover
from tests.policy.harness import Placed, compare, some_zones
from tests.policy.worlds import GIB, cluster, domain, host


def draw(random: Random, view: View) -> Failover:
    resources = tuple(random.sample(["memory", "cpu", "slots"], random.randint(1, 2)))
    return Failover(
        tolerate=random.randint(1, 2),
        across=some_zones(random),
        resources=resources,
        reserve={"memory": 1.0 * GIB} if "memory" in resources and random.random() < 0.5 else {},
        overcommit={"cpu": 2.0} if "cpu" in resources and random.random() < 0.5 else {},
    )


def definition(rule: Failover, placed: Placed) -> float:
    """By trying every loss."""

    def limit(item: Host, resource: str) -> float:
        if item.state is not HostState.UP or resource not in item.capacity:
            return 0.0
        return max(item.capacity[resource] - rule.reserve.get(resource, 0.0), 0.0) * rule.overcommit.get(resource, 1.0)

    def free(item: Host, resource: str) -> float:
        return max(limit(item, resource) - placed.load(item, resource), 0.0)

    zone = {item.name: placed.zone(item, rule.across, alone=True) for item in placed.hosts}
    zones = sorted(set(zone.values()), key=str)
    short, homeless = dict.fromkeys(rule.resources, 0.0), set()
    for lost in combinations(zones, min(rule.tolerate, len(zones))):
        down = [item for item in placed.hosts if zone[item.name] in lost]
        rest = [item for item in placed.hosts if zone[item.name] not in lost]
        for resource in rule.resources:
            limits = [limit(item, resource) for item in placed.hosts if limit(item, resource) > 0]
            missing = sum(placed.load(item, resource) for item in down) - sum(free(item, resource) for item in rest)
            mean = sum(limits) / len(limits) if limits else 1.0
            short[resource] = max(short[resource], missing / mean)
        for guest in (guest for item in down for guest in placed.on(item)):
            if not any(
                all(guest.uses.get(resource, 0.0) <= free(item, resource) + 1e-12 for resource in rule.resources)
                for item in rest
            ):
                homeless.add(guest.uuid)
    return sum(short.values()) + len(homeless)


def test_it_costs_what_it_says() -> None:
    compare(draw, definition)


def test_what_cannot_be_survived_is_said() -> None:
    view = View(cluster([host("h1"), host("h2")], [domain("a", "h1")]))
    ((path, problem),) = Failover(tolerate=2).check(view)
    assert (path, str(problem)) == (("tolerate",), "across 'host' there are 2 zones; none would be left")


def test_resources_are_checked_one_by_one() -> None:
    view = View(cluster([host("h1"), host("h2"), host("h3", capacity={"memory": 1.0})]))
    found = [
        (path, isinstance(problem, Caution), str(problem))
        for path, problem in Failover(resources=("memory", "cpu"), overcommit={"cqu": 2.0}).check(view)
    ]
    assert found == [
        (("resources", 1), True, "no capacity of 'cpu' is known of h3: nothing can be restarted there"),
        (("overcommit", "cqu"), False, "'cqu' is none of the resources (memory, cpu)"),
    ]


def test_an_empty_cluster_has_nothing_to_lose() -> None:
    assert tuple(Failover().terms(View(cluster([])))) == ()
