"""From the journal's finished migrations to what they teach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rebalancer.cluster.snapshot import fingerprint
from rebalancer.cluster.units import Bytes, Seconds
from rebalancer.drivers import MigrationOutcome
from rebalancer.execution import Journal, Outcome, Place, StepOutcome
from rebalancer.execution.experience import finished_migrations, read_experience
from rebalancer.plan.experience import Experience
from rebalancer.plan.file import dump_plan
from tests.execution.worlds import cluster, domain, plan, step

WORLD = cluster(["h1", "h2"], [domain("a", "h1")])
STEP = step(WORLD, 1, "a", "h1", "h2")
MIB = 2.0**20


class Watch:
    """A clock that is told how late it is."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> datetime:
        return datetime(2026, 11, 22, 18, 0, tzinfo=UTC) + timedelta(seconds=self.seconds)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def journal(watch: Watch) -> Iterator[Journal]:
    with Journal(None, now=watch) as opened:
        yield opened


def one_run(
    journal: Journal, watch: Watch, *, outcome: Outcome = Outcome.DONE, text: str | None = None, helped: bool = False
) -> int:
    """20 s, in the last 16 of which the hypervisor copies; 100 MiB/s for a quarter of the time, then 20 MiB/s."""
    run = journal.start_run(
        dump_plan(replace(plan(WORLD, STEP), fingerprint=fingerprint(WORLD))) if text is None else text, "lab", [STEP]
    )
    start = watch.seconds
    journal.intent(run, STEP, {"bandwidth": 100 * MIB})
    watch.seconds = start + 5
    journal.event(run, "rates", None, {STEP.id: 20 * MIB})
    if helped:
        journal.event(run, "not converging", STEP.id, {"taken": "auto_converge"})
    watch.seconds = start + 20
    measured = MigrationOutcome(
        duration=Seconds(16.0), transferred=Bytes(round(16 * 20 * MIB)), memory=Bytes(round(250 * MIB))
    )
    place = Place(host="h2", name="a")
    journal.outcome(run, StepOutcome(step=STEP.id, outcome=outcome, place=place, measured=measured))
    journal.finish_run(run, complete=outcome is Outcome.DONE)
    return run


def test_times_bytes_and_rates_are_those_of_the_run(journal: Journal, watch: Watch) -> None:
    (found,) = finished_migrations(journal.run(one_run(journal, watch)))
    assert (found.source, found.destination, found.uuid) == ("h1", "h2", STEP.uuid)
    assert (found.lasted, found.copying) == (20.0, 16.0)
    assert found.rate == pytest.approx((1 * 100 + 15 * 20) / 16 * MIB), "the 4 s before that it was set up"
    assert found.traits == WORLD.domains[0].migration
    assert found.memory == 250 * MIB


def test_a_migration_that_was_helped_to_its_end_says_nothing_of_the_next(journal: Journal, watch: Watch) -> None:
    assert not list(finished_migrations(journal.run(one_run(journal, watch, helped=True))))


def test_the_next_plan_knows(journal: Journal, watch: Watch) -> None:
    one_run(journal, watch)
    overheads = read_experience(journal).overheads("h1", "h2")
    assert overheads.setup + overheads.finish == pytest.approx(4.0)
    assert overheads.efficiency == pytest.approx(20 / 25)


@pytest.mark.parametrize(("outcome", "text"), [(Outcome.FAILED, None), (Outcome.DONE, "{}")])
def test_failures_and_plans_that_cannot_be_read_teach_nothing(
    journal: Journal, watch: Watch, outcome: Outcome, text: str | None
) -> None:
    one_run(journal, watch, outcome=outcome, text=text)
    assert read_experience(journal) == Experience()
