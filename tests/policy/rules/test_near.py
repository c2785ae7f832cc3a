from __future__ import annotations

from random import Random

import pytest
from pydantic import ValidationError

from rebalancer.policy import Caution, View
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.rules.near import Near
from tests.policy.harness import Placed, compare, some_domains, some_key, some_zones
from tests.policy.worlds import cluster, domain, host

APP = DomainKey("labels.app")


def draw(random: Random, view: View) -> Near:
    select, within = some_domains(random), some_zones(random)
    if random.random() < 0.5:
        return Near(group=some_key(random), select=select, to=some_domains(random), within=within)
    pairs = tuple(tuple(random.choices("abcx", k=2)) for _ in range(random.randint(1, 5)))
    return Near(group=APP, select=select, pairs=pairs, within=within)


def definition(rule: Near, placed: Placed) -> float:
    zone = {item.uuid: placed.zone(placed.host(item), rule.within, alone=True) for item in placed.domains}
    lonely = 0
    if rule.to is not None:
        everyone = placed.groups(rule.group, DomainSelector("true"))
        for group in everyone.values():
            served = {zone[item.uuid] for item in group if item in placed.selected(rule.to)}
            needing = [item for item in group if item in placed.selected(rule.select)]
            lonely += sum(zone[item.uuid] not in served for item in needing)
        return lonely
    groups = placed.groups(rule.group, rule.select)
    for first, second in rule.pairs or ():
        served = {zone[item.uuid] for item in groups.get(second, [])}
        lonely += sum(zone[item.uuid] not in served for item in groups.get(first, []))
    return lonely


def test_it_costs_what_it_says() -> None:
    compare(draw, definition)


def test_its_name_says_who_is_near_to_whom() -> None:
    web, cache = DomainSelector("labels.tier == 'web'"), DomainSelector("labels.tier == 'cache'")
    assert Near(select=web, to=cache).title == "near: labels.tier == 'web' to labels.tier == 'cache'"
    assert Near(group=APP, pairs=(("a", "b"),), within="rack").title == "near: 1 pairs of labels.app within rack"


def test_a_group_that_nobody_is_in_is_a_warning() -> None:
    view = View(cluster([host("h1")], [domain("a", "h1", labels={"app": "web"})]))
    ((path, problem),) = Near(group=APP, pairs=(("web", "cache"),)).check(view)
    assert path == ("pairs", 0, 1)
    assert isinstance(problem, Caution)
    assert str(problem) == "no selected domain is in group 'cache'"


def test_a_label_that_no_host_has_is_reported_at_within() -> None:
    view = View(cluster([host("h1", labels={"rack": "r1"})], [domain("a", "h1")]))
    ((path, problem),) = Near(to=DomainSelector("true"), within="rakc").check(view)
    assert (path, str(problem)) == (("within",), "no host has the label 'rakc'; did you mean 'rack'?")


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "what to be near to"), ({"pairs": (("a", "b"),)}, "no 'group'"), ({"pairs": (), "to": "true"}, "either")],
)
def test_it_has_to_say_who_is_near_to_whom(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Near.model_validate(given)
