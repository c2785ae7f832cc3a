"""``rebalance apply`` and ``evacuate``, on simulated hosts that are changed by it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rebalancer_simulator import Breakdown, Faults, SimulatorDriver

from rebalancer.cluster.snapshot import parse_snapshot
from rebalancer.execution import Journal
from tests.cli.commands import copy_example, read_until

POLICY = ("-p", "./policy.yaml")


def where(example: Path) -> dict[str, str]:
    """Host by name of every domain, as the simulated world has it now."""
    cluster = parse_snapshot((example / "world.yaml").read_text("utf-8"), "world.yaml")
    return {
        domain.name if domain.name != "database" else f"database@{domain.host}": domain.host
        for domain in cluster.domains
    }


def test_a_plan_is_carried_out_and_planning_again_gives_an_empty_one(cli, example):
    before = where(example)
    assert cli("plan", *POLICY, "-o", "plan.json").status == 0
    ended = cli("apply", "plan.json", "--yes")
    assert ended.status == 0
    assert "All done; every host was read again and agrees." in ended.out
    after = where(example)
    assert after["database-h1"] == after["database@h2"] == "h2"
    assert len(after) == len(before) == 10
    assert cli("plan", *POLICY, "--detailed-exitcode").status == 0
    assert cli("check", *POLICY).status == 0


def test_the_run_is_in_the_journal(cli, example):
    assert cli("apply", *POLICY, "--yes", "--journal", "runs/journal.sqlite").status == 0
    with Journal(example / "runs" / "journal.sqlite") as journal:
        (run,) = journal.list_runs()
    assert (run.steps, run.done) == (5, 5)


def test_a_plan_for_another_state_is_refused_with_what_differs(cli, example):
    cli("plan", *POLICY, "-o", "plan.json")
    world = (example / "world.yaml").read_text("utf-8")
    (example / "world.yaml").write_text(world.replace("name: wiki", "name: wiki-old"), "utf-8")
    changed = (example / "world.yaml").read_bytes()
    ended = cli("apply", "plan.json", "--yes")
    assert (ended.status, ended.out) == (1, "")
    assert "not the one that the plan was made for" in ended.err
    assert "wiki-old" in ended.err
    assert (example / "world.yaml").read_bytes() == changed


def test_a_plan_and_policies_together_are_refused(cli, example):
    cli("plan", *POLICY, "-o", "plan.json")
    ended = cli("apply", "plan.json", *POLICY, "--yes")
    assert (ended.status, ended.err) == (
        1,
        "error: give a plan or policies (-p), not both: a plan is carried out as it is\n",
    )


@pytest.fixture
def _no_terminal(monkeypatch):
    with Path(os.devnull).open() as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        yield


@pytest.mark.usefixtures("_no_terminal")
def test_nobody_to_ask_is_an_error(cli, example):
    before = where(example)
    ended = cli("apply", *POLICY)
    assert ended.status == 1
    assert (
        ended.err == "error: cannot ask whether to go on: standard input is no terminal; add --yes to go on unasked\n"
    )
    assert "5 migrations" in ended.out
    assert where(example) == before


def test_the_result_as_json_is_all_of_standard_output(cli, example):
    ended = cli("apply", *POLICY, "--yes", "--format", "json")
    data = json.loads(ended.out)
    assert ended.status == 0
    assert data["complete"] is True
    assert {step["outcome"] for step in data["steps"]} == {"done"}
    assert {"host": "h2", "name": "database-h1"} in data["where"].values()


@pytest.mark.usefixtures("_no_terminal")
def test_nothing_to_do_asks_nothing(cli, example):
    cli("apply", *POLICY, "--yes")
    ended = cli("apply", *POLICY)
    assert ended.status == 0
    assert "Nothing to do" in ended.out


@pytest.fixture
def _first_migration_breaks(monkeypatch):
    class Breaking(SimulatorDriver):
        def connect(self, host):
            connection = super().connect(host)
            for world in self._worlds.values():
                world.simulation.faults = Faults(breakdowns=(Breakdown(nth=1),))
            return connection

    class Point:
        def load(self):
            return Breaking

    monkeypatch.setattr("rebalancer.drivers.registry.entry_points", lambda **_: [Point()])


@pytest.mark.usefixtures("_first_migration_breaks")
def test_a_failed_migration_is_told_and_the_rest_goes_on(cli, example):
    ended = cli("apply", *POLICY, "--yes")
    assert ended.status == 4
    assert "Run 1: 4 done, 1 failed" in ended.out
    assert "unexpectedly failed" in ended.out
    assert "To go on: rebalance resume 1; or plan again." in " ".join(ended.out.split())
    assert where(example)["build"] == "h1"


@pytest.mark.usefixtures("_first_migration_breaks")
def test_a_failed_migration_in_json(cli, example):
    ended = cli("apply", *POLICY, "--yes", "--format", "json")
    assert ended.status == 4
    data = json.loads(ended.out)
    assert data["complete"] is False
    assert [step["outcome"] for step in data["steps"]].count("failed") == 1


def start(folder: Path, *arguments: str, **streams: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rebalancer", *arguments, "-i", "inventory.yaml", "--journal", "journal.sqlite"],
        cwd=folder,
        text=True,
        **streams,
    )


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_finishes_what_runs_and_twice_cancels_it(tmp_path, times):
    folder = copy_example(tmp_path / "example", speed=200)
    with start(folder, "apply", *POLICY, "--yes", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        seen = read_until(running, "started")
        for _ in range(times):
            running.send_signal(signal.SIGINT)
            time.sleep(0.3)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 4
    assert "stopping: what runs is finished" in err
    assert ("cancelling" in err) == (times == 2)
    assert "Traceback" not in err
    assert "not started" in out
    assert len(where(folder)) == 10
    first = re.search(r"\bs1 +(\w+)", seen)
    assert first
    assert (where(folder)[first[1]] == "h3") == (times == 1)


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_it_asks_on_a_terminal(tmp_path, answer, status):
    folder = copy_example(tmp_path / "example")
    before = where(folder)
    ours, theirs = pty.openpty()
    try:
        with start(folder, "apply", *POLICY, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            os.write(ours, answer.encode())
            _, err = running.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert running.returncode == status
    assert "Carry out 5 migrations? [y/N]" in err
    assert (where(folder) == before) == (status == 1)


# Evacuating


def test_evacuating_leaves_no_running_domain(cli, example):
    ended = cli("evacuate", "h1", "--yes")
    assert ended.status == 0
    assert "h1" not in where(example).values()


def test_evacuating_two_hosts_at_once(cli, example):
    assert cli("evacuate", "h1", "h2", "--yes").status == 0
    assert set(where(example).values()) == {"h3"}


def test_what_cannot_leave_is_told_before_anything_starts(cli, example):
    before = where(example)
    ended = cli("evacuate", "h2", "--yes", *POLICY)
    assert ended.status == 1
    assert ended.err == "error: cannot leave h2: 'database'; nothing was started (--partial moves the others)\n"
    assert "database on h2\n    h1, h3: pin" in ended.out
    assert where(example) == before


def test_partial_moves_what_can_leave(cli, example):
    ended = cli("evacuate", "h2", "--yes", "--partial", *POLICY)
    assert ended.status == 0
    assert "warning: cannot leave h2: 'database'" in ended.err


def test_an_unknown_host_is_named_with_the_nearest(cli, example):
    ended = cli("evacuate", "h11", "h2", "--yes")
    assert (ended.status, ended.err) == (1, "error: there is no host 'h11'; did you mean 'h1'?\n")
