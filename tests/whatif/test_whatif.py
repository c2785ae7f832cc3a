"""Domains that are started: new ones, those of failed hosts, and as many of a kind as fit."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalancer.cluster import Cluster, Domain, Host, HostState
from rebalancer.cluster.newcomers import clones, parse_newcomers
from rebalancer.errors import InvalidInput
from rebalancer.policy import Policy, load_policies
from rebalancer.whatif import fail, fail_each, headroom, start_domains

GIB = 2.0**30


def host(name: str, memory: float = 8, **labels: str) -> Host:
    return Host(name=name, capacity={"memory": memory * GIB}, labels=labels)


def domain(name: str, on: str = "", memory: float = 1, **labels: str) -> Domain:
    return Domain(name=name, uuid=f"uuid-{name}", host=on, uses={"memory": memory * GIB}, labels=labels)


def policy(*rules: str) -> Policy:
    text = "apiVersion: rebalancer/v1\nkind: Policy\nrules:\n  - capacity: {resource: memory}\n"
    text += "".join(f"  - {rule}\n" for rule in rules) + "goals:\n  - balance: {resource: memory}\n"
    return load_policies(["./policy.yaml"], lambda _: text)


def cluster(hosts: list[Host], *domains: Domain) -> Cluster:
    return Cluster(name="c", hosts=tuple(hosts), domains=domains)


def test_one_goes_where_it_is_best_and_the_others_are_ranked() -> None:
    there = cluster([host("a"), host("b"), host("c")], domain("x", "a", 4), domain("y", "b", 1))
    started = start_domains(there, policy(), [domain("new", memory=2)], best=5)
    assert started.placement == {"uuid-new": "c"}
    options = started.options["uuid-new"]
    assert [option.host for option in options] == ["c", "b", "a"]
    assert options[0].score == pytest.approx(started.then.before.total)
    assert [option.score for option in options] == sorted(option.score for option in options)


def test_what_is_said_of_another_host_is_what_it_would_come_to() -> None:
    there = cluster([host("a"), host("b")], domain("x", "a", 4))
    new = domain("new", memory=2)
    (_, other) = start_domains(there, policy(), [new], best=2).options["uuid-new"]
    moved = replace(there, domains=(*there.domains, replace(new, host=other.host)))
    assert other.score == pytest.approx(start_domains(moved, policy(), []).now.before.total)


def test_rules_that_keep_domains_do_not_keep_one_that_is_to_be_started() -> None:
    there = cluster([host("a"), host("b")], domain("x", "a", 4))
    kept = policy("stay: {select: 'true'}")
    assert start_domains(there, kept, [domain("new")]).placement == {"uuid-new": "b"}
    assert fail(there, kept, {"a"}).placement == {"uuid-x": "b"}


def test_a_group_that_belongs_together_is_started_together() -> None:
    there = cluster([host("a"), host("b", 4)], domain("x", "a", 3))
    together = policy("affinity: {group: labels.app}", "near: {select: \"labels.app == 'g'\", to: \"name == 'n2'\"}")
    group = [domain(f"n{index}", memory=1, app="g") for index in range(3)]
    started = start_domains(there, together, group)
    assert len(started.placement) == 3
    assert len(set(started.placement.values())) == 1
    assert not started.then.violations_before


def test_a_group_that_is_kept_apart_is_started_apart_and_the_last_is_told_why_not() -> None:
    there = cluster([host("a"), host("b")])
    apart = policy("anti_affinity: {group: labels.app}")
    started = start_domains(there, apart, [domain(f"n{index}", app="g") for index in range(3)])
    assert sorted(started.placement.values()) == ["a", "b"]
    (left,) = started.unplaced
    assert all("anti_affinity" in reason for reason in left.reasons.values())
    assert list(left.reasons) == ["a", "b"]


def test_what_one_at_a_time_does_not_find_the_search_does() -> None:
    # The largest first, each where it leaves things even: 5 and 4 part, and then 4, 3, 2 do not fit into 4 and 5.
    there = cluster([host("a", 9), host("b", 9)])
    sizes = [5, 4, 4, 3, 2]
    started = start_domains(there, policy(), [domain(f"n{i}", memory=size) for i, size in enumerate(sizes)])
    assert len(started.placement) == 5


def test_a_name_that_is_taken_on_a_host_cannot_be_had_there() -> None:
    there = cluster([host("a"), host("b", 4)], domain("x", "a"))
    new = replace(domain("x", memory=2), uuid="another")
    assert start_domains(there, policy(), [new]).placement == {"another": "b"}
    (left,) = start_domains(there, policy(), [replace(new, uses={"memory": 5.0 * GIB})]).unplaced
    assert left.reasons["a"] == "names: its name is taken there"


def test_failed_hosts_take_nothing_and_only_theirs_is_started() -> None:
    there = cluster([host("a"), host("b"), host("c")], domain("x", "a", 5), domain("y", "b", 5), domain("z", "c", 1))
    started = fail(there, policy(), {"a"})
    assert started.placement == {"uuid-x": "c"}
    assert started.after.host_by_name["a"].state is HostState.DOWN
    assert {d.name: d.host for d in started.after.domains} == {"x": "c", "y": "b", "z": "c"}
    two = fail(there, policy(), {"a", "b"})
    assert len(two.placement) == 1
    (left,) = two.unplaced
    assert "needs 5 GiB, 2 GiB free" in left.reasons["c"]


def test_what_ran_comes_before_what_is_new() -> None:
    there = cluster([host("a"), host("b")], domain("x", "a", 2))
    started = fail(there, policy(), {"a"}, [domain("new", memory=7)])
    assert started.placement == {"uuid-x": "b"}
    assert [each.domain for each in started.unplaced] == ["new"]


def test_each_host_fails_alone() -> None:
    there = cluster([host("a"), host("b", 2)], domain("x", "a", 5), domain("y", "b", 1))
    found = {name: len(started.unplaced) for name, started in fail_each(there, policy())}
    assert found == {"a": 1, "b": 0}


@settings(max_examples=30, deadline=None)
@given(
    room=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    size=st.integers(1, 4),
)
def test_headroom_is_what_fits_on_each_host(room: list[int], size: int) -> None:
    there = cluster([host(f"h{index}", free + 0.5) for index, free in enumerate(room)])
    found = headroom(there, policy(), domain("kind", memory=size))
    expected = {f"h{index}": free // size for index, free in enumerate(room) if free // size}
    assert (found.number, found.hosts) == (sum(expected.values()), expected)
    assert set(found.reasons) == {f"h{index}" for index in range(len(room))}


def test_headroom_counts_beyond_what_waits_at_once_and_ends_at_most() -> None:
    there = cluster([host("a", 130)])
    assert headroom(there, policy(), domain("kind")).number == 130
    few = headroom(there, policy(), domain("kind"), most=60)
    assert (few.number, few.reasons) == (60, {})


def test_headroom_is_in_addition_to_domains_of_the_same_kind() -> None:
    kind = domain("kind")
    there = cluster([host("a", 8.5)])
    started = start_domains(there, policy(), clones(kind, 3))
    assert headroom(started.after, policy(), kind).number == 5


def test_a_file_of_new_domains() -> None:
    text = "apiVersion: rebalancer/v1\nkind: Domains\ndomains:\n  - {name: web, count: 2, uses: {memory: 1 GiB}}\n"
    first, second = parse_newcomers(text, "f.yaml")
    assert (first.name, second.name) == ("web-1", "web-2")
    assert first.uuid != second.uuid
    assert first.uses == {"memory": GIB}
    assert [d.name for d in parse_newcomers(text, "f.yaml", one_of_each=True)] == ["web"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{name: web, host: h1}", "f.yaml:4:17: unknown key 'host'"),
        ("{name: web, count: 0}", "f.yaml:4:24: count: must be at least 1"),
        ("{name: web}\n  - {name: web}", "f.yaml:5:12: there is a domain 'web' already, in line 4"),
        ("{name: web, count: 200000}", "more than 100,000 domains"),
    ],
)
def test_a_wrong_file_of_new_domains(entry: str, message: str) -> None:
    text = f"apiVersion: rebalancer/v1\nkind: Domains\ndomains:\n  - {entry}\n"
    with pytest.raises(InvalidInput, match=re.escape(message)):
        parse_newcomers(text, "f.yaml")
