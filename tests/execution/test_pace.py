"""Limits over time and windows: counted from the journal, while time goes by in a simulated world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rebalancer.cluster.units import Seconds
from rebalancer.execution import Journal, Outcome, RunResult, Silent
from rebalancer.execution.resume import resume
from rebalancer.plan.model import Pace, Plan
from rebalancer.policy.windows import WindowEntry
from tests.execution import worlds
from tests.execution.worlds import GB, Bench, cluster, domain, plan, step, uuid

START = datetime(2026, 11, 28, 22, 0, tzinfo=UTC)
WORLD = cluster(["h1", "h2", "h3"], [domain(name, "h1", memory=4 * GB) for name in "abcd"])
STEPS = [step(WORLD, number, name, "h1", "h2") for number, name in enumerate("abcd")]


class DatedBench(Bench):
    """The journal's clock is the world's."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__(WORLD)
        self.start = start
        self.journal = Journal(None, now=self.now)
        worlds.OPEN.append(self.journal)

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.hosts.clock().now())

    def earlier(self, name: str, ago: timedelta) -> None:
        """Another run has moved a domain, and somebody has moved it back since."""
        wanted, self.journal._now = self.journal._now, lambda: self.now() - ago
        made = step(WORLD, 1, name, "h1", "h3")
        run = self.journal.start_run("{}", "test", [made])
        self.journal.intent(run, made, {})
        self.journal.finish_run(run, complete=False)
        self.journal._now = wanted


def paced(pace: Pace, planned: datetime = START - timedelta(days=1)) -> Plan:
    made = plan(WORLD, *STEPS)
    return replace(made, guards=replace(made.guards, pace=pace), created_at=planned.isoformat())


def outcomes(result: RunResult) -> list[str]:
    return [outcome.outcome.value for outcome in result.outcomes.values()]


def test_a_run_waits_until_the_hour_has_room_again() -> None:
    bench, held = DatedBench(), list[tuple[str, ...]]()

    class Listener(Silent):
        def run_held(self, reasons: Sequence[str]) -> None:
            held.append(tuple(reasons))

    assert bench.run(paced(Pace(per_hour=2)), observer=Listener()).complete
    assert held[0][0].startswith(
        "2 domains were moved in the last hour, and the policy allows 2: the next may go in 1 h"
    )
    assert held[-1] == ()
    began = [transfer.started for transfer in bench.simulation.transfers]
    assert began[1] - began[0] < 60
    assert began[2] - began[0] >= 3599.9
    assert began[3] - began[1] >= 3599.9
    assert began[3] < 3800


def test_what_other_runs_moved_counts() -> None:
    bench = DatedBench()
    bench.earlier("d", timedelta(minutes=50))
    assert bench.run(paced(Pace(per_hour=1))).complete
    began = [transfer.started for transfer in bench.simulation.transfers]
    assert 590 < began[0] < 610


@pytest.mark.parametrize(
    ("pace", "words"),
    [
        (Pace(cooldown=Seconds(3600.0)), "ago by run 1, and the policy's cooldown is 1 h"),
        (Pace(per_domain=(1, Seconds(86400.0))), "ago by run 1, 1 times in 1 d, and the policy allows 1"),
    ],
)
def test_a_domain_that_was_moved_since_the_plan_was_made_stays(pace: Pace, words: str) -> None:
    bench = DatedBench()
    bench.earlier("a", timedelta(minutes=10))
    result = bench.run(paced(pace))
    assert outcomes(result) == ["not started", "done", "done", "done"]
    assert words in result.outcomes["s0"].reason
    assert bench.placement()[uuid("a")] == ["h1"]


def test_what_the_plan_knew_it_has_weighed() -> None:
    bench = DatedBench()
    bench.earlier("a", timedelta(minutes=10))
    assert bench.run(paced(Pace(cooldown=Seconds(3600.0)), planned=START)).complete


def test_a_window_that_closes_lets_what_runs_end_and_stops_the_rest() -> None:
    bench = DatedBench(START + timedelta(seconds=57))
    window = WindowEntry(cron="0 22 * * *", duration=Seconds(60.0))
    result = bench.run(replace(plan(WORLD, *STEPS), windows=(window,)))
    assert outcomes(result) == ["done", "done", "not started", "not started"]
    assert result.outcomes["s2"].reason.startswith("the policy's windows are closed until 2026-11-29 22:00 UTC")
    assert bench.hosts.clock().now() < 60


def test_who_goes_on_regardless_of_windows_is_not_stopped_by_them() -> None:
    bench = DatedBench()
    window = WindowEntry(cron="0 3 * * *", duration=Seconds(3600.0))
    result = bench.run(replace(plan(WORLD, *STEPS), windows=(window,)))
    assert {outcome.outcome for outcome in result.outcomes.values()} == {Outcome.DONE}


def test_a_run_that_is_resumed_outside_of_its_windows_starts_nothing() -> None:
    bench = DatedBench(START + timedelta(seconds=57))
    window = WindowEntry(cron="0 22 * * *", duration=Seconds(60.0))
    made = replace(plan(WORLD, *STEPS), windows=(window,))
    bench.run(made)
    bench.hosts.clock().sleep(Seconds(60.0))

    def go_on(plan: Plan) -> RunResult:
        return resume(1, plan, bench.simulation.seen, bench.hosts, bench.journal, clock=bench.hosts.clock())

    result = go_on(made)
    assert outcomes(result) == ["done", "done", "not started", "not started"]
    assert result.outcomes["s2"].reason.startswith("the policy's windows are closed until 2026-11-29 22:00 UTC")
    assert outcomes(go_on(replace(made, windows=()))) == ["done"] * 4
