from __future__ import annotations

from random import Random

import pytest
from pydantic import ValidationError

from rebalancer.placement.primitives import AllowedHosts
from rebalancer.policy import Caution, View
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.rules.isolate import Isolate
from rebalancer.policy.rules.split import Split
from tests.policy.harness import Placed, compare, some_domains, some_hosts, some_key, some_zones
from tests.policy.worlds import cluster, domain, host

DB = DomainSelector("labels.app == 'db'")


def draw_isolate(random: Random, view: View) -> Isolate:
    select, group = some_domains(random), some_key(random)
    if group is None and select.source == "true":
        select = DomainSelector("labels.app == 'a'")
    if random.random() < 0.3 and select.source != "true":
        return Isolate(select=select, hosts=some_hosts(random, view))
    return Isolate(group=group, select=select, across=some_zones(random))


def isolate(rule: Isolate, placed: Placed) -> float:
    if rule.hosts is not None:
        own = placed.chosen_hosts(rule.hosts)
        return sum((item in placed.selected(rule.select)) != (placed.host(item) in own) for item in placed.domains)
    kind = {item.uuid: "of no group" for item in placed.domains}
    for key, group in placed.groups(rule.group, rule.select).items():
        kind |= {item.uuid: f"group {key}" for item in group}
    kinds: dict[object, set[str]] = {}
    for item in placed.domains:
        kinds.setdefault(placed.zone(placed.host(item), rule.across, alone=True), set()).add(kind[item.uuid])
    return sum(len(found) - 1 for found in kinds.values())


def test_isolate_costs_what_it_says() -> None:
    compare(draw_isolate, isolate)


def draw_split(random: Random, view: View) -> Split:
    group = some_key(random)
    if group is not None:
        return Split(group=group, select=some_domains(random), across=some_zones(random), most=random.choice([1, 1, 2]))
    groups = tuple(some_domains(random) for _ in range(random.randint(2, 3)))
    return Split(groups=groups, select=some_domains(random), across=some_zones(random))


def split(rule: Split, placed: Placed) -> float:
    meeting: dict[object, set[object]] = {}
    for item in placed.domains:
        if rule.group is not None:
            kind: object = rule.group.key(item)
        else:
            kind = next((index for index, each in enumerate(rule.groups or ()) if each.matches(item)), None)
        if kind is not None and rule.select.matches(item):
            meeting.setdefault(placed.zone(placed.host(item), rule.across, alone=True), set()).add(kind)
    return sum(max(len(kinds) - rule.most, 0) for kinds in meeting.values())


def test_split_costs_what_it_says() -> None:
    compare(draw_split, split)


def test_a_host_that_is_kept_for_others_says_for_whom() -> None:
    domains = [domain("a", "h1", labels={"app": "db"}), domain("b", "h2")]
    view = View(cluster([host("h1"), host("h2")], domains))
    (term,) = Isolate(select=DB, hosts=("h1",)).terms(view)
    assert isinstance(term.primitive, AllowedHosts)
    assert dict(term.primitive.reasons) == {
        (0, 1): "h2 is none of its own hosts",
        (1, 0): "h1 is kept for labels.app == 'db'",
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "from no others"),
        ({"hosts": ("h1",), "select": "labels.app == 'db'", "across": "rack"}, "hosts belong to"),
        ({"hosts": ("h1",), "group": "labels.app"}, "hosts belong to"),
    ],
)
def test_isolation_has_to_say_of_whom(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Isolate.model_validate(given)


def test_groups_are_either_listed_or_by_key() -> None:
    with pytest.raises(ValidationError, match="which groups"):
        Split()
    with pytest.raises(ValidationError, match="which groups"):
        Split(group=DomainKey("labels.app"), groups=(DB, DB))


def test_a_domain_of_two_groups_is_a_warning() -> None:
    view = View(cluster([host("h1")], [domain("a", "h1", labels={"app": "db"})]))
    ((path, problem),) = Split(groups=(DB, DomainSelector("name == 'a'"))).check(view)
    assert path == ("groups",)
    assert isinstance(problem, Caution)
    assert str(problem) == "'a' is selected by 'labels.app == 'db'' and 'name == 'a''; it is in the first"


def test_a_group_that_selects_nothing_is_found_where_it_stands() -> None:
    view = View(cluster([host("h1")], [domain("a", "h1", labels={"app": "db"})]))
    ((path, _),) = Split(groups=(DB, DomainSelector("labels.app == 'web'"))).check(view)
    assert path == ("groups", 1)
