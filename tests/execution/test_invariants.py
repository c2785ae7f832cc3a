"""Random worlds, plans and faults: nothing is ever lost, doubled, or put where it has no room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rebalancer_simulator import Breakdown, Cut, Faults, Outage, OutageKind, Simulation

from rebalancer.cluster import Cluster
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.drivers import Progress
from rebalancer.execution import Outcome, Place, RunResult, Silent, StepOutcome, StopSignal
from rebalancer.plan.model import Plan, Step
from rebalancer.policy.model import MigrationSettings, Rung
from tests.execution.traffic import excess
from tests.execution.worlds import GB, MB, Bench, cluster, domain, plan, step, uuid

HOSTS = ("h1", "h2", "h3", "h4")
ROOM = 12 * GB


@st.composite
def worlds(draw: st.DrawFn) -> Cluster:
    domains, room, names = [], dict.fromkeys(HOSTS, ROOM), set()
    for number in range(draw(st.integers(1, 7))):
        host = draw(st.sampled_from(HOSTS))
        size = draw(st.integers(1, 5)) * GB
        called = draw(st.sampled_from(["web", "db", f"d{number}"]))
        if room[host] >= size and (host, called) not in names:
            room[host] -= size
            names.add((host, called))
            dirty = draw(st.sampled_from([0.0, 20.0 * MB, 2.0 * GB]))
            domains.append(domain(f"d{number}", host, memory=size, dirty=dirty, called=called))
    return cluster(HOSTS, domains, memory=float(ROOM), uplink=1.25e9)


@st.composite
def plans(draw: st.DrawFn, world: Cluster) -> tuple[Plan, dict[str, float]]:
    """Legs that fit together for each domain; room, names and order may well not."""
    where = {d.uuid: (d.host, d.name, "") for d in world.domains}
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 8)) if world.domains else 0):
        moving = draw(st.sampled_from(world.domains))
        source, name, before = where[moving.uuid]
        destination = draw(st.sampled_from([host for host in HOSTS if host != source]))
        earlier = [s.id for s in steps]
        extra = draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True)) if earlier else []
        made = step(
            world,
            number,
            _key(moving.uuid),
            source,
            destination,
            after=sorted({*extra, *([before] if before else [])}),
            new_name=draw(st.sampled_from([None, None, f"{name}-x"])),
            settings=draw(
                st.sampled_from(
                    [
                        MigrationSettings(),
                        MigrationSettings(per_host=1, when_not_converging=(Rung.POST_COPY,)),
                        MigrationSettings(total=2, when_not_converging=(Rung.AUTO_CONVERGE, Rung.PAUSE)),
                        MigrationSettings(live=False),
                    ]
                )
            ),
        )
        made = replace(made, domain=name)
        steps.append(made)
        where[moving.uuid] = (destination, made.name_after, made.id)
    caps = {"uplink": draw(st.sampled_from([1.25e9, 300e6]))}
    return plan(world, *steps, caps=caps), caps


def _key(full: str) -> str:
    return bytes.fromhex(full.rsplit("-", 1)[1].lstrip("0")).decode()


@st.composite
def faults(draw: st.DrawFn) -> Faults:
    moments = st.floats(0, 60)
    outages = tuple(
        Outage(
            host=draw(st.sampled_from(HOSTS)),
            kind=draw(st.sampled_from(OutageKind)),
            since=since,
            until=since + length,
        )
        for since, length in draw(st.lists(st.tuples(moments, st.floats(0.1, 80)), max_size=2))
    )
    breakdowns = tuple(
        Breakdown(nth=nth, fraction=draw(st.floats(0, 1))) for nth in draw(st.sets(st.integers(1, 6), max_size=2))
    )
    cuts = tuple(
        Cut(link=draw(st.sampled_from(["uplink", "h2-nic"])), since=since, until=since + length)
        for since, length in draw(st.lists(st.tuples(moments, st.floats(0.1, 60)), max_size=1))
    )
    return Faults(outages=outages, breakdowns=breakdowns, cuts=cuts)


class Auditor(Silent):
    """Looks at the world whenever anything is said, and asks to stop when told to."""

    def __init__(self, simulation: Simulation, plan: Plan, stop: StopSignal, stops: list[float]) -> None:
        self.simulation = simulation
        self.plan = plan
        self.stop = stop
        self.stops = stops
        self.wrong: list[str] = []
        self.started: Counter[str] = Counter()
        self.outcomes: dict[str, Outcome] = {}
        self.running: dict[str, Step] = {}

    def step_started(self, step: Step, rate: BytesPerSecond | None, behind: Sequence[str] = ()) -> None:
        self.started[step.id] += 1
        self.running[step.id] = step
        if any(self.outcomes.get(before) is not Outcome.DONE for before in step.after):
            self.wrong.append(f"{step.id} started before {step.after}")
        for host in HOSTS:
            here = [s for s in self.running.values() if host in (s.source, s.destination)]
            if len(here) > min((s.settings.per_host for s in here), default=9):
                self.wrong.append(f"{len(here)} migrations on {host}")
        if len(self.running) > min(s.settings.total for s in self.running.values()):
            self.wrong.append(f"{len(self.running)} migrations at once")

    def step_progress(self, step: Step, progress: Progress, rate: BytesPerSecond | None) -> None:
        self.look()
        while self.stops and self.simulation.now >= self.stops[0]:
            self.stops.pop(0)
            self.stop.request()

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        self.outcomes[step.id] = outcome.outcome
        self.running.pop(step.id, None)
        self.look()

    def look(self) -> None:
        for host in HOSTS:
            here = self.simulation.domains_on(host)
            if sum(d.uses["memory"] for d in here) > ROOM:
                self.wrong.append(f"{host} is too full")
            if len({d.name for d in here}) < len(here):
                self.wrong.append(f"a name is twice on {host}")


def truth(simulation: Simulation) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for seen in simulation.settled().domains:
        found.setdefault(seen.uuid, []).append(Place(host=seen.host, name=seen.name))
    return found


def check(bench: Bench, made: Plan, result: RunResult) -> None:
    ambiguous = {made.step_by_id[k].uuid for k, o in result.outcomes.items() if o.outcome is Outcome.UNKNOWN}
    real = truth(bench.simulation)
    for moved, place in result.where.items():
        if moved not in ambiguous:
            assert place in real[moved]
    bench.simulation.advance(bench.simulation.now + 10_000)
    assert {d.uuid for d in bench.world.domains} == set(truth(bench.simulation))
    for domain_uuid, places in truth(bench.simulation).items():
        assert len(places) == 1, f"{domain_uuid} is on {places}"
    for seen in bench.simulation.settled().domains:
        assert seen.state == "running"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_domain_is_lost_or_doubled_and_no_limit_is_broken(data: st.DataObject) -> None:
    world = data.draw(worlds())
    made, caps = data.draw(plans(world))
    bench, stop = Bench(world, data.draw(faults())), StopSignal()
    stops = sorted(data.draw(st.lists(st.floats(0, 40), max_size=2)))
    auditor = Auditor(bench.simulation, made, stop, stops)
    result = bench.run(made, observer=auditor, stop=stop)
    assert auditor.wrong == []
    assert set(result.outcomes) == set(made.step_by_id)
    assert all(count == 1 for count in auditor.started.values())
    assert result.complete == all(o.outcome is Outcome.DONE for o in result.outcomes.values())
    assert excess(bench.simulation, caps) == []
    assert bench.hosts.clock().now() < 8 * 400
    check(bench, made, result)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_without_faults_each_step_is_done_or_had_no_room(data: st.DataObject) -> None:
    world = data.draw(worlds())
    made, _ = data.draw(plans(world))
    bench = Bench(world)
    result = bench.run(made)
    for outcome in result.outcomes.values():
        assert outcome.outcome in (Outcome.DONE, Outcome.SKIPPED, Outcome.FAILED)
        if outcome.outcome is Outcome.FAILED:
            assert "canceled" in outcome.reason
    check(bench, made, result)


def test_keys_of_domains_round_trip() -> None:
    assert _key(uuid("d3")) == "d3"
