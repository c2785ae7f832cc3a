from __future__ import annotations

from random import Random

from rebalancer.policy import View
from rebalancer.policy.rules.count import Count
from rebalancer.policy.rules.licences import Licences
from tests.policy.harness import Placed, compare, some_domains, some_hosts, some_key, some_zones


def draw_count(random: Random, view: View) -> Count:
    return Count(select=some_domains(random), hosts=some_hosts(random, view), most=random.randint(0, 3))


def count(rule: Count, placed: Placed) -> float:
    selected = placed.selected(rule.select)
    numbers = [sum(item in selected for item in placed.on(host)) for host in placed.chosen_hosts(rule.hosts)]
    return sum(max(number - rule.most, 0) for number in numbers)


def test_count_costs_what_it_says() -> None:
    compare(draw_count, count)


def draw_licences(random: Random, view: View) -> Licences:
    return Licences(
        select=some_domains(random), group=some_key(random), most=random.randint(1, 3), across=some_zones(random)
    )


def licences(rule: Licences, placed: Placed) -> float:
    groups = placed.groups(rule.group, rule.select).values()
    needed = [len({placed.zone(placed.host(item), rule.across, alone=True) for item in group}) for group in groups]
    return sum(max(number - rule.most, 0) for number in needed)


def test_licences_cost_what_they_say() -> None:
    compare(draw_licences, licences)
