"""What may hold a run besides hosts and links, in a simulated world: pressure, probes, hooks, retries."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rebalancer_simulator import Breakdown, Faults, Simulation
from rebalancer_simulator.transfer import Transfer

from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import MigrationOptions
from rebalancer.execution import Outcome, Silent, StopSignal
from rebalancer.execution.resume import resume
from rebalancer.execution.retry import LONGEST, MOST, SPREAD, Retries
from rebalancer.inventory import Call, Hook, Moment, Probe, Safeguards
from rebalancer.plan.model import Step
from rebalancer.policy.model import MigrationSettings
from tests.execution.worlds import GB, Bench, cluster, domain, plan, step, uuid

DAY = Seconds(86400.0)
TWO = [domain("a", "h1"), domain("b", "h1")]


def bench_of_two() -> tuple[Bench, object]:
    world = cluster(["h1", "h2", "h3"], TWO)
    return Bench(world), plan(world, step(world, 1, "a", "h1", "h2"), step(world, 2, "b", "h1", "h3", after=["s1"]))


class Listener(Silent):
    """Notes what a run says of what holds it."""

    def __init__(self) -> None:
        self.held: list[tuple[str, ...]] = []
        self.postponed: list[tuple[str, str]] = []

    def run_held(self, reasons: Sequence[str]) -> None:
        self.held.append(tuple(reasons))

    def step_postponed(self, step: Step, reason: str) -> None:
        self.postponed.append((step.id, reason))


class Scribe:
    """A command that appends what it is told to a file, and ends as it is wanted to."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "told"
        self.file.touch()

    def __call__(self, status: int = 0, says: str = "", only: str = "") -> Call:
        code = (
            "import json, sys; told = sys.stdin.read(); open(sys.argv[1], 'a').write(told + '\\n'); print(sys.argv[2]);"
            "sys.exit(int(sys.argv[3]) if sys.argv[4] in told else 0)"
        )
        return Call(command=(sys.executable, "-c", code, str(self.file), says, str(status), only))

    @property
    def told(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    return Scribe(tmp_path)


def hooks(call: Call, *moments: Moment, veto: bool = False) -> Safeguards:
    return Safeguards(hooks=tuple(Hook(moment=moment, call=call, veto=veto) for moment in moments))


# Pressure


class Busy(Simulation):
    """A world in which h2 is short of memory until a moment."""

    until = 40.0

    def advance(self, to: float) -> None:
        super().advance(to)
        self.press("h2", memory=0.5 if self.now < self.until else 0.0)

    def begin(self, uuid: str, source: str, destination: str, options: MigrationOptions) -> Transfer:
        assert self.now >= self.until
        return super().begin(uuid, source, destination, options)


def test_a_destination_that_is_short_of_memory_pauses_the_run() -> None:
    bench, made = bench_of_two()
    bench.simulation.__class__ = Busy
    listener = Listener()
    result = bench.run(made, safeguards=Safeguards(pressure={"memory": 0.2}), observer=listener)
    assert result.complete
    why = "the run is paused: on h2 something waited for memory 50% of the time, 20% is allowed"
    assert listener.held == [(why,), ()]
    (paused,) = bench.events("paused")
    assert paused["reason"] == "on h2 something waited for memory 50% of the time, 20% is allowed"
    assert len(bench.events("goes on")) == 1


def test_a_source_that_is_short_of_memory_is_relieved() -> None:
    bench, made = bench_of_two()
    bench.simulation.press("h1", memory=0.9)
    assert bench.run(made, safeguards=Safeguards(pressure={"memory": 0.2})).complete


def test_a_run_that_is_paused_for_too_long_ends_with_everything_safe() -> None:
    bench, made = bench_of_two()
    bench.simulation.press("h2", memory=0.9)
    result = bench.run(made, safeguards=Safeguards(pressure={"memory": 0.2}, patience=Seconds(300.0)))
    assert [outcome.outcome for outcome in result.outcomes.values()] == [Outcome.NOT_STARTED, Outcome.SKIPPED]
    assert "the run is paused: on h2" in result.outcomes["s1"].reason
    assert bench.placement() == {uuid("a"): ["h1"], uuid("b"): ["h1"]}
    assert 300 <= bench.hosts.clock().now() < 310


# Probes


def test_a_probe_that_fails_pauses_the_run(scribe: Scribe) -> None:
    bench, made = bench_of_two()
    probe = Probe(name="storage", call=scribe(1, "three disks are gone"))
    result = bench.run(made, safeguards=Safeguards(probes=(probe,), patience=DAY))
    assert result.outcomes["s1"].outcome is Outcome.NOT_STARTED
    assert "the probe 'storage' fails: three disks are gone" in result.outcomes["s1"].reason
    assert bench.simulation.transfers == []


def test_a_probe_that_is_well_lets_it_go_on(scribe: Scribe) -> None:
    bench, made = bench_of_two()
    probe = Probe(name="storage", call=scribe(), every=DAY)
    assert bench.run(made, safeguards=Safeguards(probes=(probe,), patience=DAY)).complete
    assert scribe.told == [{"moment": "probe", "probe": "storage"}]


# Hooks


def test_everybody_is_asked_and_told_in_turn(scribe: Scribe) -> None:
    bench, made = bench_of_two()
    assert bench.run(made, safeguards=hooks(scribe(), *Moment)).complete
    told = [(told["moment"], told.get("step", {}).get("id")) for told in scribe.told]
    assert told[0] == ("before_run", None)
    assert told[-1] == ("after_run", None)
    assert sorted(told[1:-1]) == [
        ("after_step", "s1"),
        ("after_step", "s2"),
        ("before_step", "s1"),
        ("before_step", "s2"),
    ]
    after = next(told for told in scribe.told if told["moment"] == "after_step")
    assert after["outcome"]["outcome"] == "done"
    assert {told["run"] for told in scribe.told} == {1}


@pytest.mark.parametrize("narrow", [False, True])
def test_nobody_is_asked_about_a_step_long_before_it_starts(scribe: Scribe, narrow: bool) -> None:
    """Who has to wait until others have ended, for a slot or for a link, is asked then, and once."""
    world = cluster(["h1", "h2"], [domain(name, "h1", memory=4 * GB) for name in "abcd"], uplink=1.25e9)
    settings = MigrationSettings(total=9 if narrow else 2, per_host=9)
    steps = [step(world, n, name, "h1", "h2", settings=settings) for n, name in enumerate("abcd")]
    made = plan(world, *(replace(each, bandwidth=BytesPerSecond(1.2e9) if narrow else None) for each in steps))
    asked: list[list[str]] = []

    class Listener(Silent):
        def step_started(self, step: Step, rate: BytesPerSecond | None, behind: Sequence[str] = ()) -> None:
            time.sleep(0.3)  # whoever is asked is a process of its own
            asked.append(sorted(str(told["step"]["id"]) for told in scribe.told))

    assert Bench(world).run(made, safeguards=hooks(scribe(), Moment.BEFORE_STEP), observer=Listener()).complete
    most = 1 if narrow else 2
    assert len(asked[0]) == most
    assert asked[-1] == ["s0", "s1", "s2", "s3"]


def test_a_step_for_which_room_is_kept_no_longer_is_asked_about_once(scribe: Scribe) -> None:
    """With nothing under way a step may take what is kept for an earlier one, and still waits for its hook."""
    world = cluster(
        ["h1", "h2", "h3"], [domain("a", "h1", memory=6 * GB), domain("b", "h1", memory=6 * GB), domain("c", "h1")]
    )
    steps = (
        step(world, 1, "a", "h1", "h2", after=["s3"]),
        step(world, 2, "b", "h1", "h2"),
        step(world, 3, "c", "h1", "h3", after=["s2"]),
    )
    made = plan(world, *steps, memory=10.0 * GB)
    made = replace(made, guards=replace(made.guards, hosts={"memory": {"h2": 10.0 * GB}}))
    result = Bench(world).run(made, safeguards=hooks(scribe(), Moment.BEFORE_STEP))
    assert [outcome.outcome.value for outcome in result.outcomes.values()] == ["skipped", "done", "done"]
    assert [told["step"]["id"] for told in scribe.told] == ["s2", "s3"]


def test_what_failed_and_is_not_tried_again_as_the_run_is_stopped_has_failed(scribe: Scribe) -> None:
    world, stop = cluster(["h1", "h2"], TWO), StopSignal()

    class Stopper(Silent):
        def step_postponed(self, step: Step, reason: str) -> None:
            stop.request()

    bench = Bench(world, Faults(breakdowns=(Breakdown(nth=1),)))
    settings = MigrationSettings(retries=1, retry_after=Seconds(60.0))
    result = bench.run(
        plan(world, step(world, 1, "a", "h1", "h2", settings=settings)),
        safeguards=hooks(scribe(), Moment.ON_FAILURE),
        observer=Stopper(),
        stop=stop,
    )
    outcome = result.outcomes["s1"]
    assert outcome.outcome is Outcome.FAILED
    assert outcome.reason.startswith("h1: operation failed: migration out job: unexpectedly failed")
    assert outcome.reason.endswith("; not tried again: the run was stopped")
    assert len(scribe.told) == 1


def test_a_run_can_be_vetoed(scribe: Scribe) -> None:
    bench, made = bench_of_two()
    result = bench.run(made, safeguards=hooks(scribe(1, "change freeze"), Moment.BEFORE_RUN, veto=True))
    assert {outcome.outcome for outcome in result.outcomes.values()} == {Outcome.NOT_STARTED}
    assert result.outcomes["s1"].reason.endswith(": change freeze")
    assert bench.simulation.transfers == []


def test_a_step_can_be_vetoed_and_what_needs_it_is_skipped(scribe: Scribe) -> None:
    bench, made = bench_of_two()
    call = scribe(1, "a backup runs", only='"id": "s1"')
    result = bench.run(made, safeguards=hooks(call, Moment.BEFORE_STEP, veto=True))
    assert [outcome.outcome for outcome in result.outcomes.values()] == [Outcome.NOT_STARTED, Outcome.SKIPPED]
    assert result.outcomes["s1"].reason.endswith(": a backup runs")
    assert len(bench.events("hook vetoed")) == 1


def test_who_only_informs_vetoes_nothing(scribe: Scribe) -> None:
    bench, made = bench_of_two()
    moments = (Moment.BEFORE_RUN, Moment.BEFORE_STEP, Moment.AFTER_STEP, Moment.AFTER_RUN)
    assert bench.run(made, safeguards=hooks(scribe(1), *moments)).complete
    assert len(bench.events("hook failed")) == 6


def test_a_hook_that_is_not_there_vetoes() -> None:
    bench, made = bench_of_two()
    result = bench.run(made, safeguards=hooks(Call(command=("/nowhere",)), Moment.BEFORE_RUN, veto=True))
    assert "there is no command '/nowhere'" in result.outcomes["s1"].reason


def test_failures_are_told(scribe: Scribe) -> None:
    world = cluster(["h1", "h2"], TWO)
    bench = Bench(world, Faults(breakdowns=(Breakdown(nth=1),)))
    bench.run(plan(world, step(world, 1, "a", "h1", "h2")), safeguards=hooks(scribe(), Moment.ON_FAILURE))
    (told,) = scribe.told
    assert told["outcome"]["outcome"] == "failed"
    assert told["outcome"]["host"] == "h1"


def test_a_step_that_was_vetoed_has_not_failed(scribe: Scribe) -> None:
    bench, made = bench_of_two()
    veto = Hook(moment=Moment.BEFORE_STEP, call=Call(command=("false",)), veto=True)
    told = hooks(scribe(), Moment.ON_FAILURE, Moment.AFTER_STEP, Moment.AFTER_RUN)
    bench.run(made, safeguards=replace(told, hooks=(veto, *told.hooks)))
    assert [each["moment"] for each in scribe.told] == ["after_run"]


def test_what_is_found_of_steps_when_a_run_is_resumed_is_told(scribe: Scribe) -> None:
    bench, made = bench_of_two()
    run = bench.journal.start_run("{}", "test", made.steps)
    bench.journal.intent(run, made.steps[0], {})
    bench.simulation.put(replace(bench.simulation.take("h1", uuid("a")), host="h3"))
    resume(
        run,
        made,
        bench.simulation.seen,
        bench.hosts,
        bench.journal,
        clock=bench.hosts.clock(),
        safeguards=hooks(scribe(), Moment.ON_FAILURE, Moment.AFTER_STEP),
    )
    assert sorted((str(each["moment"]), each["cluster"]) for each in scribe.told) == [
        ("after_step", "test"),
        ("on_failure", "test"),
    ]
    assert {each["outcome"]["outcome"] for each in scribe.told} == {"unknown"}


# Retries


def retried(times: int, faults: Faults, after: float = 60.0) -> tuple[Bench, object]:
    world = cluster(["h1", "h2"], TWO)
    bench = Bench(world, faults)
    settings = MigrationSettings(retries=times, retry_after=Seconds(after))
    return bench, bench.run(plan(world, step(world, 1, "a", "h1", "h2", settings=settings)))


def test_a_migration_that_failed_is_tried_again_where_the_policy_says_so() -> None:
    bench, result = retried(2, Faults(breakdowns=(Breakdown(nth=1), Breakdown(nth=2))))
    assert result.complete
    began = [transfer.started for transfer in bench.simulation.transfers]
    assert len(began) == 3
    assert began[1] - began[0] > 60
    assert began[2] - began[1] > 120
    assert [event["reason"].partition(";")[0] for event in bench.events("again")] == [
        "h1: operation failed: migration out job: unexpectedly failed"
    ] * 2


def test_that_it_is_tried_again_is_told_with_the_reason() -> None:
    world = cluster(["h1", "h2"], TWO)
    bench, listener = Bench(world, Faults(breakdowns=(Breakdown(nth=1),))), Listener()
    settings = MigrationSettings(retries=1, retry_after=Seconds(60.0))
    assert bench.run(plan(world, step(world, 1, "a", "h1", "h2", settings=settings)), observer=listener).complete
    ((failed, reason),) = listener.postponed
    assert failed == "s1"
    assert reason.startswith("h1: operation failed: migration out job: unexpectedly failed; tried again in 1 min")
    assert listener.held == []


def test_it_is_not_tried_for_ever() -> None:
    bench, result = retried(1, Faults(breakdowns=(Breakdown(nth=1), Breakdown(nth=2))))
    assert result.outcomes["s1"].outcome is Outcome.FAILED
    assert len(bench.simulation.transfers) == 2


def test_by_default_it_is_not_tried_again() -> None:
    bench, result = retried(0, Faults(breakdowns=(Breakdown(nth=1),)))
    assert result.outcomes["s1"].outcome is Outcome.FAILED
    assert len(bench.simulation.transfers) == 1


def test_waits_grow_are_spread_and_end_somewhere() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=GB)])
    settings = MigrationSettings(retries=10, retry_after=Seconds(60.0))
    made = step(world, 1, "a", "h1", "h2", settings=settings)
    clock = Bench(world).hosts.clock()

    def waits(seed: int, ask: Callable[[Retries], float | None], most: int) -> list[float]:
        retries = Retries(clock, seed)
        found = [ask(retries) for _ in range(most + 1)]
        assert found.pop() is None
        return [wait for wait in found if wait is not None]

    first, again, other = (waits(seed, lambda r: r.put_off(made), 10) for seed in (7, 7, 8))
    assert first == again != other
    for attempt, wait in enumerate(first):
        assert min(60 * 2**attempt, LONGEST) <= wait <= min(60 * 2**attempt * (1 + SPREAD), LONGEST)
    assert waits(7, lambda r: r.postpone(replace(made, settings=MigrationSettings())), MOST) == [1, 2, 4, 8, 16]
