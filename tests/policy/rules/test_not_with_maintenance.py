from __future__ import annotations

from random import Random

import pytest
from pydantic import ValidationError

from rebalancer.cluster import HostState
from rebalancer.placement.primitives import AllowedHosts
from rebalancer.policy import View
from rebalancer.policy.expressions import DomainSelector, HostSelector
from rebalancer.policy.rules.maintenance import Maintenance
from rebalancer.policy.rules.not_with import NotWith
from tests.policy.harness import Placed, compare, counts, some_domains, some_hosts, with_loads
from tests.policy.worlds import GIB, cluster, domain, host


def draw_not_with(random: Random, view: View) -> NotWith:
    hosts = some_hosts(random, view) if random.random() < 0.5 else None
    if hosts is not None and random.random() < 0.5:
        return NotWith(select=some_domains(random), hosts=hosts)
    over = random.choice([0.25, 0.5, 1.0])
    return NotWith(
        select=some_domains(random),
        resource=random.choice(["cpu", "memory"]),
        over=over,
        hosts=hosts,
        load=random.choice([None, "p95"]),
    )


def not_with(rule: NotWith, placed: Placed) -> float:
    closed = set() if rule.hosts is None else {item.name for item in placed.chosen_hosts(rule.hosts)}
    for item in placed.hosts:
        if rule.resource is not None and rule.over is not None and rule.resource in item.capacity:
            used = sum(counts(guest, rule.resource, rule.load) for guest in placed.domains if guest.host == item.name)
            if used > rule.over * item.capacity[rule.resource] * (1 + 1e-12):
                closed.add(item.name)
    return sum(placed.moved(item) and placed.host(item).name in closed for item in placed.selected(rule.select))


def test_not_with_costs_what_it_says() -> None:
    compare(draw_not_with, not_with, clusters=with_loads)


def draw_maintenance(random: Random, view: View) -> Maintenance:
    return Maintenance(hosts=some_hosts(random, view))


def maintenance(rule: Maintenance, placed: Placed) -> float:
    emptied = placed.chosen_hosts(rule.hosts)
    return sum(
        placed.host(item) in emptied
        and not (not placed.moved(item) and placed.home(item).state is HostState.UNREACHABLE)
        for item in placed.domains
    )


def test_maintenance_costs_what_it_says() -> None:
    compare(draw_maintenance, maintenance)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (NotWith(resource="memory", over=0.85), "h1 uses 87.5% of its memory; over 85% it accepts nothing"),
        (NotWith(hosts=HostSelector("name == 'h1'")), "h1 accepts nothing: name == 'h1'"),
        (NotWith(hosts=("h1",)), "h1 accepts nothing"),
        (Maintenance(hosts=("h1",)), "h1 is to be emptied"),
    ],
)
def test_a_refused_host_has_a_reason(rule: NotWith | Maintenance, reason: str) -> None:
    domains = [domain("a", "h1", uses={"memory": 56.0 * GIB}), domain("b", "h2")]
    view = View(cluster([host("h1"), host("h2")], domains))
    (term,) = rule.terms(view)
    assert isinstance(term.primitive, AllowedHosts)
    assert term.primitive.reasons[int(term.primitive.mask[1]), 0] == reason


def test_nothing_is_closed_where_no_host_is_over() -> None:
    view = View(cluster([host("h1")], [domain("a", "h1")]))
    assert tuple(NotWith(resource="memory", over=0.85).terms(view)) == ()
    assert tuple(NotWith(select=DomainSelector("true"), hosts=HostSelector("name == 'x'")).check(view)) == ()


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "no threshold"), ({"resource": "cpu"}, "together"), ({"load": "p95", "hosts": ("h1",)}, "of no resource")],
)
def test_a_threshold_has_two_parts(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NotWith.model_validate(given)
