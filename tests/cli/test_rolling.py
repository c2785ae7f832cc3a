"""Hosts emptied round by round, on simulated hosts."""

from __future__ import annotations

import json

from tests.cli.test_apply import where


def test_rounds_are_shown_and_written(cli, example):
    ended = cli(
        "plan", "--rolling", "name in ['h1', 'h3']", "--batch", "1", "--return", "--effort", "1", "-o", "rounds.json"
    )
    assert ended.status == 0
    for heading in ("Round 1: h3", "Round 2: h1", "Back home"):
        assert heading in ended.out
    written = json.loads((example / "rounds.json").read_text("utf-8"))
    assert [each["hosts"] for each in written["rounds"]] == [["h3"], ["h1"]]
    assert written["home"]["kind"] == "Plan"
    as_json = cli("plan", "--rolling", "name == 'h1'", "--format", "json", "--effort", "1")
    assert json.loads(as_json.out)["kind"] == "RollingPlan"


def test_what_does_not_fit_together_is_said(cli, example):
    assert "add --rolling" in cli("plan", "--batch", "2").err
    assert "no host that is up matches" in cli("plan", "--rolling", "name == 'h9'").err
    assert "--rolling: " in cli("plan", "--rolling", "name ==").err
    assert "not both" in cli("evacuate", "h1", "--all").err


def test_all_hosts_are_emptied_in_turn_and_domains_come_home(cli, example):
    before = {name.split("@")[0]: host for name, host in where(example).items() if "database" not in name}
    ended = cli("evacuate", "--all", "--return", "--yes", "--effort", "1")
    assert ended.status == 0, ended.err
    for host in ("h1", "h2", "h3"):
        assert f"{host}: empty" in ended.err or f"{host}, " in ended.err
    after = {name.split("@")[0]: host for name, host in where(example).items() if "database" not in name}
    assert after == before


def test_nothing_goes_on_unasked(cli, example):
    ended = cli("evacuate", "h1", "h3", "--batch", "1")
    assert ended.status == 1
    assert "add --yes" in ended.err
