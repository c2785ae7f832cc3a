"""What a policy's ``limits:`` leave for those that step aside: a plan moves no more than they say, detours included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rebalancer.cluster.units import Seconds
from rebalancer.placement.limits import Budget, MoveLimits
from rebalancer.plan.make import make_plan
from rebalancer.plan.moves import Moves
from rebalancer.plan.schedule import StuckMovesError, schedule
from rebalancer.policy.history import History
from tests.plan.test_make import cluster, policy
from tests.plan.worlds import GIB, verify, world

BYSTANDER = ("a6:v 6; b11:w 5,t 3; c3", "v>b w>a")
"""``t`` has to go to c and come back: three domains move."""


def limited(max_moves: int | None = None, limits: MoveLimits | None = None, hosts: str = "", goals: str = "") -> Moves:
    moves = world(hosts or BYSTANDER[0], goals or BYSTANDER[1])
    return replace(moves, problem=replace(moves.problem, max_moves=max_moves, limits=limits))


def bytes_of(moves: Moves, most: float) -> MoveLimits:
    amount = np.array([domain.uses["memory"] for domain in moves.domains])
    return MoveLimits(budgets=(Budget(name="max_bytes", amount=amount, bucket=np.zeros(3, dtype=np.int64), most=most),))


def limited_by_each(more: int) -> dict[str, Moves]:
    """By one limit each: as much as the moves to their goals take, and ``more``."""
    size = bytes_of(world(*BYSTANDER), (13 + more) * GIB)
    return {
        "max_moves": limited(2 + more),
        "max_bytes": limited(limits=size),
        "per_host": limited(limits=MoveLimits(per_host=2 + more)),
        "arrivals_per_host": limited(limits=MoveLimits(arrivals_per_host=1 + more)),
    }


@pytest.mark.parametrize("moves", limited_by_each(0).values(), ids=limited_by_each(0))
def test_nobody_steps_aside_beyond_a_limit(moves: Moves) -> None:
    with pytest.raises(StuckMovesError, match="'limits:' let no more domains make room"):
        schedule(moves)


@pytest.mark.parametrize("moves", limited_by_each(1).values(), ids=limited_by_each(1))
def test_within_a_limit_somebody_does(moves: Moves) -> None:
    steps = schedule(moves)
    verify(moves, steps)
    assert len(steps) == 4


def test_who_moves_anyway_counts_once_however_many_hosts_it_goes_over() -> None:
    moves = limited(2, hosts="a8:v 8; b8:w 8; c8", goals="v>b w>a")
    assert len(schedule(moves)) == 3


def test_a_detour_counts_at_the_host_that_it_leads_over() -> None:
    moves = limited(limits=MoveLimits(arrivals_per_host=1), hosts="a8:v 8; b8:w 8; c12:x 1; d1", goals="v>b w>a")
    assert len(schedule(moves)) == 3
    crowded = limited(limits=MoveLimits(per_host=2), hosts="a8:v 8; b8:w 8; c12:x 1,y 1; d2", goals="v>b w>a x>d y>d")
    with pytest.raises(StuckMovesError):
        schedule(crowded)


def test_who_moved_lately_steps_aside_for_repairs_only() -> None:
    # v and w change places, for which t has to make room.
    hosts = cluster("a", "b", "c", memory=11, v=("a", 6), w=("b", 5), t=("b", 3))
    sizes = {"a": 6.0, "b": 11.0, "c": 3.0}
    hosts = replace(
        hosts,
        hosts=tuple(replace(h, capacity={"memory": sizes[h.name] * GIB, "cpu": 8.0}) for h in hosts.hosts),
    )
    lately = History(now=Seconds(60.0), moves={hosts.domains[2].uuid: (Seconds(0.0),)})
    rules = "rules: [{capacity: {resource: memory}}]\n"
    pins = "{pin: {select: \"name == 'v'\", hosts: [b]}}, {pin: {select: \"name == 'w'\", hosts: [a]}}"
    repair = f"rules: [{{capacity: {{resource: memory}}}}, {pins}]\n"
    goals = (
        "goals: [{custom: {cost: \"domain.name == 'v' && host.name == 'b' || domain.name == 'w' && host.name == 'a'"
        ' ? 0.0 : 1.0"}}]\n'
    )
    assert len(make_plan(hosts, policy(repair + "limits: {cooldown: 1 h}"), history=lately).steps) == 4
    assert len(make_plan(hosts, policy(rules + goals), history=lately).steps) == 4
    plan = make_plan(hosts, policy(rules + goals + "limits: {cooldown: 1 h}"), history=lately)
    assert hosts.domains[2].uuid not in {step.uuid for step in plan.steps}
