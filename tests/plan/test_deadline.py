"""Hosts that are to be empty by a deadline: as many as can be leave in time, the most important first."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.plan.file import dump_plan, parse_plan
from rebalancer.plan.make import make_plan
from rebalancer.plan.model import Deadline, Step
from rebalancer.plan.moves import Moves
from rebalancer.plan.rolling import roll
from rebalancer.plan.schedule import schedule
from rebalancer.policy.load import load_policies
from rebalancer.policy.model import MigrationSettings
from tests.plan.test_make import cluster
from tests.plan.worlds import nic, verify, world

SLOW = BytesPerSecond(100 * 2.0**20)


def emptied(residents: str, within: float, priorities: dict[str, int] | None = None, *, per_host: int = 1) -> Moves:
    """Domains that leave ``a`` for ``b`` over a link of 100 MiB/s."""
    names = [each.split()[0] for each in residents.split(",")]
    links = [nic(host, SLOW) for host in "ab"]
    moves = world(
        f"a99:{residents}; b99",
        " ".join(f"{name}>b" for name in names),
        links=links,
        caps={link.name: link.capacity for link in links},
    )
    each = [MigrationSettings(per_host=per_host, priority=(priorities or {}).get(name, 0)) for name in names]
    return replace(moves, settings=each, deadline=Deadline(hosts=frozenset("a"), within=Seconds(within)))


def in_time(moves: Moves, steps: tuple[Step, ...]) -> set[str]:
    assert moves.deadline is not None
    return {step.domain for step in steps if step.predicted.end <= moves.deadline.within + 1e-6}


def test_the_short_ones_go_first_so_that_most_are_in_time() -> None:
    moves = emptied("big 8,mid 3,tiny 1,small 2", 80.0)
    steps = schedule(moves)
    verify(moves, steps)
    assert in_time(moves, steps) == {"mid", "tiny", "small"}


def test_the_most_important_goes_first_though_more_others_would_be_in_time() -> None:
    moves = emptied("big 6,mid 3,tiny 1,small 2", 90.0, {"big": 1})
    assert in_time(moves, schedule(moves)) == {"big", "tiny"}


def test_what_may_start_in_an_hour_decides_who_is_in_time() -> None:
    moves = replace(emptied("big 8,mid 3,tiny 1,small 2", 3000.0), per_hour=2)
    steps = schedule(moves)
    verify(moves, steps)
    assert len(in_time(moves, steps)) == 2
    assert max(step.predicted.end for step in steps) > 3600


def test_without_a_need_for_it_a_deadline_makes_no_plan_longer() -> None:
    moves = emptied("big 8,mid 3,tiny 1,small 2", 1000.0, per_host=2)
    free = replace(moves, deadline=None)
    assert max(s.predicted.end for s in schedule(moves)) == max(s.predicted.end for s in schedule(free))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=5), st.integers(15, 150), st.lists(st.integers(0, 1), min_size=5)
)
def test_no_other_order_has_more_or_more_important_ones_in_time(
    sizes: list[int], within: int, priorities: list[int]
) -> None:
    names = "uvwxy"[: len(sizes)]
    moves = emptied(
        ",".join(f"{name} {size}" for name, size in zip(names, sizes, strict=True)),
        within,
        dict(zip(names, priorities, strict=False)),
    )
    steps = schedule(moves)
    # One at a time: durations are those of the plan, whatever the order.
    lasts = {step.domain: step.predicted.duration for step in steps}
    priority = dict(zip(names, priorities, strict=False))

    def worth(done: set[str]) -> tuple[int, int]:
        return sum(priority[name] for name in done), len(done)

    def done_by(order: tuple[str, ...]) -> set[str]:
        time, done = 0.0, set[str]()
        for name in order:
            time += lasts[name]
            if time <= within:
                done.add(name)
        return done

    best = max(worth(done_by(order)) for order in permutations(names))
    assert worth(in_time(moves, steps)) == best


EVACUATE = load_policies(["evacuate"], read=lambda path: path)
TWO = cluster("h1", "h2", memory=20, a=("h1", 8), b=("h1", 2), c=("h1", 1)).with_maintenance(frozenset({"h1"}))


TIGHT = 5.0


def plan_within(seconds: float, *, strict: bool = False):
    deadline = Deadline(hosts=frozenset({"h1"}), within=Seconds(seconds), strict=strict)
    return make_plan(TWO, EVACUATE, deadline=deadline)


def test_a_plan_says_who_leaves_too_late_and_by_how_much() -> None:
    free = plan_within(1e6)
    assert not free.late
    assert len(free.departures) == len(free.steps) == 3
    plan = plan_within(TIGHT)
    assert len(plan.steps) == 3
    assert set(plan.late) == {uuid for uuid, step in plan.departures.items() if step.predicted.end > TIGHT}
    assert max(plan.late.values()) == pytest.approx(plan.makespan - TIGHT)


def test_strictly_who_would_be_late_stays_and_is_told_why() -> None:
    plan = plan_within(TIGHT, strict=True)
    assert not plan.late
    assert len(plan.steps) + len(plan.unplaced) == 3
    assert "after the deadline" in plan.unplaced[0].reasons["h2"]
    assert 0 < plan.makespan <= TIGHT


def test_who_would_be_late_goes_elsewhere_where_that_helps() -> None:
    links = (nic("h1", 1e9), nic("h2", 1e7), nic("h3", 1e9))
    three = replace(
        cluster("h1", "h2", "h3", memory=20, a=("h1", 2), b=("h1", 2), c=("h3", 4)), links=links
    ).with_maintenance(frozenset({"h1"}))
    free = make_plan(three, EVACUATE)
    assert "h2" in free.placement.values()
    deadline = Deadline(hosts=frozenset({"h1"}), within=Seconds(30.0))
    plan = make_plan(three, EVACUATE, deadline=deadline)
    assert set(plan.placement.values()) == {"h3"}
    assert not plan.late


def test_a_plan_file_has_the_deadline() -> None:
    plan = plan_within(5.0)
    text = dump_plan(plan)
    assert parse_plan(text, "plan.json").late == plan.late
    assert dump_plan(parse_plan(text, "plan.json")) == text


def test_rounds_share_the_time() -> None:
    four = cluster("h1", "h2", "h3", "h4", memory=10, **{f"d{i}": (f"h{1 + i % 4}", 2.0) for i in range(8)})
    free = roll(four, EVACUATE, ["h1", "h2", "h3", "h4"])
    total = sum(each.plan.makespan for each in free.rounds)
    enough = roll(four, EVACUATE, ["h1", "h2", "h3", "h4"], within=Seconds(total + 0.1))
    assert not enough.stuck
    short = roll(four, EVACUATE, ["h1", "h2", "h3", "h4"], within=Seconds(total / 2 + 0.1))
    assert short.stuck
    assert sum(each.plan.makespan for each in short.rounds) <= total / 2 + 0.1
