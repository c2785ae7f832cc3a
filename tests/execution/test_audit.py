"""An exported run replays: its events alone give what the journal has."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rebalancer_simulator import Breakdown, Faults, Outage

from rebalancer.cluster.units import Bytes, Seconds
from rebalancer.drivers import MigrationOutcome
from rebalancer.errors import InvalidInput
from rebalancer.execution import Journal, Outcome, Place, RunRecord, StepOutcome
from rebalancer.execution.audit import export_lines, replay
from tests.execution.worlds import Bench, cluster, domain, plan, step

WORLD = cluster(["h1", "h2", "h3"], [domain("a", "h1"), domain("b", "h1"), domain("c", "h2")])
STEPS = (
    step(WORLD, 1, "a", "h1", "h2"),
    step(WORLD, 2, "b", "h1", "h3", new_name="b-h1"),
    step(WORLD, 3, "c", "h2", "h3"),
)


def replayed(record: RunRecord) -> RunRecord:
    return replay(list(export_lines(record)), "run.jsonl")


def same(found: RunRecord, record: RunRecord) -> None:
    assert found.summary == record.summary
    assert found.steps == record.steps
    assert found.events == record.events
    assert json.loads(found.plan) == json.loads(record.plan)


class Ticking:
    """A clock on which no two moments are the same."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self._now += timedelta(milliseconds=7)
        return self._now


MEASURED = st.none() | st.builds(
    MigrationOutcome,
    duration=st.floats(0, 1e6).map(Seconds),
    downtime=st.none() | st.floats(0, 60).map(Seconds),
    transferred=st.none() | st.integers(0, 2**50).map(Bytes),
    memory=st.none() | st.integers(0, 2**50).map(Bytes),
)
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["intent", "outcome", "again", "event", "note", "end", "taken over", "stop"]),
        st.sampled_from(STEPS),
        st.sampled_from(Outcome),
        st.text(max_size=8),
        MEASURED,
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(deeds=DEEDS)
def test_whatever_is_written_the_events_tell_all_of_it(deeds) -> None:  # type: ignore[no-untyped-def]
    with Journal(None, now=Ticking()) as journal:
        run = journal.start_run('{"kind": "Plan", "steps": []}', "lab", STEPS, command="apply")
        for kind, planned, outcome, words, measured in deeds:
            match kind:
                case "intent":
                    journal.intent(run, planned, {"live": True, "new_name": words})
                case "outcome":
                    place = Place(host=planned.destination, name=words or "x") if measured else None
                    found = StepOutcome(step=planned.id, outcome=outcome, reason=words, place=place, measured=measured)
                    journal.outcome(run, found)
                case "again":
                    journal.again(run, planned.id, words)
                case "event":
                    journal.event(run, "rates", planned.id, {"rate": 1.5, "why": words}, host="h1")
                case "note":
                    journal.note(run, "waits", planned.id, {"reason": words})
                case "end":
                    journal.finish_run(run, complete=outcome is Outcome.DONE)
                    journal.take_over(run)
                case "taken over":
                    journal.take_over(run)
                case "stop":
                    journal.request_stop(run, 2 if words else 1)
        journal.finish_run(run, complete=False)
        record = journal.run(run)
    same(replayed(record), record)


def test_a_real_run_replays_with_its_commands_and_decisions() -> None:
    faults = Faults(breakdowns=(Breakdown(nth=2),), outages=(Outage(host="h3", until=3.0),))
    bench = Bench(WORLD, faults)
    made = plan(WORLD, STEPS[0], STEPS[1], replace(STEPS[2], after=("s2",)))
    result = bench.run(made)
    assert not result.complete
    record = bench.journal.run(1)
    same(replayed(record), record)
    told = [event.detail["command"] for event in record.events if event.kind == "asked"]
    assert any(str(command).startswith(f"migrate {STEPS[0].uuid} to h2") for command in told)
    assert any(str(command).startswith(f"find {STEPS[0].uuid}") for command in told)
    assert {event.kind for event in record.events} >= {"run", "waits", "asked", "intent", "outcome", "again", "end"}
    assert all(event.detail["reason"] for event in record.events if event.kind in ("waits", "again"))


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ([], 1),
        (["no json"], 1),
        (['{"apiVersion": "rebalancer/v1", "kind": "Plan"}'], 1),
        (["{}"], 1),
    ],
)
def test_what_is_no_exported_run_is_refused_with_its_line(lines: list[str], line: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        replay(lines, "run.jsonl")
    assert str(caught.value).startswith(f"run.jsonl:{line}:1: ")


def test_a_line_that_is_no_event_is_named() -> None:
    with Journal(None) as journal:
        lines = [*export_lines(journal.run(journal.start_run("{}", "lab", STEPS))), '{"kind": "intent"}\n']
    with pytest.raises(InvalidInput, match=r"run\.jsonl:3:1"):
        replay(lines, "run.jsonl")
