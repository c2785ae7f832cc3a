"""``rebalance runs``, ``resume``, ``cancel`` and ``rollback``, on simulated hosts that are changed by them."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rebalancer.cluster.snapshot import parse_snapshot
from rebalancer.execution import Journal
from tests.cli.commands import copy_example, read_until
from tests.cli.test_apply import POLICY, start

BUILD = "6ba98847-86be-5f2c-b983-66f6e4dc45f9"


def where(folder: Path) -> dict[str, tuple[str, str]]:
    """Host and name by UUID of every domain, as the simulated world has it now."""
    cluster = parse_snapshot((folder / "world.yaml").read_text("utf-8"), "world.yaml")
    return {domain.uuid: (domain.host, domain.name) for domain in cluster.domains}


@contextmanager
def partly_done(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """Run 1 in a process of its own, once a step is done, until it has ended; the folder becomes the current
    directory, and its inventory and journal those of all commands."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REBALANCE_INVENTORY", "inventory.yaml")
    monkeypatch.setenv("REBALANCE_JOURNAL", "journal.sqlite")
    with start(folder, "apply", *POLICY, "--yes", stderr=subprocess.PIPE) as running:
        read_until(running, "✔")
        yield running
        running.communicate(timeout=60)


# Looking


def test_no_runs_yet(cli, example):
    assert cli("runs").out == "No runs yet.\n"
    assert json.loads(cli("runs", "--format", "json").out) == []
    assert not list(example.parent.glob("state/**/*.sqlite")), "to look is not to make one"


def test_runs_are_listed_and_shown(cli, example):
    cli("apply", *POLICY, "--yes")
    listed = cli("runs")
    assert "complete  5 of 5  apply" in listed.out
    (data,) = json.loads(cli("runs", "--format", "json").out)
    assert (data["id"], data["state"], data["done"]) == (1, "complete", 5)
    shown = cli("runs", "show", "1", columns=160)
    assert shown.status == 0
    assert "Run 1: complete, 5 of 5 steps done" in shown.out
    assert "intent s1 h1: bandwidth 341.3 Mbit/s, live true, max_downtime 300 ms" in shown.out
    assert "rates: s1 341.3 Mbit/s, s2 6.8 Gbit/s" in shown.out
    assert "find 28728e17-b74d-5c81-ab2b-1ba2a0b60f92: running as 'wiki'" in shown.out
    record = json.loads(cli("runs", "show", "1", "--format", "json").out)
    assert record["plan"]["kind"] == "Plan"
    assert {step["state"] for step in record["steps"]} == {"done"}
    ended = [event for event in record["events"] if event["kind"] == "outcome"]
    assert len(ended) == 5
    assert all(event["host"] and event["detail"]["bytes"] and event["detail"]["downtime"] for event in ended)


def test_a_run_that_is_not_there_is_said(cli, example):
    assert "there is no journal" in cli("runs", "show", "3").err
    cli("apply", *POLICY, "--yes")
    ended = cli("runs", "show", "3")
    assert (ended.status, ended.out) == (1, "")
    assert "there is no run 3" in ended.err


def test_a_journal_of_another_kind_of_database_is_refused(cli, example):
    ended = cli("runs", "--journal", "mysql://root:secret@db/x")
    assert ended.status == 1
    assert "postgresql+psycopg://USER@HOST/DATABASE" in ended.err
    assert "secret" not in ended.err


def test_the_journal_is_named_by_the_environment(cli, example, monkeypatch):
    monkeypatch.setenv("REBALANCE_JOURNAL", "elsewhere.sqlite")
    cli("apply", *POLICY, "--yes")
    assert (example / "elsewhere.sqlite").exists()
    assert "5 of 5" in cli("runs").out


def test_a_run_is_exported_and_replayed_without_the_journal(cli, example, monkeypatch):
    cli("apply", *POLICY, "--yes")
    assert cli("runs", "export", "1", "-o", "run.jsonl").status == 0
    lines = (example / "run.jsonl").read_text("utf-8").splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)
    shown = cli("runs", "show", "1").out
    assert cli("runs", "export", "1").out.splitlines() == lines
    monkeypatch.setenv("REBALANCE_JOURNAL", "nowhere.sqlite")
    assert cli("runs", "replay", "run.jsonl").out == shown
    broken = cli("runs", "replay", "plan.json")
    assert broken.status == 1


# Going on


def test_nothing_to_resume(cli, example):
    nothing = "nothing to resume: every run is complete, under way, or has been rolled back\n"
    assert cli("resume").err == nothing
    cli("apply", *POLICY, "--yes")
    assert cli("resume").status == 0
    again = cli("resume", "1")
    assert again.status == 0
    assert "Run 1: 5 done" in again.out


def test_a_killed_run_is_resumed(tmp_path, monkeypatch, cli):
    folder = copy_example(tmp_path / "example", speed=200)
    before = where(folder)
    with partly_done(folder, monkeypatch) as running:
        running.kill()
    there = ("-i", "inventory.yaml", "--journal", "journal.sqlite")
    assert "interrupted" in cli("runs", *there[2:]).out
    shown = cli("runs", "show", "1", *there[2:])
    assert "To go on with it: rebalance resume 1" in shown.out
    ended = cli("resume", *there)
    assert ended.status == 0, ended.err
    assert "Run 1: 5 done" in ended.out
    assert set(where(folder)) == set(before)
    assert cli("plan", *POLICY, *there, "--detailed-exitcode").status == 0


# Stopping


@pytest.mark.parametrize("now", [False, True])
def test_a_run_whose_process_is_dead_is_settled_and_starts_nothing_more(tmp_path, monkeypatch, cli, now):
    folder = copy_example(tmp_path / "example", speed=60)
    with partly_done(folder, monkeypatch) as running:
        running.kill()
    told = cli("cancel", *(["--now"] if now else []))
    assert told.status == 4
    assert f"what still runs is {'cancelled' if now else 'watched until it ends'}" in told.err
    assert "build: failed" in told.out if now else "build: failed" not in told.out
    assert where(folder)[BUILD][0] == ("h1" if now else "h3")
    assert "2 not started" in told.out or "3 not started" in told.out
    (run,) = json.loads(cli("runs", "--format", "json").out)
    assert run["state"] == "incomplete"
    assert cli("cancel").err == "run 1 has ended already: it is incomplete\n"
    assert cli("rollback", "1", "--yes").status == 0


def test_what_has_ended_does_not_hide_a_run_that_has_not(tmp_path, cli, monkeypatch):
    folder = copy_example(tmp_path / "example", speed=100)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REBALANCE_JOURNAL", "journal.sqlite")
    with start(folder, "apply", *POLICY, "--yes", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        read_until(running, "started")
        with Journal(folder / "journal.sqlite") as journal:
            journal.finish_run(journal.start_run("{}", "quickstart"), complete=True)
        told = cli("cancel", "--now", "--wait")
        running.communicate(timeout=60)
    assert told.err.startswith("run 1 of ")


@pytest.mark.parametrize("now", [False, True])
def test_a_run_of_another_process_is_stopped(tmp_path, cli, monkeypatch, now):
    folder = copy_example(tmp_path / "example", speed=100)
    with start(folder, "apply", *POLICY, "--yes", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        read_until(running, "started")
        monkeypatch.chdir(folder)
        told = cli("cancel", "--journal", "journal.sqlite", "--wait", *(["--now"] if now else []))
        out, _ = running.communicate(timeout=60)
    assert told.status == 4
    assert f"is asked to stop: it {'cancels' if now else 'finishes'} what runs" in told.err
    assert running.returncode == 4
    assert "not started" in out
    assert ("failed" in out) == now
    assert cli("cancel", "--journal", "journal.sqlite").err == "run 1 has ended already: it is incomplete\n"


def test_a_second_controller_is_told_who_has_the_hosts(tmp_path, cli, monkeypatch):
    folder = copy_example(tmp_path / "example", speed=100)
    with start(folder, "apply", *POLICY, "--yes", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        read_until(running, "started")
        monkeypatch.chdir(folder)
        second = cli("apply", *POLICY, "-i", "inventory.yaml", "--journal", "journal.sqlite", "--yes")
        resumed = cli("resume", "1", "-i", "inventory.yaml", "--journal", "journal.sqlite")
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
    for refused in (second, resumed):
        assert refused.status == 1
        assert "held by run 1 of " in refused.err
        assert f"process {running.pid}" in refused.err


# The way back


def test_a_run_is_rolled_back_with_its_names(cli, example):
    before = where(example)
    cli("apply", *POLICY, "--yes")
    moved = where(example)
    assert moved != before
    ended = cli("rollback", "1", "--yes")
    assert ended.status == 0, ended.err
    assert where(example) == before
    runs = json.loads(cli("runs", "--format", "json").out)
    assert [(run["id"], run["command"], run["undoes"]) for run in runs] == [(2, "rollback 1", 1), (1, "apply", None)]
    again = cli("rollback", "1", "--yes")
    assert (again.status, where(example)) == (0, before)
    assert again.err == "nothing to bring back: what run 1 has moved is where it was, or is left alone\n"
    assert cli("rollback", "2", "--yes").status == 0
    assert where(example) == moved


def test_what_somebody_has_moved_since_is_left_alone(cli, example):
    cli("apply", *POLICY, "--yes")
    world = example / "world.yaml"
    data = json.loads(world.read_text("utf-8"))
    (wanderer,) = [domain for domain in data["domains"] if domain["name"] == "web3"]
    wanderer["host"] = "h2"
    world.write_text(json.dumps(data), "utf-8")
    ended = cli("rollback", "1", "--yes")
    assert ended.status == 0
    assert "warning: 'web3' is left alone: run left it on h3, and it is on h2 as 'web3'" in ended.err
    assert where(example)[wanderer["uuid"]] == ("h2", "web3")


def test_what_somebody_else_has_moved_for_a_run_is_not_its_to_take_back(cli, example):
    cli("apply", *POLICY, "--yes", "--journal", "j.sqlite")
    moved = where(example)
    with Journal(example / "j.sqlite") as journal, journal._database.write() as connection:
        connection.exec_driver_sql("UPDATE steps SET intended_at = NULL")
    assert cli("rollback", "1", "--yes", "--journal", "j.sqlite").status == 0
    assert where(example) == moved


def test_a_run_with_open_ends_is_settled_before_it_is_rolled_back(cli, example):
    cli("apply", *POLICY, "--yes", "--journal", "j.sqlite")
    with Journal(example / "j.sqlite") as journal, journal._database.write() as connection:
        connection.exec_driver_sql("UPDATE steps SET state = 'intended' WHERE step = 's2'")
    ended = cli("rollback", "1", "--yes", "--journal", "j.sqlite")
    assert ended.status == 1
    assert "settle it first with 'rebalance cancel 1' (or go on with 'rebalance resume 1')" in ended.err


def stopped_early(folder: Path, cli, monkeypatch) -> None:
    """Run 1, some of whose steps are done and some not started; the folder becomes the current directory."""
    with partly_done(folder, monkeypatch):
        cli("cancel", "--now", "--wait")


def test_a_run_that_was_rolled_back_is_not_gone_on_with(tmp_path, cli, monkeypatch):
    folder = copy_example(tmp_path / "example", speed=100)
    before = where(folder)
    stopped_early(folder, cli, monkeypatch)
    assert where(folder) != before
    assert cli("rollback", "1", "--yes").status == 0
    assert where(folder) == before
    assert cli("resume").err.startswith("nothing to resume")
    refused = cli("resume", "1")
    assert refused.status == 1
    assert "run 1 is not gone on with: run 2 has brought back what it had moved" in refused.err
    assert "'rebalance rollback 2'" in refused.err
    assert where(folder) == before
    assert "apply (brought back by run 2)" in cli("runs", columns=120).out
    assert "rebalance resume" not in cli("runs", "show", "1").out
    assert [run["undone_by"] for run in json.loads(cli("runs", "--format", "json").out)] == [None, 2]
    assert json.loads(cli("runs", "show", "1", "--format", "json").out)["undone_by"] == 2
    assert cli("rollback", "2", "--yes").status == 0
    assert cli("resume", "1").status == 0, "the way back has been undone"
    assert "Run 1: 5 done" in cli("resume", "1").out


def test_what_has_become_of_a_complete_run_since_is_told(cli, example):
    cli("apply", *POLICY, "--yes")
    world = example / "world.yaml"
    world.write_text(world.read_text("utf-8").replace('"web3"', '"web-two"'), "utf-8")
    ended = cli("resume", "1")
    assert ended.status == 4
    assert "'web3' (2456912b-fd43-5c34-bdea-8334e69871db) should run on h3" in ended.out
    assert "All steps were done, but hosts say otherwise now. To go on: plan again." in ended.out
    assert "rebalance resume" not in ended.out


def test_what_somebody_has_moved_back_meanwhile_is_told_when_a_run_is_resumed(tmp_path, cli, monkeypatch):
    folder = copy_example(tmp_path / "example", speed=100)
    stopped_early(folder, cli, monkeypatch)
    world = folder / "world.yaml"
    data = json.loads(world.read_text("utf-8"))
    (moved,) = [domain for domain in data["domains"] if domain["name"] == "database-h1"]
    moved["host"] = "h3"
    world.write_text(json.dumps(data), "utf-8")
    ended = cli("resume", "1", columns=120)
    assert ended.status == 4
    assert "'database-h1' (3e612b8e-f1d3-5f6b-86c2-12389f9d45d3) should run on h2, but runs on h3" in ended.out
    assert "All steps were done, but hosts say otherwise now." in ended.out


def test_a_run_of_another_cluster_is_not_gone_on_with(cli, example):
    cli("apply", *POLICY, "--yes", "--journal", "j.sqlite")
    with Journal(example / "j.sqlite") as journal, journal._database.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET state = 'incomplete'")
    inventory = example / "inventory.yaml"
    mine = inventory.read_text("utf-8")
    inventory.write_text(mine.replace("name: quickstart", "name: elsewhere"), "utf-8")
    refused = cli("resume", "--journal", "j.sqlite")
    assert refused.status == 1
    assert "run 1 is one of the cluster 'quickstart', and the inventory is that of 'elsewhere'" in refused.err
