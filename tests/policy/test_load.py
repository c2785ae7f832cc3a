from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster import Link
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.errors import InvalidInput, Position, Problem
from rebalancer.policy import MigrationSettings, OnClash, Policy, Rung, load_policies, parse_policy
from tests.policy.test_compile import HEADER, policy
from tests.policy.worlds import domain


def files(**texts: str) -> Callable[[str], str]:
    return lambda path: HEADER + texts[path.removesuffix(".yaml").removeprefix("./").replace("/", "_")]


def clauses(found: Policy) -> list[str]:
    return [f"{clause.name} {getattr(clause.body, 'resource', '')}".strip() for clause in (*found.rules, *found.goals)]


def test_an_empty_policy_says_nothing() -> None:
    found = policy("")
    assert (found.rules, found.goals, found.links, found.migration) == ((), (), (), ())
    assert found.names.on_clash is OnClash.RENAME
    assert not found.names.asked
    assert found.migration_settings(domain("a", "h1")) == MigrationSettings()
    link = Link(name="l", connects=("a", "b"), capacity=BytesPerSecond(5.0))
    assert set(found.link_caps(link, ()).values()) == {5.0}


def test_json_is_read_as_yaml_is() -> None:
    text = '{"apiVersion": "rebalancer/v1", "kind": "Policy", "rules": [{"stay": {"select": "true"}}]}'
    found = load_policies(["p.json"], lambda _: text)
    assert found.digest == policy('rules: [{stay: {select: "true"}}]').digest
    with pytest.raises(InvalidInput, match=r"^p\.json:1:82: stay: select: there is no variable 'nme'"):
        load_policies(["p.json"], lambda _: text.replace("true", "nme == 'x'"))


def test_lists_append_and_later_keys_win() -> None:
    read = files(
        base="goals: [{balance: {resource: cpu}}]\nnames: {on_clash: order, rename_cost: 0}\n"
        "limits: {max_moves: 5, min_gain: 1%}\n",
        site="extends: [./base.yaml]\nmetadata: {name: site}\ngoals: [{balance: {resource: memory}}]\n"
        'names: {template: "{name}-{n}"}\nlimits: {max_moves: 9}\n',
    )
    found = load_policies(["./site.yaml"], read)
    assert found.name == "site"
    assert clauses(found) == ["balance cpu", "balance memory"]
    assert (found.names.on_clash, found.names.template, found.names.asked) == (OnClash.ORDER, "{name}-{n}", True)
    assert found.names.rename_cost == 0
    assert (found.limits.max_moves, found.limits.min_gain) == (9, 0.01)


def test_several_policies_are_one_in_their_order() -> None:
    read = files(a="limits: {max_moves: 1}\nrules: [{capacity: {resource: x}}]\n", b="limits: {max_moves: 2}\n")
    assert load_policies(["./a.yaml", "./b.yaml"], read).limits.max_moves == 2
    both = load_policies(["./b.yaml", "./a.yaml"], read)
    assert both.limits.max_moves == 1
    assert both.name == "b + a"


def test_a_file_that_is_reached_twice_counts_once() -> None:
    read = files(
        base="rules: [{capacity: {resource: cpu}}]\n",
        a="extends: [./base.yaml]\n",
        b="extends: [./x/../base.yaml]\nrules: [{capacity: {resource: memory}}]\n",
    )
    assert clauses(load_policies(["./a.yaml", "b.yaml", "./base.yaml"], read)) == ["capacity cpu", "capacity memory"]


def test_paths_are_relative_to_the_file_that_names_them() -> None:
    asked: list[str] = []

    def read(path: str) -> str:
        asked.append(path)
        return HEADER + ("extends: [../base.yaml, balance]\n" if path.endswith("x.yaml") else "")

    load_policies(["/etc/policies/x.yaml"], read)
    assert asked == ["/etc/policies/x.yaml", "/etc/base.yaml"]


def test_whoever_parses_a_policy_decides_where_others_come_from() -> None:
    asked: list[tuple[str, Position]] = []

    def resolve(name: str, position: Position) -> tuple[str, str]:
        asked.append((name, position))
        return HEADER + "rules: [{capacity: {resource: cpu}}]", f"lib/{name}"

    found = parse_policy(HEADER + "extends: [x]\n", "p.yaml", resolve=resolve)
    assert asked == [("x", Position("p.yaml", 3, 11))]
    assert clauses(found) == ["capacity cpu"]


def test_every_clause_knows_where_it_and_its_keys_stand() -> None:
    (clause,) = policy('rules:\n  - pin:\n      select: "true"\n      hosts: [h1, h2]\n').rules
    assert clause.source.at() == Position("p.yaml", 5, 7)
    assert clause.source.at(("hosts", 1)) == Position("p.yaml", 6, 19)
    assert clause.source.at(("hosts", 7)) == Position("p.yaml", 6, 14)


def test_the_last_entry_that_selects_a_link_wins() -> None:
    found = policy(
        "links: [{most: 50%}, {select: \"name == 'a'\", most: 80 B/s}, {select: \"name == 'b'\", most: 10%}]"
    )

    def cap(name: str, capacity: float) -> float:
        link = Link(name=name, connects=("x", "y"), capacity=BytesPerSecond(capacity))
        (cap,) = set(found.link_caps(link, ()).values())
        return cap

    assert [cap("a", 100), cap("b", 100), cap("c", 100), cap("a", 40)] == [80, 10, 50, 40]


def test_entries_for_migration_are_merged_key_by_key() -> None:
    found = policy(
        "migration:\n"
        "  - {concurrency: {per_host: 4, total: 6}, timeout: 10 min, when_not_converging: [auto_converge, cancel]}\n"
        "  - {select: \"labels.app == 'db'\", live: false, concurrency: {per_host: 1}, bandwidth: 50 MiB/s,\n"
        "     max_downtime: 1 s, transport: tls, weight: 2, retry: {times: 3}}\n"
    )
    rungs = (Rung.AUTO_CONVERGE, Rung.CANCEL)
    assert found.migration_settings(domain("web", "h1")) == MigrationSettings(
        per_host=4, total=6, timeout=Seconds(600), when_not_converging=rungs
    )
    assert found.migration_settings(domain("db", "h1", labels={"app": "db"})) == MigrationSettings(
        live=False,
        per_host=1,
        total=6,
        bandwidth=BytesPerSecond(50 * 2**20),
        max_downtime=Seconds(1.0),
        timeout=Seconds(600),
        when_not_converging=rungs,
        transport="tls",
        weight=2.0,
        retries=3,
    )


def test_the_digest_is_of_what_is_said_not_of_how_it_is_written() -> None:
    flow = policy("rules: [{capacity: {resource: memory, reserve: 1 GiB}}]\nlinks: [{most: 50%}]\n")
    block = policy(
        "links:\n- most: 50 %\nrules:\n# a comment\n- capacity:\n    reserve: 1073741824\n    resource: memory\n"
    )
    assert flow.digest == block.digest
    assert flow.digest.startswith("sha256:")


@pytest.mark.parametrize(
    "text",
    [
        "rules: [{capacity: {resource: memory}}]",
        "rules: [{capacity: {resource: cpu}}]",
        "rules: [{capacity: {resource: memory, soft: 1}}]",
        "goals: [{balance: {resource: memory}}]",
        "goals: [{balance: {resource: memory, tier: 2}}]",
        'rules: [{pin: {select: "true", hosts: [h1]}}]',
        'rules: [{pin: {select: "true", hosts: "name == \'h1\'"}}]',
        "names: {on_clash: order}",
        "names: {rename_cost: 1}",
        "links: [{most: 50%}]",
        "migration: [{live: false}]",
        "limits: {max_moves: 1}",
    ],
)
def test_other_content_has_another_digest(text: str) -> None:
    assert policy(text).digest != policy("").digest
    others = ["rules: [{capacity: {resource: memory, most: 99%}}]", "limits: {min_gain: 1%}"]
    assert policy(text).digest not in {policy(other).digest for other in others}


def problems(load: Callable[[], Policy]) -> tuple[Problem, ...]:
    try:
        load()
    except InvalidInput as error:
        return error.problems
    return ()


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_an_error_with_a_position(text: str) -> None:
    assert all(problem.position is not None for problem in problems(lambda: policy(text)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab='\"(. %", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["select", "hosts", "most", "x"]), inner)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["rules", "goals", "links", "migration", "names", "limits", "extends"]), VALUES)
    | st.fixed_dictionaries(
        {
            "rules": st.lists(
                st.dictionaries(st.sampled_from(["pin", "capacity", "balance", "stay"]), VALUES), max_size=3
            )
        }
    )
)
def test_any_structure_is_a_policy_or_an_error_with_a_position(data: dict[str, object]) -> None:
    text = json.dumps({"apiVersion": "rebalancer/v1", "kind": "Policy", **data})
    found = problems(lambda: load_policies(["./p.json"], lambda _: text))
    assert all(problem.position is not None for problem in found)
