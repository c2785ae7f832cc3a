"""Every goal against its definition by the shared harness, on clusters with loads, distances and other capacities."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from statistics import fmean

import pytest

from rebalancer.cluster import Cluster, Domain, Host, HostState
from rebalancer.policy import View
from rebalancer.policy.amounts import Target
from rebalancer.policy.expressions import DomainKey, DomainNumber, HostSelector, PairCondition, PairNumber
from rebalancer.policy.goals.balance import Balance, Form
from rebalancer.policy.goals.custom import Custom
from rebalancer.policy.goals.headroom import Headroom
from rebalancer.policy.goals.move_cost import MoveCost, PerDistance, PerGroup
from rebalancer.policy.goals.pack import Pack
from rebalancer.policy.goals.ratio import Ratio
from rebalancer.policy.goals.traffic import Traffic
from rebalancer.policy.rules.custom import CustomRule
from tests.policy.harness import Placed, compare, random_cluster, some_domains, some_zones
from tests.policy.worlds import GIB

RESOURCES = ("cpu", "memory", "slots")
UNIT = {"cpu": 1.0, "memory": float(GIB), "slots": 1.0}


def clusters(random: Random) -> Cluster:
    found = random_cluster(random)
    names = [item.name for item in found.hosts]
    hosts = [
        replace(
            item,
            capacity={**item.capacity, **({"safe": float(random.randint(0, 9))} if random.random() < 0.9 else {})},
            distance={name: float(random.randint(0, 5)) for name in names if random.random() < 0.8},
        )
        for item in found.hosts
    ]
    domains = [
        replace(
            item,
            loads={
                statistic: {r: random.randint(0, 5) * UNIT[r] for r in RESOURCES if random.random() < 0.8}
                for statistic in ("p95@1h", "p95@7d", "requested", "max")
                if random.random() < 0.6
            },
        )
        for item in found.domains
    ]
    return replace(found, hosts=tuple(hosts), domains=tuple(domains))


def some_load(random: Random) -> str | None:
    return random.choice([None, None, "p95@1h", "p95", "requested", "last"])


def some_host_selector(random: Random) -> HostSelector:
    return HostSelector(random.choice(["true", "true", "true", "labels.rack == 'r1'", "capacity.cpu > 3.0"]))


def counts(item: Domain, resource: str, load: str | None) -> float:
    """What a domain counts by a statistic, as documented: over the longest window where none is given; else its use."""
    names = {"p95": ["p95@7d", "p95@1h"]}.get(load or "", [load])
    for name in names:
        if name in item.loads and resource in item.loads[name]:
            return item.loads[name][resource]
    return item.uses.get(resource, 0.0)


def load_of(placed: Placed, item: Host, resource: str, load: str | None) -> float:
    return sum(counts(domain, resource, load) for domain in placed.on(item))


def draw_balance(random: Random, view: View) -> Balance:
    form = random.choice(list(Form))
    several = random.random() < 0.3
    excess = form is Form.EXCESS
    return Balance(
        resource=None if several else random.choice(RESOURCES),
        resources={"cpu": 2.0, "memory": 0.5, "gpu": 1.0} if several else None,
        load=some_load(random),
        form=form,
        threshold=random.choice([0.0, 0.5, 0.8, 1.5]) if excess else None,
        weight=random.choice([0.5, 10.0]),
        tolerance=0.0 if excess else random.choice([0.0, 0.0, 0.1]),
        hosts=some_host_selector(random),
        tier=random.choice([1, 3]),
    )


def balance(goal: Balance, placed: Placed) -> float:
    shares = {goal.resource: 1.0} if goal.resource else goal.resources or {}
    return sum(goal.weight * share * unevenness(goal, placed, resource) for resource, share in shares.items())


def unevenness(goal: Balance, placed: Placed, resource: str) -> float:
    chosen = [item for item in placed.hosts if goal.hosts.matches(item)]
    hosts = [item for item in chosen if item.state is HostState.UP and item.capacity.get(resource, 0) > 0]
    if not hosts:
        return 0.0
    # The mean is of what is to be shared: the load of these hosts and of those that have to be emptied, as they stand.
    giving = [*hosts, *(item for item in chosen if item.state is not HostState.UP)]
    total = sum(counts(item, resource, goal.load) for item in placed.domains if placed.home(item) in giving)
    mean = 100 * total / sum(item.capacity[resource] for item in hosts)
    used = [100 * load_of(placed, item, resource, goal.load) / item.capacity[resource] for item in hosts]
    tolerance = 100 * goal.tolerance
    variance = fmean(max(abs(u - mean) - tolerance, 0) ** 2 for u in used)
    match goal.form:
        case Form.DEVIATION:
            return variance**0.5
        case Form.VARIANCE:
            return variance
        case Form.PEAK:
            return max(max(used) - mean - tolerance, 0)
        case Form.RANGE:
            return max(max(used) - min(used) - tolerance, 0)
        case Form.EXCESS:
            return sum(max(u - 100 * (goal.threshold or 0.0), 0) for u in used)


def test_balance_costs_what_it_says() -> None:
    compare(draw_balance, balance, clusters=clusters)


def draw_headroom(random: Random, view: View) -> Headroom:
    resource = random.choice(RESOURCES)
    amount = random.random() < 0.3
    target = Target(amount=random.randint(0, 6) * UNIT[resource]) if amount else Target(share=random.choice([0.5, 1.0]))
    return Headroom(
        resource=resource,
        target=target,
        capacity=None if amount or resource == "memory" else random.choice([None, "safe"]),
        per=random.choice([1.0, 0.5, 4.0]) * UNIT[resource],
        load=some_load(random),
        weight=random.choice([1.0, 7.0]),
        hosts=some_host_selector(random),
    )


def headroom(goal: Headroom, placed: Placed) -> float:
    total = 0.0
    for item in placed.hosts:
        has = item.capacity.get(goal.capacity or goal.resource)
        target = goal.target.amount
        if target is None and has is not None:
            target = has * (goal.target.share or 0.0)
        if goal.hosts.matches(item) and target is not None:
            total += max(load_of(placed, item, goal.resource, goal.load) - target, 0.0)
    return goal.weight * total / goal.per


def test_headroom_costs_what_it_says() -> None:
    compare(draw_headroom, headroom, clusters=clusters)


def draw_ratio(random: Random, view: View) -> Ratio:
    of, to = random.sample(RESOURCES, 2)
    return Ratio(
        of=of,
        to=to,
        target=random.choice([0.5, 1.0, 3.0]) * UNIT[to] / UNIT[of],
        per=UNIT[to],
        load=some_load(random),
        weight=random.choice([1.0, 7.0]),
        hosts=some_host_selector(random),
    )


def ratio(goal: Ratio, placed: Placed) -> float:
    total = 0.0
    for item in placed.hosts:
        if goal.hosts.matches(item) and {goal.of, goal.to} <= item.capacity.keys():
            first, second = (item.capacity[r] - load_of(placed, item, r, goal.load) for r in (goal.of, goal.to))
            total += max(goal.target * first - second, 0.0)
    return goal.weight * total / goal.per


def test_ratio_costs_what_it_says() -> None:
    compare(draw_ratio, ratio, clusters=clusters)


def draw_traffic(random: Random, view: View) -> Traffic:
    return Traffic(
        select=some_domains(random),
        to=some_domains(random),
        group=random.choice([None, DomainKey("labels.app")]),
        rate=random.choice([1.0, 2.5, DomainNumber("double(labels.spread) * 2.0")]),
        across=some_zones(random),
        by_distance=random.random() < 0.4,
        weight=random.choice([1.0, 7.0]),
    )


def traffic(goal: Traffic, placed: Placed) -> float:
    total = 0.0
    for a in placed.selected(goal.select):
        for b in placed.selected(goal.to):
            keys = ["" if goal.group is None else goal.group.key(item) for item in (a, b)]
            if a is b or keys[0] is None or keys[0] != keys[1]:
                continue
            rate = goal.rate if isinstance(goal.rate, float) else 2.0 * float(a.labels.get("spread", "0"))
            here, there = placed.host(a), placed.host(b)
            if goal.by_distance:
                total += rate * (0.0 if here is there else here.distance.get(there.name, 0.0))
            else:
                total += rate * (
                    placed.zone(here, goal.across, alone=True) != placed.zone(there, goal.across, alone=True)
                )
    return goal.weight * total


def test_traffic_costs_what_it_says() -> None:
    compare(draw_traffic, traffic, clusters=clusters)


def draw_pack(random: Random, view: View) -> Pack:
    return Pack(resource=random.choice(RESOURCES), load=some_load(random), weight=random.choice([1.0, 100.0]))


def pack(goal: Pack, placed: Placed) -> float:
    total = 0.0
    for item in placed.hosts:
        has = item.capacity.get(goal.resource, 0.0)
        used = min(load_of(placed, item, goal.resource, goal.load) / has, 1.0) if has > 0 else 0.0
        total += (1 + 2 * used - used**2) / 2 if placed.on(item) else 0.0
    return goal.weight * total


def test_pack_costs_what_it_says() -> None:
    compare(draw_pack, pack, clusters=clusters)


def draw_move_cost(random: Random, view: View) -> MoveCost:
    expressions = [DomainNumber("double(labels.spread) * 2.0"), DomainNumber("int(labels.spread)"), 3.0, 0.0]
    per_group = PerGroup(group=DomainKey("labels.app"), select=some_domains(random), weight=random.choice([1.0, 5.0]))
    return MoveCost(
        per_move=random.choice(expressions),
        per_gib=random.choice([0.0, 0.25]),
        per_second=random.choice([0.0, 2.0]),
        per_group=random.choice([None, per_group]),
        per_distance=random.choice([None, PerDistance(weight=3.0)]),
    )


def move_cost(goal: MoveCost, placed: Placed) -> float:
    total = 0.0
    for item in filter(placed.moved, placed.domains):
        memory = item.migration.memory or item.uses.get("memory", 0.0)
        rate = 100 * 2**20
        seconds = memory / max(rate - (item.migration.dirty_rate or 0.0), rate / 10)
        total += goal.per_gib * memory / GIB + goal.per_second * seconds
        if isinstance(goal.per_move, DomainNumber):
            factor = 2.0 if "*" in goal.per_move.source else 1.0
            total += factor * float(item.labels.get("spread", "0"))
        else:
            total += goal.per_move
        if goal.per_distance is not None:
            total += goal.per_distance.weight * placed.home(item).distance.get(placed.host(item).name, 0.0)
    if goal.per_group is not None:
        groups = placed.groups(goal.per_group.group, goal.per_group.select).values()
        total += goal.per_group.weight * max((sum(map(placed.moved, group)) for group in groups), default=0)
    return total


def test_move_cost_costs_what_it_says() -> None:
    compare(draw_move_cost, move_cost, clusters=clusters)


COSTS = {
    "domain.uses.cpu * double(domain.labels.spread)": lambda d, h: d.uses["cpu"] * float(d.labels["spread"]),
    "host.labels.disk == 'ssd' ? 0 : 3": lambda d, h: 0 if h.labels["disk"] == "ssd" else 3,
    "domain.loads.requested.cpu * host.capacity.cpu": lambda d, h: d.loads["requested"]["cpu"] * h.capacity["cpu"],
    "domain.host == host.name ? 0.0 : 1.5": lambda d, h: 0.0 if d.host == h.name else 1.5,
    "domain.labels.size() * host.labels.size()": lambda d, h: len(d.labels) * len(h.labels),
}
CONDITIONS = {
    "domain.labels.app == 'a' || host.labels.rack == 'r1'": lambda d, h: (
        d.labels.get("app") == "a" or h.labels.get("rack") == "r1"
    ),
    "domain.uses.cpu <= host.capacity.cpu": lambda d, h: d.uses["cpu"] <= h.capacity["cpu"],
    "host.labels.disk == 'ssd' || domain.host == host.name": lambda d, h: (
        h.labels.get("disk") == "ssd" or d.host == h.name
    ),
    "domain.labels.all(key, key in host.labels)": lambda d, h: d.labels.keys() <= h.labels.keys(),
}


def draw_custom(random: Random, view: View) -> Custom:
    cost = random.random() < 0.6
    return Custom(
        cost=PairNumber(random.choice(list(COSTS))) if cost else None,
        condition=None if cost else PairCondition(random.choice(list(CONDITIONS))),
        select=some_domains(random),
        weight=random.choice([1.0, 4.0]),
    )


def custom(goal: Custom, placed: Placed) -> float:
    if goal.condition is not None:
        return goal.weight * broken(goal.condition, placed, goal)
    total = 0.0
    for item in filter(goal.select.matches, placed.domains):
        try:
            total += COSTS[str(goal.cost)](item, placed.host(item))
        except KeyError:
            continue
    return goal.weight * total


def broken(condition: PairCondition, placed: Placed, clause: Custom | CustomRule) -> int:
    def holds(item: Domain) -> bool:
        try:
            return CONDITIONS[str(condition)](item, placed.host(item))
        except KeyError:
            return False

    return sum(not holds(item) for item in placed.domains if clause.select.matches(item))


def test_custom_costs_what_it_says() -> None:
    compare(draw_custom, custom, clusters=clusters)


def draw_custom_rule(random: Random, view: View) -> CustomRule:
    return CustomRule(condition=PairCondition(random.choice(list(CONDITIONS))), select=some_domains(random))


def custom_rule(rule: CustomRule, placed: Placed) -> float:
    return broken(rule.condition, placed, rule)


def test_custom_as_a_rule_costs_what_it_says() -> None:
    compare(draw_custom_rule, custom_rule, clusters=clusters)


@pytest.mark.parametrize("resource", RESOURCES)
def test_the_clusters_say_something(resource: str) -> None:
    found = [clusters(Random(seed)) for seed in range(50)]
    assert any(item.load(resource, "p95") is not None for each in found for item in each.domains)
    assert any(item.load(resource, "p95") is None for each in found for item in each.domains)
