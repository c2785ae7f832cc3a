from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster.network import DirectedLink
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.plan.rates import BURST_WINDOW, WIRE_OVERHEAD, Claim, Flow, fill, share_links

LINKS = [DirectedLink(name, "x") for name in "abc"]


def rate(value: float) -> BytesPerSecond:
    return BytesPerSecond(value)


def test_each_gets_the_same_of_a_link_and_the_rest_goes_to_who_can_use_it() -> None:
    flows = {
        "slow": Flow(route=(LINKS[0],), ceiling=rate(10.0)),
        "long": Flow(route=(LINKS[0], LINKS[1])),
        "free": Flow(route=(LINKS[0],)),
    }
    caps = {"a": rate(105.0), "b": rate(21.0)}
    assert share_links(flows, caps) == {"slow": 10, "long": 20, "free": 70}


def test_weights_divide_what_is_short() -> None:
    flows = {"once": Flow(route=(LINKS[0],)), "thrice": Flow(route=(LINKS[0],), weight=3.0)}
    assert share_links(flows, {"a": rate(105.0)}) == {"once": 25, "thrice": 75}
    assert share_links({"thrice": flows["thrice"]}, {"a": rate(105.0)}) == {"thrice": 100}


def test_directions_do_not_share() -> None:
    there, back = DirectedLink("a", "x"), DirectedLink("a", "y")
    assert share_links({0: Flow(route=(there,)), 1: Flow(route=(back,))}, {"a": rate(105.0)}) == {0: 100, 1: 100}


def test_a_flow_that_nothing_limits_has_no_rate() -> None:
    assert share_links({0: Flow(route=(LINKS[0],))}, {}) == {0: None}


flows = st.dictionaries(
    st.integers(0, 6),
    st.builds(
        Flow,
        route=st.lists(st.sampled_from(LINKS), unique=True, max_size=3).map(tuple),
        ceiling=st.one_of(st.just(rate(float("inf"))), st.floats(1, 1e3).map(rate)),
        max_downtime=st.floats(0, 2).map(Seconds),
        burst=st.floats(0, 50),
        unit=st.sampled_from([1, 7]),
        weight=st.sampled_from([0.5, 1.0, 4.0]),
    ),
    max_size=6,
)


@given(flows, st.dictionaries(st.sampled_from("abc"), st.floats(1, 1e4).map(rate)))
def test_no_window_holds_more_than_the_cap(flows: dict[int, Flow], caps: dict[str, BytesPerSecond]) -> None:
    rates = share_links(flows, caps)
    for link in LINKS:
        if link.link not in caps:
            continue
        sent = 0.0
        for key, flow in flows.items():
            if link in flow.route:
                own = rates[key]
                assert own is not None
                assert own <= flow.ceiling + 1e-6  # what is as good as the next whole unit counts as that
                assert own % flow.unit == 0
                sent += own * (BURST_WINDOW + flow.max_downtime) * (1 + WIRE_OVERHEAD) if own else 0.0
        bursts = sum(flow.burst for flow in flows.values() if link in flow.route)
        if sent:
            assert sent + bursts <= caps[link.link] * BURST_WINDOW + 1e-3


@given(flows, st.dictionaries(st.sampled_from("abc"), st.floats(1, 1e4).map(rate)))
def test_no_flow_could_have_more_without_another_having_less(
    flows: dict[int, Flow], caps: dict[str, BytesPerSecond]
) -> None:
    flows = {key: Flow(route=flow.route, ceiling=flow.ceiling, weight=flow.weight) for key, flow in flows.items()}
    rates = share_links(flows, caps)
    used = {
        link: sum(rates[key] or 0.0 for key, flow in flows.items() if link in flow.route) * (1 + WIRE_OVERHEAD)
        for link in LINKS
    }
    for key, flow in flows.items():
        own = rates[key]
        if own is None or own + 1 >= flow.ceiling:
            continue
        bottlenecks = [
            link
            for link in flow.route
            if link.link in caps
            and used[link] >= caps[link.link] - (1 + WIRE_OVERHEAD) * len(flows) - 1e-3
            and all(
                (rates[k] or 0.0) / other.weight <= (own + 1) / flow.weight
                for k, other in flows.items()
                if link in other.route
            )
        ]
        assert bottlenecks, (key, rates)


def test_room_is_kept_for_what_goes_unthrottled() -> None:
    plain = share_links({0: Flow(route=(LINKS[0],))}, {"a": rate(1050.0)})[0]
    bursting = share_links({0: Flow(route=(LINKS[0],), max_downtime=Seconds(0.5), burst=525.0)}, {"a": rate(1050.0)})[0]
    assert plain == 1000
    assert bursting == pytest.approx((1050 - 105) / 1.05 / 1.1, abs=1)


def test_what_a_flow_needs_it_has_where_there_is_enough_for_all() -> None:
    flows = {"busy": Flow(route=(LINKS[0],), floor=rate(60.0)), "calm": Flow(route=(LINKS[0],))}
    assert share_links(flows, {"a": rate(105.0)}) == {"busy": 60, "calm": 40}
    assert share_links(flows, {"a": rate(52.5)}) == {"busy": 25, "calm": 25}


def test_floors_that_are_next_to_nothing_do_not_hold_it_up() -> None:
    """A quarter of the least float there is is 0."""
    assert fill({"u": Claim(places=("a",), floor=5e-324, weight=4.0, ceiling=20.0)}, {"a": 100.0}) == {"u": 20.0}


claims = st.dictionaries(
    st.integers(0, 6),
    st.builds(
        Claim,
        places=st.lists(st.sampled_from("abc"), unique=True, max_size=3).map(tuple),
        floor=st.floats(0, 20),
        ceiling=st.floats(20, 1e3),
        weight=st.sampled_from([0.5, 1.0, 4.0]),
        load=st.sampled_from([1.0, 1.5]),
    ),
    max_size=6,
)


@given(claims, st.dictionaries(st.sampled_from("abc"), st.floats(300, 1e4)))
def test_who_has_more_than_its_floor_has_no_more_than_its_weight_on_a_full_place(
    claims: dict[int, Claim[str]], budgets: dict[str, float]
) -> None:
    rates = fill(claims, budgets)
    used = {place: sum(rates[k] * c.load for k, c in claims.items() if place in c.places) for place in budgets}
    assert all(rate <= budgets[place] * (1 + 1e-9) + 1e-5 for place, rate in used.items())
    for key, claim in claims.items():
        assert claim.floor <= rates[key] <= claim.ceiling
        if rates[key] < claim.ceiling * (1 - 1e-9):
            full = [place for place in claim.places if place in budgets and used[place] >= budgets[place] - 1e-3]
            level = rates[key] / claim.weight
            assert any(
                all(
                    rates[k] / c.weight <= max(level, c.floor / c.weight) * (1 + 1e-6)
                    for k, c in claims.items()
                    if place in c.places
                )
                for place in full
            )
