"""Every invariant: a plan that breaks it is found out, and the same plan without the flaw is not."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

import rebalancer.checker
from rebalancer.checker import Situation, Violation, check_plan, check_steps
from rebalancer.cluster import DomainState
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.placement.limits import Budget, MoveLimits
from rebalancer.placement.primitives import (
    AllowedHosts,
    GroupLeast,
    GroupMost,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    Near,
    Primitive,
)
from rebalancer.placement.problem import Term
from rebalancer.plan.make import make_plan
from rebalancer.plan.model import Prediction, Step
from rebalancer.plan.schedule import Moves, schedule
from rebalancer.policy.load import load_policies
from rebalancer.policy.model import MigrationSettings, Names, OnClash
from tests.checker.worlds import situation_of
from tests.plan.test_make import CROWDED
from tests.plan.worlds import nic, world

ROOM = "a9:v1 2,w 2; b9:u 2; c9"


def step(number: int, moves: Moves, key: str, destination: str, *after: str, at: float = 0.0, source: str = "") -> Step:
    """One migration of 10 s."""
    domain = next(domain for domain in moves.domains if domain.name == key)
    return Step(
        id=f"s{number}",
        domain=domain.name,
        uuid=domain.uuid,
        source=source or domain.host,
        destination=destination,
        after=after,
        predicted=Prediction(
            start=Seconds(at), duration=Seconds(10.0), downtime=Seconds(0.1), bytes=Bytes(domain.migration.memory)
        ),
    )


def found(moves: Moves, steps: Sequence[Step], **changes: object) -> set[str]:
    situation = replace(situation_of(moves), **changes)  # type: ignore[arg-type]
    return {violation.invariant for violation in check_steps(steps, situation)}


def with_rule(moves: Moves, rule: Primitive, *, continuous: bool = True, physical: bool = False) -> Moves:
    terms = (*moves.problem.terms, Term(name="rule", primitive=rule, continuous=continuous, physical=physical))
    return replace(moves, problem=replace(moves.problem, terms=terms))


def test_a_sound_plan_has_no_violations() -> None:
    moves = world(ROOM, "v1>b u>c")
    assert check_steps(schedule(moves), situation_of(moves)) == ()


def test_room_that_is_not_there_yet() -> None:
    moves = world("a8:v1 8; b8:v2 8; c8", "v1>b v2>c")
    first = step(1, moves, "v2", "c")
    assert not found(moves, [first, step(2, moves, "v1", "b", "s1", at=10)])
    assert found(moves, [first, step(2, moves, "v1", "b", at=5)]) == {"capacity"}


def test_an_edge_that_the_times_hide_is_missed_when_migrations_take_longer() -> None:
    moves = world("a8:v1 8; b8:v2 8; c8", "v1>b v2>c")
    assert found(moves, [step(1, moves, "v2", "c"), step(2, moves, "v1", "b", at=10)]) == {"capacity"}


def test_a_name_twice_on_a_host() -> None:
    moves = world("a9:v1=web 2; b9:v2=web 2", "v1>b")
    leg = step(1, moves, "web", "b")
    assert found(moves, [leg]) == {"name"}
    assert not found(moves, [replace(leg, new_name="web-a")])
    assert found(moves, [replace(leg, new_name="web-a")], names=Names(on_clash=OnClash.ORDER)) == {"name"}


def test_a_definition_that_was_left_is_taken_up_under_its_name_only() -> None:
    moves = world(ROOM, "v1>b")
    left = replace(moves.domains[0], host="b", state=DomainState.SHUT_OFF)
    moves = replace(moves, cluster=replace(moves.cluster, domains=(*moves.cluster.domains, left)))
    sound = step(1, moves, "v1", "b")
    assert found(moves, [sound]) == set()
    assert found(moves, [replace(sound, new_name="v2")]) == {"place"}


def test_the_name_of_a_definition_that_was_left_is_taken_for_all_others() -> None:
    moves = world("a9:v=db 2; b9; c9:w=db 2", "w>b")
    left = replace(moves.domains[0], host="b", state=DomainState.SHUT_OFF)
    moves = replace(moves, cluster=replace(moves.cluster, domains=(*moves.cluster.domains, left)))
    to_b = replace(step(1, moves, "db", "b"), uuid=moves.domains[1].uuid, source="c")
    assert found(moves, [to_b]) == {"name"}
    assert found(moves, [replace(to_b, new_name="db-c")]) == set()


def test_a_domain_that_is_elsewhere_or_under_way() -> None:
    moves = world(ROOM, "v1>c")
    assert found(moves, [step(1, moves, "v1", "c", source="b")]) == {"place"}
    both = [step(1, moves, "v1", "b"), step(2, moves, "v1", "c", at=5, source="b")]
    assert "place" in found(moves, both)
    assert not found(
        moves, [both[0], replace(both[1], after=("s1",), predicted=replace(both[1].predicted, start=10.0))]
    )


def test_a_domain_that_does_not_arrive() -> None:
    assert found(world(ROOM, "v1>c"), []) == {"place"}


def test_steps_that_wait_for_each_other_or_for_none_there_is() -> None:
    moves = world(ROOM, "v1>b u>c")
    assert found(moves, [step(1, moves, "v1", "b", "s2"), step(2, moves, "u", "c", "s1")]) == {"order"}
    assert found(moves, [step(1, moves, "v1", "b", "s9"), step(2, moves, "u", "c")]) == {"order"}
    assert found(moves, [step(1, moves, "v1", "b"), step(2, moves, "u", "c", "s1", at=5)]) == {"order"}


def test_more_at_once_than_the_settings_allow() -> None:
    moves = world(ROOM, "v1>b w>c")
    steps = [step(1, moves, "v1", "b"), step(2, moves, "w", "c", at=5)]
    assert not found(moves, steps)
    assert found(moves, [replace(s, settings=MigrationSettings(per_host=1)) for s in steps]) == {"concurrency"}
    assert found(moves, [replace(s, settings=MigrationSettings(total=1)) for s in steps]) == {"concurrency"}


@pytest.mark.parametrize(
    ("max_moves", "limits"),
    [
        pytest.param(1, None, id="max_moves"),
        pytest.param(None, MoveLimits(per_host=1), id="per_host"),
        pytest.param(None, MoveLimits(arrivals_per_host=1), id="arrivals_per_host"),
        pytest.param(
            None,
            MoveLimits(budgets=(Budget(name="max_bytes", amount=np.ones(3), bucket=np.zeros(3, dtype=int), most=1.0),)),
            id="max_bytes",
        ),
    ],
)
def test_more_that_is_moved_than_the_limits_allow(max_moves: int | None, limits: MoveLimits | None) -> None:
    moves = world(ROOM, "v1>c u>c")
    legs = [step(1, moves, "v1", "c"), step(2, moves, "u", "c", at=10)]
    assert found(moves, legs, max_moves=max_moves, limits=limits) == {"limit"}
    moves = world(ROOM, "v1>c")
    assert found(moves, legs[:1], max_moves=max_moves, limits=limits) == set()


def test_a_link_that_carries_more_than_its_cap() -> None:
    cap = BytesPerSecond(2 * 2**30 / 8)
    moves = world(ROOM, "v1>c w>c", links=[nic(host, 2**40) for host in "abc"], caps={"c-nic": cap})
    routed = [
        replace(step(number, moves, key, "c", at=at), links=("a-nic", "c-nic"))
        for number, key, at in ((1, "v1", 0.0), (2, "w", 10.0))
    ]
    assert not found(moves, routed)
    together = [routed[0], replace(routed[1], predicted=replace(routed[1].predicted, start=Seconds(3.0)))]
    assert found(moves, together) == {"link"}
    assert found(moves, [replace(routed[0], bandwidth=BytesPerSecond(cap * 1.1)), routed[1]]) == {"link"}
    assert found(moves, [replace(routed[0], links=("c-nic",)), routed[1]]) == {"link"}


GROUP = np.array([0, 0, -1])
"""v1 and w, on a both; u, on b, is in no group."""

RULES: list[tuple[Primitive, str, str]] = [
    (
        GroupMost(group=np.array([0, -1, 0]), zone=np.arange(3), most=1, fixed=np.zeros((1, 3), dtype=np.int64)),
        "u",
        "v1",
    ),
    (GroupLeast(group=np.array([0, -1, 0]), zone=np.arange(3), least=np.array([2])), "u", "v1"),
    (GroupSkew(group=np.array([0, -1, 0]), zone=np.array([0, 1, 0]), most=0), "u", "v1"),
    (GroupsApart(group=np.array([0, -1, 1]), zone=np.arange(3)), "u", "v1"),
]


@pytest.mark.parametrize(("rule", "first", "second"), RULES, ids=lambda value: type(value).__name__)
def test_a_rule_on_groups_holds_on_the_way(rule: Primitive, first: str, second: str) -> None:
    """u leaves b for c, then v1 takes its place on b: the other way round, or at once, they may meet."""
    moves = with_rule(world(ROOM, "v1>b u>c"), rule)
    one, two = step(1, moves, first, "c"), step(2, moves, second, "b", "s1", at=10)
    if isinstance(rule, GroupSkew):
        assert "rule" in found(moves, [one, two])
        return
    assert not found(moves, [one, two])
    assert found(
        moves,
        [replace(one, after=("s2",), predicted=replace(one.predicted, start=Seconds(20.0))), replace(two, after=())],
    ) == {"rule"}
    assert found(moves, [one, replace(two, after=())]) == {"rule"}


@pytest.mark.parametrize(
    "rule",
    [
        GroupSpan(group=GROUP, zone=np.arange(3), most=1),
        Near(group=np.array([0, 1, -1]), zone=np.arange(3), pairs=np.array([[0, 1]])),
    ],
    ids=["span", "near"],
)
def test_who_is_kept_together_is_apart_as_little_as_moving_needs(rule: Primitive) -> None:
    moves = with_rule(world(ROOM, "v1>b w>b"), rule)
    one, two = step(1, moves, "v1", "b"), step(2, moves, "w", "b", "s1", at=10)
    assert not found(moves, [one, two])
    assert found(moves, [one], target={moves.domains[0].uuid: "b"}) == {"rule"}


def test_a_detour_is_no_excuse_to_scatter_a_group() -> None:
    rule = GroupSpan(group=np.array([0, 0, 0]), zone=np.arange(3), most=2)
    moves = with_rule(world(ROOM, "v1>b w>b"), rule)
    first, detour = step(1, moves, "v1", "b"), step(2, moves, "w", "c", "s1", at=10)
    back = step(3, moves, "w", "b", "s2", at=20, source="c")
    assert found(
        moves, [replace(detour, id="s1", after=()), replace(back, after=("s1",)), replace(first, id="s4")]
    ) == {"rule"}
    assert not found(moves, [first, detour, back])


def test_a_rule_that_need_hold_at_the_end_only() -> None:
    rule = GroupMost(group=np.array([0, -1, 0]), zone=np.arange(3), most=1, fixed=np.zeros((1, 3), dtype=np.int64))
    plain = world(ROOM, "v1>b u>c")
    steps = [step(1, plain, "v1", "b"), step(2, plain, "u", "c", "s1", at=10)]
    assert found(with_rule(plain, rule), steps) == {"rule"}
    assert not found(with_rule(plain, rule, continuous=False), steps)
    assert found(with_rule(world(ROOM, "v1>b"), rule, continuous=False), steps[:1]) == {"rule"}


def test_where_a_domain_may_not_be() -> None:
    keep = AllowedHosts(masks=np.array([[True, True, False]]), mask=np.array([0, -1, -1]))
    moves = world(ROOM, "v1>b")
    detour = [step(1, moves, "v1", "c"), step(2, moves, "v1", "b", "s1", at=10, source="c")]
    assert found(with_rule(moves, keep), detour) == {"rule"}
    lost = AllowedHosts(masks=np.array([[False, True, False]]), mask=np.array([0, -1, -1]))
    assert not found(with_rule(moves, lost), detour)
    assert found(with_rule(moves, lost, physical=True), detour) == {"rule"}


def test_a_host_that_holds_too_much_already_may_not_get_worse() -> None:
    moves = world("a2:v1 2,w 2; b1:u 2; c9", "v1>c u>c")
    assert not found(moves, [step(1, moves, "v1", "c"), step(2, moves, "u", "c")])
    moves = world("a2:v1 2,w 2; b1:u 2; c9", "v1>b u>c")
    assert not found(moves, [step(1, moves, "u", "c"), step(2, moves, "v1", "b", "s1", at=10)])
    assert found(moves, [step(1, moves, "u", "c"), step(2, moves, "v1", "b")]) == {"capacity"}


def test_a_plan_is_checked_under_its_policy() -> None:
    policy = load_policies(["balance"], read=lambda path: path)
    plan = make_plan(CROWDED, policy)
    assert plan.steps
    assert check_plan(plan, policy) == ()
    home = replace(plan, placement={**plan.placement, plan.steps[0].uuid: plan.steps[0].source})
    assert {violation.invariant for violation in check_plan(home, policy)} == {"place"}


def test_a_violation_says_what_when_and_where() -> None:
    moves = world("a8:v1 8; b8:v2 8", "v1>b")
    (violation,) = set(check_steps([step(1, moves, "v1", "b")], situation_of(moves), runs=0))
    assert isinstance(violation, Violation)
    assert str(violation) == "capacity at 0.0 s: s1: capacity: memory: 8589934592 too much on b"


Flaw = Callable[[Random, list[Step]], list[Step]]


def _without_edges(random: Random, steps: list[Step]) -> list[Step]:
    return [replace(each, after=()) for each in steps]


def _backwards(random: Random, steps: list[Step]) -> list[Step]:
    end = max(each.predicted.end for each in steps)
    return [replace(s, predicted=replace(s.predicted, start=Seconds(end - s.predicted.end))) for s in steps]


@pytest.mark.parametrize("flaw", [_without_edges, _backwards])
def test_plans_that_need_their_order_are_found_out_without_it(flaw: Flaw) -> None:
    moves = world("a8:v1 8; b8:v2 8; c8:v3 8; d8", "v1>b v2>c v3>d")
    assert "capacity" in found(moves, flaw(Random(0), list(schedule(moves))))


def test_it_shares_nothing_with_the_planner_but_the_model() -> None:
    imported: set[str] = set()
    for file in Path(rebalancer.checker.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module)
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
    assert {name for name in imported if name.startswith("rebalancer.plan")} == {"rebalancer.plan.model"}
    assert not {
        name for name in imported if name.startswith(("rebalancer.placement.evaluators", "rebalancer.execution"))
    }


def test_situations_are_taken_from_plan_and_policy() -> None:
    policy = load_policies(["balance"], read=lambda path: path)
    plan = make_plan(CROWDED, policy)
    situation = Situation.of(plan, policy)
    assert situation.target == plan.placement
    assert all(term.hard for term in situation.terms)
