"""``rebalance plan``, ``check``, ``snapshot``, ``hosts``: they read, and change nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rebalancer.cluster.snapshot import parse_snapshot
from rebalancer.plan.file import dump_plan, parse_plan

POLICY = ("-p", "./policy.yaml")


@pytest.fixture(autouse=True)
def _nothing_is_changed(example: Path):
    files = {path.name: path.read_bytes() for path in example.glob("*.yaml")}
    yield
    assert {path.name: path.read_bytes() for path in example.glob("*.yaml")} == files


def test_json_is_the_plan_file(cli):
    ended = cli("plan", *POLICY, "-o", "plan.json", "--format", "json")
    assert ended.status == 0
    assert ended.out == Path("plan.json").read_text("utf-8")
    assert ended.err == "plan written to plan.json\n"
    plan = parse_plan(ended.out, "plan.json")
    assert parse_plan(dump_plan(plan), "plan.json") == plan
    assert any(step.new_name == "database-h1" for step in plan.steps)


def test_the_same_input_gives_the_same_plan(cli):
    cli("snapshot", "-o", "cluster.json")
    texts = [json.loads(cli("plan", "--snapshot", "cluster.json", "--format", "json").out) for _ in range(2)]
    for text in texts:
        del text["metadata"]["created_at"]
    assert texts[0] == texts[1]


def test_a_plan_from_a_snapshot_is_that_of_the_hosts(cli):
    assert cli("snapshot", "-o", "cluster.json").err == "snapshot written to cluster.json\n"
    assert parse_snapshot(Path("cluster.json").read_text("utf-8"), "cluster.json").domains
    assert cli("plan", *POLICY, "--snapshot", "cluster.json").out == cli("plan", *POLICY).out


def test_the_snapshot_is_printed_where_no_file_is_named(cli):
    assert len(parse_snapshot(cli("snapshot").out, "-").hosts) == 3


def test_an_anonymous_snapshot_has_no_names_and_the_same_plan(cli):
    cli("snapshot", "-o", "cluster.json")
    text = cli("snapshot", "--snapshot", "cluster.json", "--anonymise").out
    assert "database" not in text
    Path("anonymous.json").write_text(text, "utf-8")
    plans = [
        json.loads(cli("plan", "--snapshot", file, "--format", "json").out)
        for file in ("cluster.json", "anonymous.json")
    ]
    assert plans[0]["score"] == plans[1]["score"]


def test_detailed_exitcode(cli):
    assert cli("plan", *POLICY, "--detailed-exitcode").status == 2
    assert cli("plan", *POLICY).status == 0


def test_check_says_by_its_status_whether_a_rule_is_broken(cli):
    assert cli("check", *POLICY).status == 3
    ended = cli("check", "-p", "balance", "--format", "json")
    assert ended.status == 0
    data = json.loads(ended.out)
    assert data["violations"] == []
    assert data["score"]["total"] == pytest.approx(sum(data["score"]["parts"].values()))


def test_a_time_limit_of_nothing_still_gives_an_answer(cli):
    ended = cli("plan", *POLICY, "--time-limit", "0s", "--effort", "1", "--seed", "3")
    assert ended.status == 0


def test_hosts_as_json(cli):
    hosts = json.loads(cli("hosts", "--format", "json").out)["hosts"]
    assert [host["name"] for host in hosts] == ["h1", "h2", "h3"]
    assert hosts[0]["domains"] == {"active": 9, "defined": 0}
    assert hosts[0]["migration"]["rename"] is True


def test_drivers(cli):
    assert "simulator" in cli("drivers").out.split()
    assert "simulator" in json.loads(cli("drivers", "--format", "json").out)["drivers"]


def test_an_unreachable_host_is_an_error_unless_it_is_to_be_ignored(cli, example):
    world = example / "world.yaml"
    before = world.read_text("utf-8")
    world.write_text(before.replace("  - name: h3\n", "  - name: h3\n    state: down\n"), "utf-8")
    refused, listed = cli("plan", "-p", "balance"), cli("hosts")
    ended = cli("plan", "-p", "balance", "--ignore-unreachable")
    world.write_text(before, "utf-8")
    assert refused.status == 1
    assert "1 of 3 hosts could not be read" in refused.err
    assert "h3: " in refused.err
    assert refused.out == ""
    assert listed.status == 1
    assert "h3" in listed.out
    assert ended.status == 0
    assert ended.err.startswith("warning: h3: ")
    assert "h3 is unreachable" in ended.out
    assert "2 hosts read" in ended.out


def test_no_host_reachable_is_an_error_with_every_reason(cli, example):
    world = example / "world.yaml"
    before = world.read_text("utf-8")
    world.write_text(before.replace("    capacity:", "    state: down\n    capacity:"), "utf-8")
    ended = cli("plan", "-p", "balance")
    world.write_text(before, "utf-8")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.splitlines()[0] == "error: no host could be read"
    assert [line.split(":")[0].strip() for line in ended.err.splitlines()[1:]] == ["h1", "h2", "h3"]


def test_a_result_is_never_written_over_an_input(cli, example):
    inventory = example / "inventory.yaml"
    before = inventory.read_text("utf-8")
    for command in (("plan", "-p", "balance"), ("snapshot",)):
        ended = cli(*command, "-o", str(inventory))
        assert ended.status == 1
        assert "is an input of this command" in ended.err
    assert inventory.read_text("utf-8") == before
