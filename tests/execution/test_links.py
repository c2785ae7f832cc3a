from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from rebalancer_simulator import Cut, Faults, Outage, SimulatedHosts, Simulation
from rebalancer_simulator.transfer import Transfer

from rebalancer.cluster import DirectedLink, Network
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import MigrationOptions
from rebalancer.execution import Journal, Silent, execute
from rebalancer.execution.candidate import candidates
from rebalancer.execution.sharing import sender_of, share
from rebalancer.placement.problem import Problem
from rebalancer.plan.make import make_plan
from rebalancer.plan.schedule import Moves, flow_of
from rebalancer.policy.load import load_policies
from rebalancer.policy.model import MigrationSettings, Names
from tests.execution.traffic import excess
from tests.execution.worlds import EVERYTHING, GB, MB, MIB, Bench, cluster, domain, plan, step, uuid

FOUR = MigrationSettings(per_host=4)


class Rates(Silent):
    def __init__(self) -> None:
        self.seen: list[Mapping[str, float | None]] = []

    def rates_changed(self, rates: Mapping[str, BytesPerSecond | None]) -> None:
        self.seen.append(dict(rates))


def test_caps_hold_at_every_instant_while_steps_start_and_end() -> None:
    names = ["a", "b", "c", "d"]
    sizes = [2 * GB, 3 * GB, 5 * GB, GB]
    world = cluster(
        ["h1", "h2"],
        [domain(n, "h1", memory=m, dirty=10 * MB) for n, m in zip(names, sizes, strict=True)],
        uplink=1.25e9,
    )
    bench = Bench(world)
    caps = {"uplink": 400e6}
    steps = [step(world, i, n, "h1", "h2", settings=FOUR, duration=60.0) for i, n in enumerate(names)]
    assert bench.run(plan(world, *steps, caps=caps)).complete
    assert excess(bench.simulation, caps) == []
    busiest = max(max(stretch.throttled.values(), default=0.0) for stretch in bench.simulation.traffic)
    assert busiest > 0.8 * caps["uplink"]


def test_bandwidth_is_shared_anew_on_each_start_and_end() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=8 * GB), domain("b", "h1", memory=2 * GB)], uplink=1.25e9)
    bench, rates = Bench(world), Rates()
    caps = {"uplink": 210e6}
    steps = [step(world, i, n, "h1", "h2", settings=FOUR) for i, n in enumerate("ab")]
    assert bench.run(plan(world, *steps, caps=caps), observer=rates).complete
    both, alone = rates.seen
    assert both["s0"] == both["s1"]
    assert alone["s0"] is not None
    assert both["s0"] is not None
    assert alone["s0"] > 1.9 * both["s0"]
    assert all(rate is not None and rate % MIB == 0 for shared in rates.seen for rate in shared.values())
    assert bench.events("rates") == rates.seen


def test_the_others_are_throttled_before_one_more_starts() -> None:
    seen: list[float] = []

    class Watching(Simulation):
        def begin(self, uuid: str, source: str, destination: str, options: MigrationOptions) -> Transfer:
            seen.append(sum(t.cap for t in self.running) + (options.bandwidth or 0.0))
            return super().begin(uuid, source, destination, options)

    world = cluster(["h1", "h2"], [domain(name, "h1", memory=4 * GB) for name in "abc"], uplink=1.25e9)
    hosts = SimulatedHosts(Watching(world))
    steps = [step(world, i, n, "h1", "h2", settings=FOUR) for i, n in enumerate("abc")]
    made = plan(world, *steps, caps={"uplink": 210e6})
    with Journal(None) as journal:
        assert execute(made, world, hosts, journal, clock=hosts.clock(), plan_text="").complete
    assert len(seen) == 3
    assert max(seen) < 210e6


def test_planner_and_executor_see_the_same_flows() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", dirty=50 * MB)])
    settings = MigrationSettings(bandwidth=BytesPerSecond(1e8), max_downtime=Seconds(0.5))
    made = step(world, 1, "a", "h1", "h2", settings=settings)
    sender = sender_of(made, world.domains[0], EVERYTHING, plan(world, made).guards)
    problem = Problem(
        hosts=("h1", "h2"), domains=(world.domains[0].uuid,), start=np.array([0], dtype=np.int64), terms=()
    )
    moves = Moves(
        cluster=world,
        problem=problem,
        domains=world.domains,
        placement=np.array([1], dtype=np.int64),
        settings=[settings],
        names=Names(),
        caps={},
    )
    assert sender.flow == flow_of(moves, 0, Network(world.links).route("h1", "h2"), EVERYTHING.bandwidth_unit)


def test_a_run_gives_a_migration_the_rate_that_it_was_planned_with() -> None:
    """It reads its hosts without measuring how domains write, and the plan has learnt more than that, too."""
    caps: Mapping[str, BytesPerSecond] = {"uplink": BytesPerSecond(200e6)}
    still = cluster(["h1", "h2"], [domain("a", "h1", memory=4 * GB)], uplink=250e6)
    busy = cluster(["h1", "h2"], [domain("a", "h1", memory=4 * GB, dirty=50 * MB)], uplink=250e6)
    policy = """
apiVersion: rebalancer/v1
kind: Policy
metadata: {name: test}
rules: [pin: {select: "true", hosts: [h2]}]
links: [{select: "true", most: 80%}]
"""
    (planned,) = make_plan(busy, load_policies(["test.yaml"], read=lambda _: policy)).steps
    assert planned.predicted.burst == 50 * MB
    rates = {}
    for world, made in ((still, planned), (busy, planned), (still, step(still, 1, "a", "h1", "h2"))):
        found = candidates(plan(world, made, caps=caps), world)[made.id]
        rates[world is still, made is planned] = share({made.id: found.sender}, caps)[made.id]
    assert rates[True, True] == rates[False, True] == planned.bandwidth
    assert rates[True, False] > planned.bandwidth, "nothing is known of how it writes"


def test_a_migration_that_nobody_could_stop_keeps_its_share_of_the_links() -> None:
    unable = replace(EVERYTHING, cancel=False)
    domains = [domain("a", "h1", memory=4 * GB, dirty=2.0 * GB), domain("b", "h3")]
    world = cluster(["h1", "h2", "h3"], domains, uplink=10e9, offers={"h1": unable})
    bench = Bench(world)
    caps = {"uplink": 900e6}
    restless = MigrationSettings(timeout=Seconds(10.0), bandwidth=BytesPerSecond(300.0 * MIB))
    steps = (
        step(world, 1, "a", "h1", "h2", settings=restless),
        step(world, 2, "b", "h3", "h2", settings=MigrationSettings(per_host=1)),
    )
    result = bench.run(plan(world, *steps, caps=caps))
    assert [outcome.outcome.value for outcome in result.outcomes.values()] == ["unknown", "done"]
    assert excess(bench.simulation, caps) == []
    assert bench.simulation.transfers[1].cap < 900e6 - 300 * MIB


def test_a_step_waits_for_the_rate_it_was_planned_with() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=8 * GB), domain("b", "h1", memory=2 * GB)], uplink=1.25e9)
    bench, rates = Bench(world), Rates()
    steps = [
        replace(step(world, i, n, "h1", "h2", settings=FOUR), bandwidth=BytesPerSecond(180e6))
        for i, n in enumerate("ab")
    ]
    assert bench.run(plan(world, *steps, caps={"uplink": 210e6}), observer=rates).complete
    assert [set(shared) for shared in rates.seen] == [{"s0"}, {"s1"}]
    assert (rates.seen[1]["s1"] or 0) > 170e6


def test_a_busy_guest_is_not_squeezed_below_what_it_needs_to_converge() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=4 * GB, dirty=100 * MB), domain("b", "h1")], uplink=1.25e9)
    bench, rates = Bench(world), Rates()
    steps = [step(world, i, n, "h1", "h2", settings=FOUR) for i, n in enumerate("ab")]
    assert bench.run(plan(world, *steps, caps={"uplink": 200e6}), observer=rates).complete
    assert [set(shared) for shared in rates.seen] == [{"s0"}, {"s1"}]
    assert (rates.seen[1]["s1"] or 0) > 170e6


def test_those_of_less_weight_make_way() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=8 * GB), domain("b", "h1", memory=2 * GB)], uplink=1.25e9)
    bench, rates = Bench(world), Rates()
    steps = [
        replace(
            step(world, i, name, "h1", "h2", settings=replace(FOUR, weight=weight)), bandwidth=BytesPerSecond(planned)
        )
        for i, (name, weight, planned) in enumerate([("a", 1.0, 180e6), ("b", 3.0, 135e6)])
    ]
    assert bench.run(plan(world, *steps, caps={"uplink": 210e6}), observer=rates).complete
    together = [shared for shared in rates.seen if len(shared) == 2]
    assert together
    assert all((each["s1"] or 0) == pytest.approx(3 * (each["s0"] or 0), rel=0.05) for each in together)


def test_a_host_that_cannot_change_a_running_cap_keeps_its_share() -> None:
    fixed = replace(EVERYTHING, set_bandwidth=False)
    domains = [domain("a", "h1", memory=8 * GB), domain("b", "h3", memory=2 * GB)]
    world = cluster(["h1", "h2", "h3"], domains, uplink=1.25e9, offers={"h1": fixed})
    bench = Bench(world)
    caps = {"uplink": 210e6}
    assert bench.run(
        plan(world, *(step(world, i, n, h, "h2") for i, n, h in [(0, "a", "h1"), (1, "b", "h3")]), caps=caps)
    ).complete
    assert excess(bench.simulation, caps) == []
    first, second = bench.simulation.transfers
    assert first.ended is not None
    assert second.started > first.ended - 1


def test_a_host_that_cannot_limit_its_rate_may_not_use_a_capped_link() -> None:
    unable = replace(EVERYTHING, bandwidth=False, set_bandwidth=False)
    world = cluster(["h1", "h2"], [domain("a", "h1")], uplink=1.25e9, offers={"h1": unable})
    refused = Bench(world).run(plan(world, step(world, 1, "a", "h1", "h2"), caps={"uplink": 210e6}))
    assert refused.outcomes["s1"].reason == (
        "h1 cannot limit the rate of a migration, and uplink must not be used fully"
    )
    assert Bench(world).run(plan(world, step(world, 1, "a", "h1", "h2"))).complete


def test_a_policy_cap_on_one_migration_is_passed_on() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1")])
    bench = Bench(world)
    settings = MigrationSettings(bandwidth=BytesPerSecond(50.0 * MIB))
    assert bench.run(plan(world, step(world, 1, "a", "h1", "h2", settings=settings))).complete
    assert bench.simulation.transfers[0].cap == 50 * MIB


def test_the_two_directions_of_a_link_do_not_disturb_each_other() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=2 * GB), domain("b", "h2", memory=2 * GB)], uplink=1.25e9)
    bench, rates = Bench(world), Rates()
    steps = step(world, 1, "a", "h1", "h2"), step(world, 2, "b", "h2", "h1")
    assert bench.run(plan(world, *steps, caps={"uplink": 210e6}), observer=rates).complete
    assert rates.seen[0]["s1"] == rates.seen[0]["s2"]
    assert excess(bench.simulation, {"uplink": 210e6}) == []


def test_a_rate_that_cannot_be_changed_leaves_the_other_direction_alone() -> None:
    fixed = replace(EVERYTHING, set_bandwidth=False)
    domains = [domain("a", "h1", memory=4 * GB), domain("b", "h2", memory=4 * GB)]
    world = cluster(["h1", "h2"], domains, uplink=1.25e9, offers={"h1": fixed, "h2": fixed})
    bench = Bench(world)
    steps = step(world, 1, "a", "h1", "h2"), step(world, 2, "b", "h2", "h1")
    assert bench.run(plan(world, *steps, caps={"uplink": 210e6})).complete
    first, second = bench.simulation.transfers
    assert first.started == second.started
    assert first.cap == second.cap


def test_a_migration_whose_rate_cannot_be_changed_meanwhile_is_taken_as_it_is() -> None:
    domains = [domain("a", "h1", memory=8 * GB), domain("b", "h3", memory=2 * GB), domain("c", "h3")]
    world = cluster(["h1", "h2", "h3", "h4"], domains, uplink=1.25e9)
    bench = Bench(world, Faults(outages=(Outage(host="h1", since=4.0, until=30.0),)))
    caps = {"uplink": 210e6}
    steps = (
        step(world, 1, "a", "h1", "h2"),
        step(world, 2, "c", "h3", "h1", start=1.5),
        step(world, 3, "b", "h3", "h4", start=2.0),
    )
    result = bench.run(plan(world, *steps, caps=caps))
    assert result.outcomes["s1"].outcome == "done"
    assert excess(bench.simulation, caps) == []


def test_a_link_that_is_cut_fails_the_migration_after_the_hosts_gave_up() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=20 * GB)])
    bench = Bench(world, Faults(cuts=(Cut(link="h2-nic", since=5.0, until=60.0),)))
    result = bench.run(plan(world, step(world, 1, "a", "h1", "h2", duration=20.0)))
    assert "keepalive" in result.outcomes["s1"].reason
    assert bench.placement() == {uuid("a"): ["h1"]}
    short = Bench(world, Faults(cuts=(Cut(link="h2-nic", since=5.0, until=10.0),)))
    assert short.run(plan(world, step(world, 1, "a", "h1", "h2", duration=20.0))).complete


def test_each_direction_of_a_link_has_its_own_cap() -> None:
    world = cluster(["h1", "h2"], [domain("a", "h1", memory=2 * GB), domain("b", "h2", memory=2 * GB)], uplink=1.25e9)
    bench, rates = Bench(world), Rates()
    made = plan(world, step(world, 0, "a", "h1", "h2", settings=FOUR), step(world, 1, "b", "h2", "h1", settings=FOUR))
    caps = {**made.guards.links, DirectedLink("uplink", "tor1"): BytesPerSecond(1e8)}
    made = replace(made, guards=replace(made.guards, links=caps))
    assert bench.run(made, observer=rates).complete
    assert (rates.seen[0]["s0"] or 0) < 1e8 < 5e8 < (rates.seen[0]["s1"] or 0)


def test_no_more_cross_a_link_at_once_than_it_has_slots() -> None:
    world = cluster(["h1", "h2"], [domain(name, "h1", memory=2 * GB) for name in "abc"], uplink=1.25e9)
    bench, rates = Bench(world), Rates()
    some = replace(FOUR, bandwidth=BytesPerSecond(10.0 * MIB))
    made = plan(world, *(step(world, i, n, "h1", "h2", settings=some) for i, n in enumerate("abc")))
    made = replace(made, guards=replace(made.guards, slots={"uplink": 2}))
    assert bench.run(made, observer=rates).complete
    assert max(len(shared) for shared in rates.seen) == 2
