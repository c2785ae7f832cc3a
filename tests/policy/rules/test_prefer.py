from __future__ import annotations

from random import Random

import pytest
from pydantic import ValidationError

from rebalancer.policy import View
from rebalancer.policy.expressions import DomainSelector
from rebalancer.policy.rules.prefer import Prefer
from tests.policy.harness import Placed, compare, some_domains, some_hosts
from tests.policy.worlds import cluster, domain, host

ALL = DomainSelector("true")


def draw(random: Random, view: View) -> Prefer:
    weight = random.choice([1.0, 2.5])
    if random.random() < 0.5:
        return Prefer(select=some_domains(random), hosts=some_hosts(random, view), weight=weight)
    ranks = tuple(some_hosts(random, view) for _ in range(random.randint(1, 3)))
    return Prefer(select=some_domains(random), ranks=ranks, weight=weight)


def definition(rule: Prefer, placed: Placed) -> float:
    ranks = [rule.hosts] if rule.hosts is not None else rule.ranks or ()
    chosen = [placed.chosen_hosts(rank) for rank in ranks]
    missed = 0
    for item in placed.selected(rule.select):
        found = [index for index, hosts in enumerate(chosen) if placed.host(item) in hosts]
        missed += min(found, default=len(chosen))
    return missed


def test_it_costs_what_it_says() -> None:
    compare(draw, definition)


def test_it_is_never_a_must() -> None:
    view = View(cluster([host("h1"), host("h2")], [domain("a", "h1")]))
    (term,) = Prefer(select=ALL, hosts=("h2",)).terms(view)
    assert (term.hard, term.tier, term.weight) == (False, 1, 1.0)
    (term,) = Prefer(select=ALL, hosts=("h2",), weight=7.0).terms(view)
    assert term.weight == 7.0


def test_an_unknown_host_in_a_rank_is_found_where_it_stands() -> None:
    view = View(cluster([host("h1"), host("node2")], [domain("a", "h1")]))
    ((path, problem),) = Prefer(select=ALL, ranks=(("h1",), ("h1", "node3"))).check(view)
    assert (path, str(problem)) == (("ranks", 1, 1), "there is no host 'node3'; did you mean 'node2'?")


def test_it_has_to_say_where() -> None:
    with pytest.raises(ValidationError, match="says not where"):
        Prefer(select=ALL)
