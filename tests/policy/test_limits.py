"""What one plan may move, against counting it; what depends on history; what a plan must gain."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random

import numpy as np
import pytest

from rebalancer.cluster import Cluster, HostState, MigrationTraits
from rebalancer.cluster.units import Bytes, Seconds
from rebalancer.placement import State, search
from rebalancer.plan.make import make_plan
from rebalancer.policy import History, Policy, compile_problem
from tests.policy.test_compile import policy
from tests.policy.worlds import GIB, cluster, domain, host

EVEN = "goals: [{balance: {resource: memory}}]\n"


def random_cluster(random: Random) -> Cluster:
    names = [f"h{n}" for n in range(random.randint(2, 3))]
    domains = [
        domain(
            f"d{n}",
            random.choice(names),
            uses={"memory": (size := random.randint(1, 4)) * GIB},
            migration=MigrationTraits(memory=Bytes(round(size * GIB))),
            labels=random.choice([{}, {"app": "web"}, {"app": "db"}]),
        )
        for n in range(random.randint(1, 5))
    ]
    return cluster([host(name, capacity={"memory": 16 * GIB}) for name in names], domains)


def random_limits(random: Random) -> dict[str, object]:
    chosen: dict[str, object] = {
        "max_moves": random.randint(0, 4),
        "max_bytes": f"{random.randint(0, 8)} GiB",
        "per_host": random.randint(0, 3),
        "arrivals_per_host": random.randint(0, 2),
        "per_group": f"{{group: labels.app, most: {random.randint(0, 2)}}}",
    }
    return {key: value for key, value in chosen.items() if random.random() < 0.6}


def surplus(found: Cluster, limits: dict[str, object], where: dict[str, str]) -> float:
    """How far the limits are exceeded, counted domain by domain."""
    moved = [item for item in found.domains if where[item.name] != item.host]
    total = 0.0
    if "max_moves" in limits:
        total += max(len(moved) - int(str(limits["max_moves"])), 0)
    if "max_bytes" in limits:
        gib = sum(item.uses["memory"] for item in moved) / GIB
        total += 1024 * max(gib - int(str(limits["max_bytes"]).split()[0]), 0)
    if "per_host" in limits:
        for each in found.hosts:
            through = sum(each.name in (item.host, where[item.name]) for item in moved)
            total += max(through - int(str(limits["per_host"])), 0)
    if "arrivals_per_host" in limits:
        for each in found.hosts:
            arrived = sum(each.name == where[item.name] for item in moved)
            total += max(arrived - int(str(limits["arrivals_per_host"])), 0)
    if "per_group" in limits:
        most = int(str(limits["per_group"]).split("most: ")[1].rstrip("}"))
        for app in ("web", "db"):
            total += max(sum(item.labels.get("app") == app for item in moved) - most, 0)
    return total


@pytest.mark.parametrize("seed", range(60))
def test_what_a_plan_may_move_agrees_with_counting_it_and_the_search_finds_the_best_of_that(seed: int) -> None:
    random = Random(seed)
    found, limits = random_cluster(random), random_limits(random)
    text = "limits: {" + ", ".join(f"{key}: {value}" for key, value in limits.items()) + "}\n"
    compiled = compile_problem(policy(EVEN + text), found)
    problem, state = compiled.problem, State(compiled.problem)
    names = [item.name for item in found.hosts]
    allowed: list[tuple[float, ...]] = []
    for choice in product(range(len(names)), repeat=len(found.domains)):
        state.restore(np.array(choice))
        where = {item.name: names[h] for item, h in zip(compiled.view.domains, choice, strict=True)}
        assert state.costs()[0] == pytest.approx(surplus(found, limits, where))
        d = random.randrange(len(choice))
        for h, change in enumerate(state.shifts(d)[0]):
            other = where | {compiled.view.domains[d].name: names[h]}
            assert change == pytest.approx(surplus(found, limits, other) - surplus(found, limits, where))
        if surplus(found, limits, where) == 0:
            allowed.append(tuple(np.round(state.costs(), 6)))
    state.restore(search(problem, effort=2).host)
    assert tuple(np.round(state.costs(), 6)) == min(allowed)


CROWDED = cluster([host(f"h{n}") for n in range(3)], [domain(f"d{n}", "h0") for n in range(6)])
UUIDS = [item.uuid for item in CROWDED.domains]


def moves(found: Policy, history: History | None = None, on: Cluster = CROWDED) -> dict[str, str]:
    return dict(make_plan(on, found, history=history, effort=1).placement)


def notes(found: Policy, history: History | None = None) -> str:
    return " ".join(make_plan(CROWDED, found, history=history, effort=1).notes)


def test_without_limits_it_moves() -> None:
    assert len(moves(policy(EVEN))) == 4


@pytest.mark.parametrize(
    ("limits", "number"),
    [
        ("max_moves: 1", 1),
        ("max_bytes: 16 GiB", 2),
        ("per_host: 3", 3),
        ("per_host: 1", 1),
        ("per_group: {group: \"'all'\", most: 2}", 2),
        ("only_repairs: true", 0),
        ("payback: 1 h", 4),
        ("payback: 1 s", 0),
    ],
)
def test_a_plan_keeps_within_its_limits(limits: str, number: int) -> None:
    assert len(moves(policy(EVEN + f"limits: {{{limits}}}"))) == number


def test_a_payback_is_explained() -> None:
    assert "(payback) is worth" in notes(policy(EVEN + "limits: {payback: 1 s}"))


def test_only_repairs_moves_what_a_rule_asks_for_and_lets_goals_choose() -> None:
    found = policy(EVEN + "rules: [{ban: {select: \"name == 'd0'\", hosts: [h0]}}]\nlimits: {only_repairs: true}")
    fuller = replace(CROWDED, domains=(*CROWDED.domains, domain("e", "h1")))
    assert moves(found, on=fuller) == {"uuid-d0": "h2"}


def test_what_moved_lately_stays_but_for_repairs() -> None:
    lately = History(now=Seconds(1000.0), moves=dict.fromkeys(UUIDS[:5], (Seconds(900.0),)))
    found = policy(EVEN + "limits: {cooldown: 2 min}")
    assert set(moves(found, lately)) == {"uuid-d5"}
    assert len(moves(found, replace(lately, now=Seconds(1020.0)))) == 4
    assert len(moves(found)) == 4
    emptied = CROWDED.with_maintenance(frozenset({"h0"}))
    assert emptied.hosts[0].state is HostState.MAINTENANCE
    assert set(moves(found, lately, on=emptied)) == set(UUIDS)


def test_a_domain_moves_only_so_often() -> None:
    found = policy(EVEN + "limits: {per_domain: {most: 2, within: 1 h}}")
    often = {uuid: (Seconds(10.0), Seconds(20.0)) for uuid in UUIDS[:5]}
    assert set(moves(found, History(now=Seconds(30.0), moves=often))) == {"uuid-d5"}
    assert len(moves(found, History(now=Seconds(3615.0), moves=often))) == 4


def test_advice_is_followed_when_it_was_given_often_enough() -> None:
    found = policy(EVEN + "limits: {confirmations: 3}")
    same = moves(found)
    assert len(same) == 4
    never = History(now=Seconds(0.0), advice=())
    assert moves(found, never) == {}
    assert "4 moves are advised for the 1. time of 3 in a row" in notes(found, never)
    assert moves(found, replace(never, advice=(same,))) == {}
    assert moves(found, replace(never, advice=(same, same))) == same
    assert moves(found, replace(never, advice=(same, {}, same))) == {}
    assert moves(found, replace(never, advice=None)) == same


def test_repairs_need_no_confirmation_and_no_payback() -> None:
    found = policy(EVEN + "rules: [{count: {most: 5}}]\nlimits: {confirmations: 3, payback: 1 s}")
    assert moves(found, History(now=Seconds(0.0), advice=()))


def test_an_aggressiveness_stands_for_limits_that_later_keys_change() -> None:
    assert policy("limits: {aggressiveness: 1}").limits.only_repairs
    two = policy("limits: {aggressiveness: 2, min_gain: 7%}").limits
    assert (two.min_gain, two.payback, two.cooldown, two.only_repairs) == (0.07, 3600.0, 86400.0, False)
    five = policy("extends: [balance]\nlimits: {aggressiveness: 5}").limits
    assert (five.min_gain, five.payback) == (0.0, None)


@pytest.mark.parametrize("level", range(1, 5))
def test_a_higher_aggressiveness_moves_what_a_lower_one_does(level: int) -> None:
    lower, higher = (moves(policy(EVEN + f"limits: {{aggressiveness: {n}}}")) for n in (level, level + 1))
    assert len(lower) <= len(higher)
