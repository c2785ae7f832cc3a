from __future__ import annotations

import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster import HostState, MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.policy import Caution, View
from rebalancer.policy.expressions import HostSelector
from rebalancer.policy.goals.balance import Balance
from rebalancer.policy.goals.move_cost import MoveCost
from rebalancer.policy.goals.pack import Pack
from rebalancer.policy.view import rough_duration
from tests.policy.worlds import GIB, agrees, cluster, domain, host, placements, total, views


@given(views(), st.sampled_from([0.0, 0.1]))
def test_balance_is_the_standard_deviation_of_utilisation(view: View, tolerance: float) -> None:
    hosts = [item for item in view.hosts if item.state is HostState.UP and item.capacity.get("cpu", 0) > 0]
    on = {item.name for item in view.hosts if item.state is not HostState.UP} | {item.name for item in hosts}
    terms = tuple(Balance(resource="cpu", weight=3.0, tolerance=tolerance).terms(view))
    if not hosts:
        assert terms == ()
        return
    load = sum(item.uses.get("cpu", 0.0) for item in view.domains if item.host in on)
    mean = load / sum(item.capacity["cpu"] for item in hosts)

    def deviation(placement: dict[str, str]) -> float:
        used = {
            item.name: sum(d.uses.get("cpu", 0.0) for d in view.domains if placement[d.uuid] == item.name)
            for item in hosts
        }
        outside = [max(abs(used[item.name] / item.capacity["cpu"] - mean) - tolerance, 0) for item in hosts]
        return 300.0 * math.sqrt(fmean(part**2 for part in outside))

    agrees(terms, view, deviation)


def test_an_even_cluster_costs_nothing() -> None:
    view = View(cluster([host("h1"), host("h2")], [domain("a", "h1"), domain("b", "h2")]))
    assert total(Balance(resource="memory").terms(view), view, {"uuid-a": "h1", "uuid-b": "h2"}) == 0
    assert total(Balance(resource="memory").terms(view), view, {"uuid-a": "h1", "uuid-b": "h1"}) == pytest.approx(12.5)


def test_a_host_in_maintenance_gives_its_load_to_the_others() -> None:
    view = View(
        cluster(
            [host("h1", state=HostState.MAINTENANCE), host("h2"), host("h3")], [domain("a", "h1"), domain("b", "h1")]
        )
    )
    even = {"uuid-a": "h2", "uuid-b": "h3"}
    assert total(Balance(resource="memory").terms(view), view, even) == 0


def test_balance_among_selected_hosts_leaves_the_others_out() -> None:
    view = View(cluster([host("h1"), host("h2")], [domain("a", "h1"), domain("b", "h2")]))
    terms = tuple(Balance(resource="memory", hosts=HostSelector("name == 'h1'")).terms(view))
    assert total(terms, view, {"uuid-a": "h1", "uuid-b": "h2"}) == 0


@given(views())
def test_pack_counts_hosts_in_use_and_how_full_they_are(view: View) -> None:
    def in_use(placement: dict[str, str]) -> float:
        cost = 0.0
        for item in view.hosts:
            used = sum(d.uses.get("memory", 0.0) for d in view.domains if placement[d.uuid] == item.name)
            has = item.capacity.get("memory", 0.0)
            share = min(used / has, 1.0) if has > 0 else 0.0
            cost += 5.0 * (0.5 + share - share**2 / 2) if item.name in placement.values() else 0.0
        return cost

    agrees(Pack(weight=5.0).terms(view), view, in_use)


@given(views())
def test_move_cost_adds_up_over_the_domains_that_move(view: View) -> None:
    terms = tuple(MoveCost(per_move=1.0, per_gib=2.0, per_second=0.5).terms(view))

    def price(placement: dict[str, str]) -> float:
        moved = [item for item in view.domains if placement[item.uuid] != item.host]
        gib = [(item.migration.memory or item.uses.get("memory", 0.0)) / GIB for item in moved]
        return sum(1.0 + 2.0 * size + 0.5 * size * 1024 / 100 for size in gib)

    for placement in placements(view):
        assert total(terms, view, placement) == pytest.approx(price(placement))


def test_the_planner_may_predict_better() -> None:
    view = View(cluster([host("h1"), host("h2")], [domain("a", "h1")]), predict=lambda _: Seconds(60.0))
    (term,) = MoveCost(per_second=2.0).terms(view)
    assert total([term], view, {"uuid-a": "h2"}) == 120


def test_a_domain_that_writes_a_lot_takes_longer_but_not_for_ever() -> None:
    def seconds(dirty_rate: BytesPerSecond | None) -> float:
        return rough_duration(
            domain("a", "h1", migration=MigrationTraits(memory=Bytes(1000 * 2**20), dirty_rate=dirty_rate))
        )

    assert seconds(None) == 10
    assert seconds(BytesPerSecond(50 * 2**20)) == 20
    assert seconds(BytesPerSecond(1e12)) == 100


def test_a_resource_that_no_host_reports_is_a_warning_unless_it_is_misspelt() -> None:
    view = View(cluster([host("h1")]))
    ((_, unknown),) = Balance(resource="disk").check(view)
    assert isinstance(unknown, Caution)
    ((_, misspelt),) = Pack(resource="mmeory").check(view)
    assert not isinstance(misspelt, Caution)
