from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rebalancer_simulator import SimulatedHosts, Simulation

from rebalancer.errors import RunError
from rebalancer.execution import (
    Journal,
    Outcome,
    Place,
    RunState,
    StepOutcome,
    StepState,
    default_journal_path,
    execute,
)
from rebalancer.execution.journal.migrations import MIGRATIONS
from tests.execution.worlds import Bench, cluster, domain, plan, step

WORLD = cluster(["h1", "h2"], [domain("a", "h1"), domain("b", "h1")])
STEPS = step(WORLD, 1, "a", "h1", "h2"), step(WORLD, 2, "b", "h1", "h2")


def make_read_only(journal: Journal) -> None:
    with journal._database.read() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")


def opened(path: Path | None) -> Journal:
    return Journal(path, now=lambda: datetime(2026, 11, 22, 18, 0, tzinfo=UTC))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    with opened(tmp_path / "state" / "journal.sqlite") as journal:
        run = journal.start_run('{"kind": "Plan"}', "lab", STEPS)
        journal.intent(run, STEPS[0], {"live": True})
        journal.event(run, "rates", None, {"s1": 1.0})
        place = Place(host="h2", name="a")
        journal.outcome(run, StepOutcome(step="s1", outcome=Outcome.DONE, place=place))
        journal.finish_run(run, complete=False)
    with opened(tmp_path / "state" / "journal.sqlite") as journal:
        record = journal.run(run)
        assert journal.list_runs() == (record.summary,)
    assert (record.summary.state, record.summary.steps, record.summary.done) == (RunState.INCOMPLETE, 2, 1)
    assert record.summary.started_at == "2026-11-22T18:00:00.000Z"
    assert record.plan == '{"kind": "Plan"}'
    assert [(s.step, s.state, s.host_now) for s in record.steps] == [("s1", "done", "h2"), ("s2", "planned", None)]
    assert [event.kind for event in record.events] == ["run", "intent", "rates", "outcome", "end"]
    assert (record.events[1].host, record.events[1].detail) == ("h1", {"live": True})
    assert (record.events[3].host, record.events[3].step) == ("h2", "s1")


def test_an_intent_is_on_disk_before_the_driver_is_called(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    states: list[str] = []

    class Watching(Simulation):
        def begin(self, *values, **options):  # type: ignore[no-untyped-def]
            with sqlite3.connect(path) as other:
                states.extend(row[0] for row in other.execute("SELECT state FROM steps"))
            other.close()
            return super().begin(*values, **options)

    hosts = SimulatedHosts(Watching(WORLD))
    with Journal(path) as journal:
        execute(plan(WORLD, STEPS[0]), WORLD, hosts, journal, clock=hosts.clock(), plan_text="{}")
    assert states == ["intended"]


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.sqlite"
    with opened(path) as journal:
        journal.start_run("{}", "lab")
        side_files = sorted(path.parent.iterdir())
        assert [file.stat().st_mode & 0o777 for file in side_files] == [0o600] * len(side_files)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_it_is_durable_by_configuration(tmp_path: Path) -> None:
    with opened(tmp_path / "journal.sqlite") as journal, journal._database.read() as connection:

        def ask(pragma: str) -> object:
            return connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()

        assert ask("journal_mode") == "wal"
        assert ask("synchronous") == 2
        assert ask("user_version") == len(MIGRATIONS)


VERSION_1 = Path(__file__).parent / "journal-1.sql"
"""A journal of format 1, with a run that was killed in its second step."""


def test_a_journal_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    database = sqlite3.connect(path)
    database.executescript(VERSION_1.read_text("utf-8"))
    database.close()
    with opened(path) as journal:
        assert journal._database.version() == len(MIGRATIONS)
        record = journal.run(1)
        assert (record.summary.state, record.summary.who, record.summary.done) == (RunState.RUNNING, "", 1)
        assert [step.state for step in record.steps] == [StepState.DONE, StepState.INTENDED]
        assert [event.kind for event in record.events] == ["intent", "outcome", "intent"]
        assert journal.leases() == ()
        journal.take_over(1)
        assert {lease.host for lease in journal.leases(1)} == {"h1", "h2", "h3"}


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(RunError, match="newer version"):
        opened(path)


@pytest.mark.parametrize("content", [b"no database" * 100])
def test_what_is_not_a_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)
    with pytest.raises(RunError, match="cannot open the journal"):
        opened(path)
    with pytest.raises(RunError, match="cannot open the journal"):
        opened(tmp_path)


def test_nothing_is_started_when_the_journal_cannot_be_written(tmp_path: Path) -> None:
    bench = Bench(WORLD)
    bench.journal = opened(tmp_path / "journal.sqlite")
    make_read_only(bench.journal)
    with pytest.raises(RunError, match="cannot write the journal"):
        bench.run(plan(WORLD, *STEPS))
    assert not bench.simulation.transfers
    bench.journal.close()


def test_a_journal_that_breaks_in_mid_run_stops_further_steps(tmp_path: Path) -> None:
    class Breaking(Journal):
        def outcome(self, run: int, outcome: StepOutcome) -> None:
            super().outcome(run, outcome)
            make_read_only(self)

    bench = Bench(WORLD)
    bench.journal = Breaking(tmp_path / "journal.sqlite")
    chained = STEPS[0], step(WORLD, 2, "b", "h1", "h2", after=["s1"])
    result = bench.run(plan(WORLD, *chained))
    bench.journal.close()
    assert {key: outcome.outcome.value for key, outcome in result.outcomes.items()} == {
        "s1": "done",
        "s2": "not started",
    }
    assert not result.complete
    assert "cannot write the journal" in result.problems[0]


def test_a_run_that_is_not_there() -> None:
    with opened(None) as journal, pytest.raises(RunError, match="no run 7"):
        journal.run(7)


def test_the_default_path_follows_the_xdg_specification(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_journal_path() == tmp_path / "rebalancer" / "journal.sqlite"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_journal_path() == tmp_path / ".local" / "state" / "rebalancer" / "journal.sqlite"
