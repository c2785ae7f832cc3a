"""``rebalance policy …``"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rebalancer.cli.history import read_history
from rebalancer.policy import load_policies
from tests.cli.commands import ROOT


def test_the_ready_made_policies_are_listed(cli):
    lines = cli("policy", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(path.stem for path in (ROOT / "policies").glob("*.yaml"))
    assert all(len(line.split()) > 3 for line in lines)


def test_the_ready_made_policies_are_valid(cli):
    files = sorted(str(path) for path in (ROOT / "policies").glob("*.yaml"))
    ended = cli("policy", "validate", *files)
    assert (ended.status, ended.out.splitlines()) == (0, [f"{file}: valid" for file in files])


def test_a_valid_file_by_its_bare_name(cli, example):
    Path("site").write_text(Path("policy.yaml").read_text("utf-8"), "utf-8")
    ended = cli("policy", "validate", "site")
    assert (ended.status, ended.out) == (0, "site: valid\n")


def test_all_that_is_wrong_in_all_files(cli, example):
    Path("a.yaml").write_text("apiVersion: rebalancer/v1\nkind: Policy\nruels: []\ngoals: [{balence: {}}]\n", "utf-8")
    Path("b.yaml").write_text("apiVersion: rebalancer/v1\nkind: Policy\nlimits: {max_moves: many}\n", "utf-8")
    ended = cli("policy", "validate", "a.yaml", "policy.yaml", "b.yaml")
    assert ended.status == 1
    assert ended.out == "policy.yaml: valid\n"
    assert [line.split(": ")[1].removeprefix("./") for line in ended.err.splitlines()] == [
        "a.yaml:3:1",
        "a.yaml:4:10",
        "b.yaml:3:21",
    ]


def test_against_a_cluster_unknown_hosts_are_found_and_cautions_told(cli, example):
    text = Path("policy.yaml").read_text("utf-8")
    Path("site.yaml").write_text(text.replace("hosts: \"labels.disks == 'ssd'\"", "hosts: [h7]"), "utf-8")
    assert cli("policy", "validate", "site.yaml").status == 0
    ended = cli("policy", "validate", "site.yaml", "-i", "inventory.yaml")
    assert ended.status == 1
    assert "there is no host 'h7'" in ended.err


def test_the_effective_policy_is_shown_with_where_it_comes_from(cli, example):
    ended = cli("policy", "show", "-p", "cautious", "-p", "./policy.yaml")
    assert ended.status == 0
    assert (
        "# aggressiveness: 2 = repair broken rules, else take large gains only:  # policies/cautious.yaml:" in ended.out
    )
    Path("shown.yaml").write_text(ended.out, "utf-8")
    assert cli("policy", "validate", "shown.yaml").out == "shown.yaml: valid\n"
    assert "policies/balance.yaml:" in cli("policy", "show").out


def test_the_schema_is_json(cli):
    assert json.loads(cli("policy", "schema").out)["title"] == "rebalancer policy"


SCENARIO = (
    "apiVersion: rebalancer/v1\nkind: Scenario\npolicies: [./policy.yaml]\n"
    "cluster: {hosts: [{name: h1}], domains: [{name: a, host: h1}]}\nexpect: {moves: %d}\n"
)


def test_scenarios_are_run_and_what_differs_is_said(cli, tmp_path):
    (tmp_path / "policy.yaml").write_text("apiVersion: rebalancer/v1\nkind: Policy\n", "utf-8")
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(SCENARIO % 0, "utf-8")
    bad.write_text(SCENARIO % 1, "utf-8")
    ended = cli("policy", "test", str(good), str(bad), columns=1000)
    assert ended.status == 1
    assert ended.out.splitlines() == [
        f"{good}: as expected",
        f"{bad}: differs",
        "1 of 2 scenarios are as expected",
    ]
    assert ended.err == f"{bad}: 0 moves, not 1; notes: []\n"
    assert cli("policy", "test", str(good)).status == 0


def test_a_cooldown_goes_by_the_journal(cli, example, tmp_path):
    assert cli("apply", "--yes").status == 0
    found = read_history(load_policies(["cautious"], str))
    assert found is not None
    assert found.moves
    assert all(0 <= found.now - time < 600 for times in found.moves.values() for time in times)
    assert read_history(load_policies(["balance"], str)) is None
    nothing = read_history(load_policies(["cautious"], str), tmp_path / "none.sqlite")
    assert nothing is not None
    assert not nothing.moves


def test_a_journal_that_cannot_be_read_is_told_and_nothing_else(cli, tmp_path, capfd):
    (tmp_path / "journal.sqlite").write_text("this is no database at all, whatever its name may say", "utf-8")
    assert read_history(load_policies(["cautious"], str), tmp_path / "journal.sqlite") is None
    assert (
        "warning: cooldown, per_domain and the old names of domains are not asked for: cannot" in capfd.readouterr().err
    )


@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes"), ("evacuate", "h1", "--yes")])
def test_earlier_moves_are_looked_up_in_the_journal_that_is_named(cli, example, tmp_path, command):
    named = tmp_path / "journal.sqlite"
    named.write_text("this is no database at all, whatever its name may say", "utf-8")
    ended = cli(*command, "-p", "cautious", "--journal", str(named))
    assert (
        f"warning: cooldown, per_domain and the old names of domains are not asked for: cannot open the journal {named}"
        in ended.err
    )
