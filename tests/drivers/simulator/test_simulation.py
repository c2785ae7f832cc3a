from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rebalancer_simulator import Breakdown, Cut, Faults, Simulation
from rebalancer_simulator.sharing import fair_shares
from rebalancer_simulator.simulation import ADAPTER
from rebalancer_simulator.transfer import SETUP

from rebalancer.cluster import DomainState
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.drivers import MigrationOptions
from tests.drivers.simulator.worlds import GIB, MIB, cluster, domain

A, B = domain("a", "h1"), domain("b", "h2")


def test_a_domain_on_its_way_is_listed_twice_and_paused_at_its_destination() -> None:
    simulation = Simulation(cluster([A]))
    simulation.begin(A.uuid, "h1", "h2", MigrationOptions(new_name="a-h1"))
    here, there = simulation.find("h1", A.uuid), simulation.find("h2", A.uuid)
    assert here is not None
    assert there is not None
    assert (here.name, here.state, here.migrating) == ("a", DomainState.RUNNING, True)
    assert (there.name, there.state, there.migrating) == ("a-h1", DomainState.PAUSED, True)
    assert [d.host for d in simulation.settled().domains] == ["h1"], "what is half done is not written to disk"
    simulation.advance(100)
    assert simulation.find("h1", A.uuid) is None
    arrived = simulation.find("h2", A.uuid)
    assert arrived is not None
    assert (arrived.name, arrived.state, arrived.migrating) == ("a-h1", DomainState.RUNNING, False)


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (domain("z", "h2", called="a"), "operation failed: domain 'a' already exists with uuid 00000000"),
        (replace(A, host="h2"), "domain is already active as 'a'"),
        (replace(A, host="h2", name="old", state=DomainState.SHUT_OFF), "domain 'old' is already defined with uuid"),
        (domain("z", "h2", memory=64 * GIB), "cannot allocate guest memory"),
    ],
)
def test_clashes_and_shortage_are_refused_as_libvirt_does(there: object, message: str) -> None:
    simulation = Simulation(cluster([A, there]))  # type: ignore[list-item]
    transfer = simulation.begin(A.uuid, "h1", "h2", MigrationOptions())
    assert transfer.error is not None
    assert message in transfer.error
    assert simulation.find("h1", A.uuid) is not None
    assert simulation.running == []


def test_its_own_old_definition_is_replaced_and_put_back_on_failure() -> None:
    old = replace(A, host="h2", state=DomainState.SHUT_OFF)
    simulation = Simulation(cluster([A, old]), Faults(breakdowns=(Breakdown(nth=1),)))
    first = simulation.begin(A.uuid, "h1", "h2", MigrationOptions())
    simulation.advance(100)
    assert first.error is not None
    assert simulation.domains_on("h2") == (old,)
    second = simulation.begin(A.uuid, "h1", "h2", MigrationOptions())
    simulation.advance(200)
    assert second.error is None
    assert simulation.domains_on("h1") == ()


def test_other_refusals() -> None:
    pinned = replace(A, migration=replace(A.migration, allowed=False, reason="domain has assigned host devices"))
    needy = replace(B, needs={"network": frozenset({"br-prod"})})
    world = cluster([pinned, needy, domain("off", "h3")])
    world = replace(world, hosts=tuple(replace(h, offers={"network": frozenset({"br0"})}) for h in world.hosts))
    simulation = Simulation(world)
    simulation.put(replace(world.domains[2], state=DomainState.SHUT_OFF))

    def refusal(uuid: str, source: str, destination: str) -> str | None:
        return simulation.begin(uuid, source, destination, MigrationOptions()).error

    assert "assigned host devices" in (refusal(A.uuid, "h1", "h2") or "")
    assert "lacks network 'br-prod'" in (refusal(B.uuid, "h2", "h3") or "")
    assert "domain is not running" in (refusal(world.domains[2].uuid, "h3", "h1") or "")
    assert "no domain with matching uuid" in (refusal("?", "h3", "h1") or "")
    assert "same host" in (refusal(B.uuid, "h2", "h2") or "")
    assert "unable to connect" in (refusal(B.uuid, "h2", "h9") or "")


def test_a_second_migration_of_the_same_domain_is_refused() -> None:
    simulation = Simulation(cluster([A]))
    simulation.begin(A.uuid, "h1", "h2", MigrationOptions())
    assert "another migration job" in (simulation.begin(A.uuid, "h1", "h3", MigrationOptions()).error or "")


def test_links_are_shared_and_given_back() -> None:
    """Two of 1 GiB at half of 1 GB/s each, side by side."""
    world = cluster([A, domain("c", "h1")])
    simulation = Simulation(world)
    first, second = (simulation.begin(d.uuid, "h1", "h2", MigrationOptions()) for d in world.domains)
    simulation.advance(100)
    assert first.ended == second.ended
    assert first.ended is not None
    assert first.ended - SETUP == pytest.approx(2 * GIB / 1e9 * 1514 / 1448 + 0.5, abs=0.05)


def test_hosts_without_links_have_adapters() -> None:
    simulation = Simulation(replace(cluster([A]), links=()))
    transfer = simulation.begin(A.uuid, "h1", "h2", MigrationOptions())
    simulation.advance(100)
    assert transfer.ended == pytest.approx(SETUP + GIB / ADAPTER + 0.5, abs=0.05)


def test_the_result_does_not_depend_on_how_often_anybody_looks() -> None:
    def world() -> Simulation:
        made = cluster([domain("a", "h1", memory=2 * GIB, dirty=100 * MIB), domain("c", "h1", memory=3 * GIB)])
        simulation = Simulation(made, Faults(cuts=(Cut(link="h2-nic", since=2.0, until=4.0),)))
        for d in made.domains:
            simulation.begin(d.uuid, "h1", "h2", MigrationOptions(bandwidth=BytesPerSecond(300.0 * MIB)))
        return simulation

    once, often = world(), world()
    once.advance(60)
    for tenth in range(600):
        often.advance(tenth / 10)
    assert [t.ended for t in once.transfers] == pytest.approx([t.ended for t in often.transfers])
    assert [t.sent for t in once.transfers] == pytest.approx([t.sent for t in often.transfers])


def test_next_event_is_when_something_happens() -> None:
    simulation = Simulation(cluster([A]))
    assert simulation.next_event() == float("inf")
    simulation.begin(A.uuid, "h1", "h2", MigrationOptions())
    assert simulation.next_event() == SETUP


@given(
    st.lists(st.tuples(st.floats(0.1, 50), st.sets(st.sampled_from("xyz"))), min_size=1, max_size=6),
    st.fixed_dictionaries({key: st.floats(0, 100) for key in "xyz"}),
)
def test_shares_fill_the_tightest_link_and_nothing_is_exceeded(
    flows: list[tuple[float, set[str]]], capacities: dict[str, float]
) -> None:
    ceilings = {key: ceiling for key, (ceiling, _) in enumerate(flows)}
    paths = {key: tuple(sorted(path)) for key, (_, path) in enumerate(flows)}
    rates = fair_shares(ceilings, paths, dict(capacities))
    used = {link: sum(rates[key] for key in rates if link in paths[key]) for link in capacities}
    assert all(used[link] <= capacities[link] * (1 + 1e-9) + 1e-9 for link in capacities)
    for key, rate in rates.items():
        bottleneck = any(
            used[link] >= capacities[link] * (1 - 1e-6) - 1e-6
            and all(rates[other] <= rate * (1 + 1e-6) + 1e-6 for other in rates if link in paths[other])
            for link in paths[key]
        )
        assert bottleneck or rate == pytest.approx(ceilings[key])
