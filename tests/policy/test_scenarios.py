"""Ready-made policies on small clusters, as files: ``scenarios/*.yaml``: a cluster, policies and what is expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebalancer.errors import InvalidInput
from rebalancer.policy import policy_names
from rebalancer.policy.scenario import run_scenario

FOLDER = Path(__file__).parent / "scenarios"
FILES = sorted(FOLDER.glob("*.yaml"))


def read(path: str) -> str:
    return (FOLDER / path).read_text("utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_plan_is_as_expected(file: Path) -> None:
    assert run_scenario(file.read_text("utf-8"), file.name, read) == ()


def test_every_ready_made_policy_has_scenarios() -> None:
    for name in policy_names():
        assert sum(file.stem.startswith(name) for file in FILES) >= 2, name


HEAD = (
    "apiVersion: rebalancer/v1\nkind: Scenario\n"
    "cluster: {hosts: [{name: h1}, {name: h2}], domains: [{name: a, host: h1}]}\n"
)
BAN = "policy: {rules: [{ban: {select: 'true', hosts: [h1]}}]}\n"


@pytest.mark.parametrize(
    ("text", "failures"),
    [
        (BAN + "expect: {moves: 1, placement: {a: [h1, h2]}, empty: [h1], domains: {h2: {least: 1}}}", ()),
        (BAN + "expect: {moves: 0}", ("1 moves, not 0; notes: []",)),
        (BAN + "expect: {moves: {least: 2, most: 3}}", ("1 moves, not 2 to 3; notes: []",)),
        (BAN + "expect: {placement: {a: h1}}", ("a is on h2, not on h1",)),
        (BAN + "expect: {stay: [a], empty: [h2]}", ("a moves to h2", "h2 still runs 1 domains")),
        (BAN + "expect: {domains: {h1: {least: 1}}}", ("h1 runs 0 domains, not 1 or more",)),
        (BAN + "expect: {unplaced: [a], violations: 1}", ("unplaced: none, not a", "0 violations, not 1: ")),
        (BAN + "expect: {notes: [because]}", ("no note says 'because': ()",)),
        (BAN + "expect: {stay: [b]}", ("there is no b in the cluster",)),
        (BAN + "expect: {refused: no}", ("is not refused; expected: no",)),
        ("policies: [nonsense]\nexpect: {refused: no ready-made policy}", ()),
    ],
)
def test_what_differs_is_said(text: str, failures: tuple[str, ...]) -> None:
    assert run_scenario(HEAD + text, "s.yaml", read) == failures


def test_a_policy_that_is_wrong_is_a_difference_with_its_words() -> None:
    (failure,) = run_scenario(HEAD + "policy: {rules: [{bn: {}}]}\nexpect: {}", "s.yaml", read)
    assert "there is no rule 'bn'; did you mean 'ban'?" in failure


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "expect: {move: 1}", "s.yaml:4:10: unknown key 'move'; did you mean 'moves'?"),
        (HEAD.replace("host: h1", "host: h9") + "expect: {}", "s.yaml:3:1: cluster: domain 'a' is on host 'h9'"),
        (HEAD.replace("Scenario", "Policy") + "expect: {}", "s.yaml:2:7: this is a Policy; expected a Scenario"),
    ],
)
def test_a_file_that_is_wrong_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        run_scenario(text, "s.yaml", read)
    assert str(raised.value).startswith(message)
