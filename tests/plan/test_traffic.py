"""Rates as migrations start and end, on one link that carries 100 MiB/s of what is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.plan.budget import Budget
from rebalancer.plan.rates import WIRE_OVERHEAD
from rebalancer.plan.schedule import Moves, make_schedule
from rebalancer.plan.sequence import sequences
from rebalancer.plan.timeline import Timetable
from rebalancer.plan.traffic import Traffic
from rebalancer.plan.trips import Trip, Trips
from rebalancer.policy.model import MigrationSettings
from tests.plan.worlds import nic, verify, world

MIB = 2**20
CAP = {"a-nic": BytesPerSecond(100.5 * MIB * (1 + WIRE_OVERHEAD))}
LINKS = [nic("a", 1e9), nic("b", 1e9)]


def moves_of(*settings: tuple[float, float]) -> Moves:
    """One domain of 1 GiB for each (weight, MiB/s that it can use), all over the one link."""
    names = "uvwxyz"[: len(settings)]
    hosts = f"a9:{','.join(f'{name} 1' for name in names)}; b9"
    moves = world(hosts, " ".join(f"{name}>b" for name in names), links=LINKS, caps=CAP, dirty_rate=0.0)
    return replace(
        moves,
        settings=[
            MigrationSettings(
                per_host=9, weight=weight, bandwidth=BytesPerSecond(most * MIB), max_downtime=Seconds(0.0)
            )
            for weight, most in settings
        ],
    )


def traffic_of(moves: Moves) -> tuple[list[Trip], Traffic]:
    trips = Trips(moves)
    found = [trips.trip(domain, 0, 1) for domain in range(len(moves.domains))]
    weighted = len({settings.weight for settings in moves.settings}) > 1
    return found, Traffic(trips.budgets, trips.slots, yielding=weighted)


def rates(traffic: Traffic, *keys: int) -> list[float]:
    return [traffic[key].rate / MIB for key in keys]


def test_who_sends_keeps_its_rate_and_others_have_what_is_left() -> None:
    (u, v), traffic = traffic_of(moves_of((1, 60), (1, 60)))
    assert traffic.enter(0, u, 15.0 * MIB, 0.0) == {}
    assert traffic.enter(1, v, 15.0 * MIB, 0.0) == {}
    assert rates(traffic, 0, 1) == [60, 40]
    assert list(traffic.leave(0)) == [1]
    assert rates(traffic, 1) == [60]
    assert traffic[1].first == 40 * MIB


def test_of_what_becomes_free_those_of_more_weight_have_more() -> None:
    (u, v, w), traffic = traffic_of(moves_of((9, 60), (3, 100), (1, 100)))
    traffic.enter(0, u, 5.0 * MIB, 0.0)
    traffic.enter(2, w, 5.0 * MIB, 0.0)
    assert rates(traffic, 0, 2) == [60, 40]
    traffic.enter(1, v, 5.0 * MIB, 0.0)
    assert rates(traffic, 0, 1, 2) == [60, 30, 10]
    traffic.leave(0)
    assert rates(traffic, 1, 2) == [75, 25]


def test_those_of_less_weight_make_way_but_keep_what_they_need() -> None:
    (u, v), traffic = traffic_of(moves_of((1, 100), (3, 100)))
    traffic.enter(0, u, 40.0 * MIB, 0.0)
    assert traffic.lacking(v, 61.0 * MIB, v.links) == v.links[0]
    assert traffic.lacking(v, 60.0 * MIB, v.links) is None
    before = traffic.enter(1, v, 60.0 * MIB, 3.0)
    assert rates(traffic, 0, 1) == [40, 60]
    sent, left = 3.0 - u.setup, 1024 - (3.0 - u.setup) * 100
    assert before[0].rate == 100 * MIB
    assert traffic[0].end == pytest.approx(u.setup + sent + left / 40, rel=0.02)
    assert traffic[0].forecast.bytes == pytest.approx(u.at(u.best).bytes, rel=0.01)
    traffic.take_back(1, before)
    assert rates(traffic, 0) == [100]
    assert traffic[0] == before[0]


def test_those_of_the_same_weight_make_no_way() -> None:
    (u, v, _), traffic = traffic_of(moves_of((2, 100), (2, 100), (1, 1)))
    traffic.enter(0, u, 40.0 * MIB, 0.0)
    assert traffic.lacking(v, 1.0 * MIB, v.links) == v.links[0]


def test_a_timeline_lets_those_of_more_weight_send_faster() -> None:
    moves = moves_of((1, 100), (3, 100))
    trips = Trips(moves)
    (sequence,) = sequences(moves, trips, Budget())
    table = Timetable(moves, trips, sequence)
    # The light one is first, and must leave three quarters to the heavy one.
    light, heavy = table.run([leg.domain for leg in table.legs], share=0.25).entries
    assert (light.rate / MIB, heavy.rate / MIB) == (25, 75)
    assert heavy.end < light.end
    assert heavy.start == light.start == 0.0
    # What must be there alone goes one after the other.
    first, second = table.run([leg.domain for leg in table.legs]).entries
    assert second.start == pytest.approx(first.end - 0.5 - second.trip.setup)


def test_plans_with_weights_hold() -> None:
    moves = moves_of((1, 100), (3, 80), (2, 60), (1, 30), (5, 100))
    found = make_schedule(moves)
    verify(moves, found.steps)
    assert found.steps[-1].predicted.end <= 1.1 * found.bound
