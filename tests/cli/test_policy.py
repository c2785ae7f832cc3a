"""``rebalance policy …``"""

from __future__ import annotations

from pathlib import Path

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
