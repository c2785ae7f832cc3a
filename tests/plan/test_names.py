"""New names: valid wherever the domain may go, free where a policy says so; and old ones that come back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster import NameForm
from rebalancer.plan.make import make_plan
from rebalancer.plan.names import fitted, new_name
from rebalancer.plan.schedule import schedule
from rebalancer.policy.history import History, Renamed
from rebalancer.policy.settings import FreeIn, Names, Restore
from tests.plan.test_make import cluster, policy
from tests.plan.worlds import verify, world


@pytest.mark.parametrize(
    ("name", "form", "expected"),
    [
        ("a/b\nc", NameForm.FILE, "a-b-c"),
        ("..", NameForm.FILE, "vm"),
        ("17", NameForm.FILE, "17"),
        ("17", NameForm.NO_NUMBER, "vm-17"),
        ("my db_1.", NameForm.DNS, "my-db-1"),
        ("-a-.-.b", NameForm.DNS, "a.b"),
        ("größe", NameForm.DNS, "gr--e"),
    ],
)
def test_what_a_hypervisor_refuses_is_replaced(name: str, form: NameForm, expected: str) -> None:
    assert fitted(name, [form]) == expected


@given(st.text(min_size=1, max_size=400), st.sets(st.sampled_from(NameForm)))
def test_names_are_valid_and_never_too_long(name: str, forms: set[NameForm]) -> None:
    found = new_name(
        "{name}-{source}",
        name=name,
        source="h1",
        destination="h2",
        uuid="7d0e85ba-2118-4f16-866e-915f206f88e6",
        is_free=lambda _: True,
        forms=forms,
    )
    assert found.endswith("h1")
    assert len(found.encode()) <= 251
    assert "/" not in found
    if NameForm.DNS in forms:
        assert all(
            label and label.isascii() and label.strip("-") == label and label.replace("-", "a").isalnum()
            for label in found.split(".")
        )


def test_by_default_a_new_name_is_free_on_the_destination_and_else_in_the_whole_cluster() -> None:
    hosts = "a8:v=db 2; b8:w=db 2; c8:x=db-a 2"
    for free_in, expected in ((FreeIn.HOST, "db-a"), (FreeIn.CLUSTER, "db-a-2")):
        moves = world(hosts, "v>b", names=Names(free_in=free_in))
        steps = schedule(moves)
        verify(moves, steps)
        assert steps[0].new_name == expected


def test_two_that_are_renamed_at_once_get_names_of_their_own_in_the_whole_cluster() -> None:
    moves = world(
        "a8:v=db 2; b8:w=db 2; c8:x=db 2", "v>b w>c", names=Names(free_in=FreeIn.CLUSTER, template="{name}-{n}")
    )
    names = [step.name_after for step in schedule(moves)]
    assert len(set(names)) == len(names)


WHEN_FREE = Names(restore=Restore.WHEN_FREE)


def test_an_old_name_comes_back_where_it_is_free() -> None:
    moves = replace(world("a8:v=db-b 2; b8; c8:w=db 2", "v>b", names=WHEN_FREE), old_names={0: "db"})
    (step,) = schedule(moves)
    assert (step.domain, step.new_name) == ("db-b", "db")


def test_an_old_name_stays_away_where_somebody_has_it_or_comes_with_it() -> None:
    for hosts, goals in (
        ("a8:v=db-b 2; b8:w=db 2", "v>b"),
        ("a8:v=db-b 2; b8; c8:w=db 2", "v>b w>b"),
    ):
        moves = replace(world(hosts, goals, names=WHEN_FREE), old_names={0: "db"})
        steps = schedule(moves)
        verify(moves, steps)
        assert all(step.new_name is None for step in steps)


def test_an_old_name_that_must_be_free_everywhere() -> None:
    names = replace(WHEN_FREE, free_in=FreeIn.CLUSTER)
    moves = replace(world("a8:v=db-b 2; b8; c8:w=db 2", "v>b", names=names), old_names={0: "db"})
    assert schedule(moves)[0].new_name is None


def test_the_history_knows_old_names_as_long_as_nobody_else_gives_new_ones() -> None:
    renamed = Renamed.follow(None, "db", "db-a")
    assert renamed == Renamed(before="db", since="db-a")
    assert Renamed.follow(renamed, "db-a", "db-b") == Renamed(before="db", since="db-b")
    assert Renamed.follow(renamed, "db-a", "db") is None
    assert Renamed.follow(renamed, "other", "other-a") == Renamed(before="other", since="other-a")
    assert Renamed.follow(None, "db", "db") is None


def test_a_plan_gives_it_back_if_the_policy_says_so() -> None:
    two = cluster("h1", "h2", memory=16, **{"db-h1": ("h1", 4)})
    uuid = two.domains[0].uuid
    rules = "rules: [{pin: {select: 'true', hosts: [h2]}}]\n"

    def name(text: str, since: str = "db-h1") -> str:
        renamed = {uuid: Renamed(before="db", since=since)}
        history = History(now=0.0, renamed=renamed)  # type: ignore[arg-type]
        (step,) = make_plan(two, policy(rules + text), history=history).steps
        return step.name_after

    assert name("names: {restore: when_free}") == "db"
    assert name("names: {restore: when_free}", since="called otherwise") == "db-h1"
    assert name("names: {restore: never}") == name("") == "db-h1"
