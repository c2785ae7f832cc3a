from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster import Writes
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.cluster.writes import Window, fit_writes

MIB = 2**20


def test_a_hot_set_counts_once_however_long_one_looks() -> None:
    writes = Writes(hot=Bytes(96), period=Seconds(2.0), cold=BytesPerSecond(3.0))
    assert [writes.within(t) for t in (0.0, 1.0, 2.0, 10.0)] == [0.0, 51.0, 102.0, 126.0]


def test_a_guest_that_rewrites_the_same_is_told_from_one_that_does_not() -> None:
    """32 MiB/s over one second and 8 MiB/s over five, as a real guest was measured that rewrites 32 MiB each second."""
    found = fit_writes(Window(1.0, 32.0 * MIB), Window(5.0, 8.0 * MIB))
    assert found.hot == 30 * MIB
    assert found.cold == 2 * MIB
    assert fit_writes(Window(1.0, 8.0 * MIB), Window(5.0, 8.0 * MIB)) == Writes(cold=BytesPerSecond(8.0 * MIB))


def test_less_in_the_long_window_than_in_the_short_one_is_an_error_of_measurement() -> None:
    found = fit_writes(Window(1.0, 64.0 * MIB), Window(5.0, 10.0 * MIB))
    assert (found.hot, found.cold) == (64 * MIB, 0.0)


@given(
    hot=st.integers(0, 10_000),
    cold=st.floats(0.0, 100.0),
    period=st.floats(0.1, 1.0),
    long=st.floats(5.0, 10.0),
)
def test_what_was_measured_is_what_the_fit_says(hot: int, cold: float, period: float, long: float) -> None:
    true = Writes(hot=Bytes(hot * MIB), period=Seconds(period), cold=BytesPerSecond(cold * MIB))
    found = fit_writes(Window(1.0, true.within(1.0)), Window(long, true.within(long) / long))
    for seconds in (1.0, 2.0, long):
        assert found.within(seconds) == pytest.approx(true.within(seconds), rel=1e-6, abs=2.0)
