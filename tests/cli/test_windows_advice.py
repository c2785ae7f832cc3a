"""Windows, and plans that must be advised several times in a row, from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rebalancer.execution import Journal

SOON = datetime.now(UTC) + timedelta(hours=5)
CLOSED = f'windows: [{{cron: "0 {SOON.hour} * * *", duration: 1 h}}]\n'
OPEN = 'windows: [{cron: "* * * * *", duration: 1 h}]\n'


def window_policy(example: Path, windows: str) -> tuple[str, ...]:
    text = (example / "policy.yaml").read_text("utf-8")
    (example / "window.yaml").write_text(text + windows, "utf-8")
    return ("-p", "./window.yaml")


def test_outside_of_a_window_nothing_is_applied_unless_asked_for(cli, example):
    policy = window_policy(example, CLOSED)
    for command in ("plan", "check"):
        assert "windows: closed until 20" in cli(command, *policy).err
    cli("plan", *policy, "-o", "plan.json")
    for given in (policy, ("plan.json",)):
        refused = cli("apply", *given, "--yes")
        assert refused.status == 1
        assert "the policy's windows are closed until" in refused.err
        assert "nothing was started (--now goes on regardless)" in refused.err
    ended = cli("apply", "plan.json", "--yes", "--now")
    assert ended.status == 0
    assert "warning: the policy's windows are closed" in ended.err


def test_outside_of_a_window_a_run_is_settled_but_nothing_is_started_unless_asked_for(cli, example):
    policy = window_policy(example, CLOSED)
    journal = ("--journal", "j.sqlite")
    cli("apply", *policy, "--yes", "--now", *journal)
    with Journal(example / "j.sqlite") as opened, opened._database.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET state = 'incomplete'")
        connection.exec_driver_sql("UPDATE steps SET state = 'not started', attempts = 0 WHERE step = 's5'")
    held = cli("resume", *journal)
    assert held.status == 4
    assert "what was under way is settled, and nothing is started (--now goes on regardless)" in held.err
    assert "Run 1: 4 done, 1 not started" in held.out
    ended = cli("resume", "--now", *journal)
    assert (ended.status, "warning" in ended.err) == (0, False)


def test_inside_of_a_window_a_plan_is_applied(cli, example):
    policy = window_policy(example, OPEN)
    assert "windows: open until 20" in cli("plan", *policy).err
    assert cli("apply", *policy, "--yes").status == 0


EVEN = """\
apiVersion: rebalancer/v1
kind: Policy
goals: [{balance: {resource: memory}}]
limits: {confirmations: 3}
"""


def snapshot(folder: Path, minute: int, crowded: int = 4) -> Path:
    """Hosts of which one is more crowded than the other, read at some time."""
    domains = [
        {"name": f"d{n}", "uuid": f"00000000-0000-0000-0000-00000000000{n}", "host": "h1" if n < crowded else "h2"}
        for n in range(6)
    ]
    data = {
        "apiVersion": "rebalancer/v1",
        "kind": "Cluster",
        "metadata": {"name": "lab", "taken_at": f"2026-11-22T18:{minute:02}:00Z"},
        "hosts": [
            {"name": name, "capacity": {"memory": 64}, "migration": {"live": True, "rename": True}}
            for name in ("h1", "h2")
        ],
        "domains": [{**each, "state": "running", "uses": {"memory": 8}} for each in domains],
    }
    path = folder / "cluster.json"
    path.write_text(json.dumps(data), "utf-8")
    return path


def planned(cli, folder: Path, minute: int, crowded: int = 4) -> str:
    ended = cli("plan", "--snapshot", str(snapshot(folder, minute, crowded)), "-p", "./even.yaml", "--journal", "j.db")
    assert ended.status == 0, ended.err
    assert "warning" not in ended.err
    return ended.out


def test_a_plan_is_confirmed_by_being_advised_again_and_again(cli, example):
    (example / "even.yaml").write_text(EVEN, "utf-8")
    assert "advised for the 1. time of 3 in a row" in planned(cli, example, 1)
    # The same observation again confirms nothing.
    assert "advised for the 1. time of 3 in a row" in planned(cli, example, 1)
    assert "advised for the 2. time of 3 in a row" in planned(cli, example, 2)
    assert "1 migration" in planned(cli, example, 3)
    kept = json.loads((example / "j.advice.json").read_text("utf-8"))
    assert [len(each) for each in kept["advice"].values()] == [3]


def test_other_advice_in_between_starts_anew(cli, example):
    (example / "even.yaml").write_text(EVEN, "utf-8")
    planned(cli, example, 1)
    planned(cli, example, 2)
    assert "Nothing to do" in planned(cli, example, 3, crowded=3)
    assert "advised for the 1. time of 3 in a row" in planned(cli, example, 4)


def test_a_book_that_cannot_be_read_is_forgotten(cli, example):
    (example / "even.yaml").write_text(EVEN, "utf-8")
    (example / "j.advice.json").write_text("{", "utf-8")
    ended = cli("plan", "--snapshot", str(snapshot(example, 1)), "-p", "./even.yaml", "--journal", "j.db")
    assert ended.status == 0
    assert "warning: what earlier plans advised cannot be read, and is forgotten" in ended.err
    assert "advised for the 2. time" in planned(cli, example, 2)
