from __future__ import annotations

from random import Random

import pytest
from pydantic import ValidationError

from rebalancer.cluster import Host, HostState
from rebalancer.policy import View
from rebalancer.policy.expressions import DomainKey, HostSelector
from rebalancer.policy.rules.diversity import Diversity
from rebalancer.policy.rules.exclusive import Exclusive
from tests.policy.harness import Placed, compare, some_domains, some_hosts, some_key, some_zones
from tests.policy.worlds import cluster, host


def draw_diversity(random: Random, view: View) -> Diversity:
    return Diversity(
        group=DomainKey(random.choice(["labels.app", "labels.app + labels.tier"])),
        least=random.randint(1, 3),
        select=some_domains(random),
        across=some_zones(random),
        hosts=some_hosts(random, view),
    )


def diversity(rule: Diversity, placed: Placed) -> float:
    zones: dict[object, list[Host]] = {}
    for item in placed.chosen_hosts(rule.hosts):
        zones.setdefault(placed.zone(item, rule.across, alone=False), []).append(item)
    zones.pop(None, None)
    groups = placed.groups(rule.group, rule.select).values()
    lacking = 0
    for hosts in zones.values():
        if any(item.state is HostState.UP for item in hosts):
            lacking += max(rule.least - sum(any(placed.host(d) in hosts for d in group) for group in groups), 0)
    return lacking


def test_diversity_costs_what_it_says() -> None:
    compare(draw_diversity, diversity)


def draw_exclusive(random: Random, view: View) -> Exclusive:
    sets = None if random.random() < 0.5 else tuple(some_hosts(random, view) for _ in range(random.randint(1, 2)))
    return Exclusive(
        sets=sets,
        across=random.choice(["rack", "zone"]) if sets is None else None,
        most=random.choice([1, 1, 2]),
        select=some_domains(random),
        group=some_key(random),
    )


def exclusive(rule: Exclusive, placed: Placed) -> float:
    if rule.sets is not None:
        sets = [placed.chosen_hosts(hosts) for hosts in rule.sets]
    else:
        label = str(rule.across)
        values = {item.labels[label] for item in placed.hosts if label in item.labels}
        sets = [tuple(item for item in placed.hosts if item.labels.get(label) == value) for value in values]
    surplus = 0
    for group in placed.groups(rule.group, rule.select).values():
        for hosts in sets:
            surplus += max(len({item.name for d in group if (item := placed.host(d)) in hosts}) - rule.most, 0)
    return surplus


def test_exclusive_costs_what_it_says() -> None:
    compare(draw_exclusive, exclusive)


def test_each_set_has_a_name_of_its_own() -> None:
    view = View(cluster([host("h1", labels={"row": "a"}), host("h2", labels={"row": "b"}), host("h3")]))
    names = [term.name for term in Exclusive(sets=(("h1", "h2"), HostSelector("name == 'h3'"))).terms(view)]
    assert names == ["exclusive (h1, h2)", "exclusive (h3)"]
    assert [term.name for term in Exclusive(across="row").terms(view)] == [
        "exclusive: across row ('a')",
        "exclusive: across row ('b')",
    ]


def test_it_is_said_which_hosts_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="says not which hosts"):
        Exclusive()
    (finding,) = Exclusive(sets=(("h1", "h9"),)).check(View(cluster([host("h1")])))
    assert finding[0] == ("sets", 0, 1)
    assert "there is no host 'h9'" in str(finding[1])
