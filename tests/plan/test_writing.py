from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rebalancer.cluster import Writes
from rebalancer.cluster.units import Bytes, BytesPerSecond
from rebalancer.plan.precopy import precopy
from rebalancer.plan.writing import Known, counted, sampled, together

MIB = 2**20
RATE, DOWNTIME = 100.0 * MIB, 0.3


def writes(*, hot: float = 0.0, cold: float = 0.0) -> Writes:
    """MiB, MiB/s."""
    return Writes(hot=Bytes(round(hot * MIB)), cold=BytesPerSecond(cold * MIB))


@given(
    memory=st.floats(40.0 * MIB, 1e12),
    times=st.floats(0.1, 10.0),
    hot=st.floats(0.0, 20.0),
    cold=st.floats(1.0, 30.0),
)
def test_what_was_sent_tells_how_many_times_as_fast_a_domain_writes(
    memory: float, times: float, hot: float, cold: float
) -> None:
    truth = precopy(memory, writes(hot=hot * times, cold=cold * times), RATE, DOWNTIME)
    sent = truth.sent + truth.left
    assume(truth.converges and sent > memory * 1.01)
    found = counted(writes(hot=hot, cold=cold), memory, sent, RATE, DOWNTIME)
    assert found is not None
    again = precopy(memory, found.writes, RATE, DOWNTIME)
    # One round more or less is what is left at the end of it.
    assert abs(again.sent + again.left - sent) <= RATE * DOWNTIME + 0.01 * sent


def test_what_is_sent_at_once_tells_nothing() -> None:
    assert counted(writes(cold=5.0), RATE * DOWNTIME, 2 * RATE, RATE, DOWNTIME) is None
    assert counted(writes(cold=5.0), 2 * RATE, 2 * RATE, RATE, DOWNTIME) is None, "nothing was sent again"


def test_a_domain_of_which_nothing_was_known_is_taken_to_write_ever_new_pages() -> None:
    once = precopy(1000.0 * MIB, writes(cold=25.0), RATE, DOWNTIME)
    found = counted(Writes(), 1000.0 * MIB, once.sent + once.left, RATE, DOWNTIME)
    assert found is not None
    assert (found.writes.hot, found.writes.cold) == (0, pytest.approx(25.0 * MIB, rel=0.01))


def test_samples_count_by_what_could_be_expected_of_them() -> None:
    slow = writes(cold=4.0)
    assert sampled(slow, None).pages == 10
    assert sampled(Writes(), None).pages == 1
    assert sampled(Writes(), Known(slow, 50.0)).pages == 10
    assert sampled(writes(cold=4000.0), None).pages == 100


@given(st.floats(1.0, 1000.0), st.floats(-2.5, 2.5))
def test_what_chance_explains_is_averaged(rate: float, deviations: float) -> None:
    """n pages are expected in five seconds of looking; n ± 2.5 √n may be met."""
    pages = rate * 5 / 2
    met = max(pages + deviations * sqrt(pages), 0.0)
    known = Known(writes(cold=rate), 100.0)
    found = together(known, sampled(writes(cold=met * 2 / 5), known))
    part = max(min(max(met, pages), 100.0), 1.0)
    part /= 100.0 + part
    assert found.writes.cold == pytest.approx(((1 - part) * rate + part * met * 2 / 5) * MIB, rel=1e-3)


def test_what_it_does_not_explain_replaces_what_was_known() -> None:
    known, new = Known(writes(cold=50.0), 200.0), Known(writes(cold=5.0), 12.0)
    assert together(known, new) == new
    assert together(None, new) == new


def test_what_is_known_counts_for_no_more_than_so_much() -> None:
    known = Known(writes(cold=50.0), 150.0)
    assert together(known, Known(writes(cold=60.0), 100.0)).pages == 200
