"""What a policy's ``steps:`` says is kept by times and by edges, or the move is not made."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from rebalancer.checker import check_steps
from rebalancer.cluster.units import Seconds
from rebalancer.plan.model import Step
from rebalancer.plan.moves import Moves
from rebalancer.plan.schedule import StuckMovesError, schedule
from rebalancer.policy.model import MigrationSettings
from rebalancer.policy.steps import Order, StepGroup, StepRules, TimeLimit
from tests.checker.worlds import situation_of
from tests.plan.worlds import nic, verify, world

HOSTS = "a9:u 1,v 1,w 1; b9; c9"
GOALS = "u>b v>b w>c"


def of(moves: Moves, *names: str) -> frozenset[int]:
    return frozenset(number for number, domain in enumerate(moves.domains) if domain.name in names)


def planned(moves: Moves, rules: StepRules) -> dict[str, Step]:
    moves = replace(moves, rules=rules)
    steps = schedule(moves)
    verify(moves, steps)
    return {step.domain: step for step in steps}


def spans(steps: Sequence[Step]) -> list[tuple[float, float]]:
    return sorted((step.predicted.start, step.predicted.end) for step in steps)


def test_who_has_to_wait_starts_after_the_others_have_ended() -> None:
    moves = world(HOSTS, GOALS)
    steps = planned(moves, StepRules(precedence=(Order(name="p", first=of(moves, "v", "w"), then=of(moves, "u")),)))
    assert steps["u"].predicted.start >= max(steps["v"].predicted.end, steps["w"].predicted.end) - 1e-6
    assert set(steps["u"].after) == {steps["v"].id, steps["w"].id}


def test_who_waits_for_one_that_waits_for_its_room_makes_a_detour_or_stays() -> None:
    moves = world("a8:u 8; b8:v 8; c8", "u>b v>c")
    with pytest.raises(StuckMovesError):
        planned(moves, StepRules(precedence=(Order(name="p", first=of(moves, "u"), then=of(moves, "v")),)))


def test_one_of_a_group_goes_at_a_time() -> None:
    moves = world(HOSTS, GOALS)
    steps = planned(moves, StepRules(serialize=(StepGroup(name="s", domains=of(moves, "u", "v", "w")),)))
    ordered = sorted(steps.values(), key=lambda step: step.predicted.start)
    for before, after in itertools.pairwise(ordered):
        assert after.predicted.start >= before.predicted.end - 1e-6
        assert before.id in after.after


def test_a_group_starts_together_once_the_last_of_it_can() -> None:
    moves = world("a9:u 1,v 8; b9; c8:x 8; d8", "u>b v>c x>d")
    steps = planned(moves, StepRules(sync=(StepGroup(name="t", domains=of(moves, "u", "v")),)))
    assert steps["u"].predicted.start == steps["v"].predicted.start >= steps["x"].predicted.end
    assert steps["u"].after == steps["v"].after == (steps["x"].id,)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(lambda group: StepRules(sync=(group,)), id="sync"),
        pytest.param(lambda group: StepRules(no_delay=(group,)), id="no_delay"),
    ],
)
def test_who_starts_together_shares_the_links(rules: Callable[[StepGroup], StepRules]) -> None:
    links = [nic(host, 1e9) for host in "abc"]
    moves = world(HOSTS, "u>b v>b w>b", links=links, caps={link.name: link.capacity for link in links}, dirty_rate=1e7)
    group = StepGroup(name="t", domains=of(moves, "u", "v"))
    steps = planned(moves, rules(group))
    assert steps["u"].predicted.start == steps["v"].predicted.start == 0
    assert steps["u"].bandwidth is not None
    assert steps["u"].bandwidth == steps["v"].bandwidth
    assert not check_steps(list(steps.values()), situation_of(moves))


def test_who_can_never_start_together_is_told_what_for() -> None:
    settings = MigrationSettings(per_host=1)
    moves = replace(world(HOSTS, GOALS, settings=settings), rules=StepRules())
    moves = replace(moves, rules=StepRules(sync=(StepGroup(name="t", domains=of(moves, "u", "v")),)))
    with pytest.raises(StuckMovesError) as stuck:
        schedule(moves)
    why = "no more than 1 at once are allowed on a (concurrency: per_host)"
    assert stuck.value.stuck == {
        0: f"has to start together with 'v' (steps: sync), but {why}",
        1: f"has to start together with 'u' (steps: sync), but {why}",
    }


def test_more_that_must_start_together_than_may_in_an_hour_are_not_moved() -> None:
    moves = world(HOSTS, GOALS)
    group = StepGroup(name="t", domains=of(moves, "u", "v"))
    with pytest.raises(StuckMovesError) as stuck:
        schedule(replace(moves, per_hour=1, rules=StepRules(sync=(group,))))
    assert "no more than 1 may start in an hour (limits: per_hour)" in stuck.value.stuck[0]


def test_who_waits_for_one_that_must_start_with_it_is_told_so() -> None:
    moves = world(HOSTS, GOALS)
    order = Order(name="p", first=of(moves, "v"), then=of(moves, "u"))
    group = StepGroup(name="t", domains=of(moves, "u", "v"))
    with pytest.raises(StuckMovesError) as stuck:
        schedule(replace(moves, rules=StepRules(precedence=(order,), sync=(group,))))
    assert stuck.value.stuck == {
        0: "has to wait for 'v' (steps: precedence)",
        1: "has to start together with 'u' (steps: sync), but a rule keeps them from that",
    }


def test_who_can_never_start_together_is_not_moved() -> None:
    moves = world("a8:u 8; b8:v 8; c8", "u>b v>c")
    with pytest.raises(StuckMovesError):
        planned(moves, StepRules(sync=(StepGroup(name="t", domains=of(moves, "u", "v")),)))


def test_what_is_due_goes_first() -> None:
    links = [nic(host, 1e9) for host in "abc"]
    caps = {link.name: link.capacity for link in links}
    moves = world(HOSTS, GOALS, links=links, caps=caps)
    free = schedule(moves)
    last = max(free, key=lambda step: step.predicted.end).domain
    due = Seconds(min(step.predicted.end for step in free) + 0.5)
    steps = planned(moves, StepRules(deadline=(TimeLimit(name="d", domains=of(moves, last), within=due),)))
    assert steps[last].predicted.end <= due


def test_what_cannot_be_in_time_is_said() -> None:
    moves = world(HOSTS, GOALS)
    limit = TimeLimit(name="d", domains=of(moves, "u"), within=Seconds(1.0))
    with pytest.raises(StuckMovesError, match=r"'u': it would be .* later than 'steps:' allows"):
        planned(moves, StepRules(deadline=(limit,)))


def test_who_is_late_because_of_one_that_can_never_be_in_time_is_not_refused() -> None:
    moves = world(HOSTS, GOALS, settings=MigrationSettings(per_host=1))
    limit = TimeLimit(name="d", domains=of(moves, "u"), within=Seconds(1.0))
    rules = StepRules(deadline=(limit,), no_delay=(StepGroup(name="n", domains=of(moves, "v")),))
    with pytest.raises(StuckMovesError) as refused:
        planned(moves, rules)
    assert refused.value.stuck.keys() == of(moves, "u")


def test_who_is_not_to_be_delayed_starts_at_once() -> None:
    moves = world(HOSTS, GOALS, settings=MigrationSettings(per_host=1))
    for name in "uvw":
        steps = planned(moves, StepRules(no_delay=(StepGroup(name="n", domains=of(moves, name)),)))
        assert steps[name].predicted.start == 0


def test_two_that_cannot_both_start_at_once_are_not_both_moved() -> None:
    moves = world(HOSTS, GOALS, settings=MigrationSettings(per_host=1))
    with pytest.raises(StuckMovesError):
        planned(moves, StepRules(no_delay=(StepGroup(name="n", domains=of(moves, "u", "v")),)))
