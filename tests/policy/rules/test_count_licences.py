from __future__ import annotations

from random import Random

import pytest
from pydantic import ValidationError

from rebalancer.cluster import Host, HostState
from rebalancer.policy import View
from rebalancer.policy.rules.count import Count
from rebalancer.policy.rules.licences import Licences
from tests.policy.harness import Placed, compare, some_domains, some_hosts, some_key, some_zones


def draw_count(random: Random, view: View) -> Count:
    least, most = random.randint(1, 2), random.choice([None, random.randint(0, 3)])
    wants_least = most is None or (most >= least and random.random() < 0.5)
    return Count(
        select=some_domains(random),
        hosts=some_hosts(random, view),
        most=most,
        least=least if wants_least else None,
        across=some_zones(random),
        group=random.choice([None, some_key(random)]),
    )


def count(rule: Count, placed: Placed) -> float:
    chosen = placed.chosen_hosts(rule.hosts)
    zones: dict[object, list[Host]] = {}
    for item in chosen:
        zones.setdefault(placed.zone(item, rule.across, alone=False), []).append(item)
    zones.pop(None, None)
    wrong = 0
    for group in placed.groups(rule.group, rule.select).values() if rule.group else [placed.selected(rule.select)]:
        for hosts in zones.values():
            number = sum(placed.host(item) in hosts for item in group)
            wrong += max(number - rule.most, 0) if rule.most is not None else 0
            if rule.least is not None and any(item.state is HostState.UP for item in hosts):
                wrong += max(rule.least - number, 0)
    return wrong


def test_count_costs_what_it_says() -> None:
    compare(draw_count, count)


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "neither 'most' nor 'least'"), ({"least": 3, "most": 2}, "at least 3 and at most 2; no number is both")],
)
def test_count_has_to_say_a_number_that_there_is(given: dict[str, int], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Count.model_validate(given)


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
