"""The migration model: worked examples, the closed forms they come from, and plain numeric simulation."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, log

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rebalancer.cluster import MigrationTraits, Writes
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.plan.migration_model import Forecast, forecast, hindrance, switchover_burst
from rebalancer.plan.moves import floor_of
from rebalancer.plan.precopy import least_rate, precopy, remedy
from rebalancer.policy.model import MigrationSettings, Rung

MIB = 2**20
GUEST = MigrationTraits(memory=Bytes(8 * 2**30), dirty_rate=BytesPerSecond(30.0 * MIB))
HOT = Writes(hot=Bytes(96_000_000), period=Seconds(2.0), cold=BytesPerSecond(3e6))
"""96 MB rewritten every 2 s, and 3 MB/s besides, of 4,000 MB."""


@pytest.mark.parametrize(("rate", "seconds", "mib"), [(112, 99.9, 11_185), (56, 314.7, 17_626)])
def test_time_and_bytes_alone_and_on_half_a_link(rate: int, seconds: float, mib: int) -> None:
    found = forecast(GUEST, BytesPerSecond(rate * MIB), Seconds(0.3))
    assert found.transfer == pytest.approx(seconds, rel=0.001)
    assert found.bytes / MIB == pytest.approx(mib, rel=0.001)
    assert found.converges


@pytest.mark.parametrize(("mbit", "seconds"), [(1000, 39.2), (500, 98.9)])
def test_a_hot_set_is_sent_again_and_again(mbit: float, seconds: float) -> None:
    """Rates by the paper's divisor: a ninth of the megabits are megabytes."""
    traits = MigrationTraits(memory=Bytes(4_000_000_000), writes=HOT)
    assert forecast(traits, BytesPerSecond(mbit / 9 * 1e6), Seconds(0.3)).transfer == pytest.approx(seconds, rel=0.002)


def test_a_hot_set_that_is_rewritten_faster_than_it_is_sent_needs_a_longer_downtime() -> None:
    rate = BytesPerSecond(250 / 9 * 1e6)
    traits = MigrationTraits(memory=Bytes(4_000_000_000), writes=HOT)
    assert not forecast(traits, rate, Seconds(0.3)).converges
    assert not forecast(traits, rate, Seconds(3.8)).converges
    assert forecast(traits, rate, Seconds(3.9)).converges
    assert remedy(4e9, HOT, rate, 0.3) == (
        "it writes 91.6 MiB again every 2 s and 24 Mbit/s besides, and can be sent at 222.2 Mbit/s; it would converge "
        "at 448.8 Mbit/s, with max_downtime: 3.9 s, or with auto_converge or post_copy"
    )


def test_downtime_is_what_is_left_at_the_rate() -> None:
    assert forecast(GUEST, BytesPerSecond(112.0 * MIB), Seconds(0.3)).downtime == pytest.approx(0.12, abs=0.01)


def test_never_ends_when_memory_is_dirtied_as_fast_as_it_is_sent() -> None:
    assert not forecast(GUEST, BytesPerSecond(28.0 * MIB), Seconds(0.3)).converges


def test_a_small_memory_goes_within_the_downtime_whatever_is_dirtied() -> None:
    small = MigrationTraits(memory=Bytes(MIB), dirty_rate=BytesPerSecond(900.0 * MIB))
    assert forecast(small, BytesPerSecond(10.0 * MIB), Seconds(0.3)).converges


def test_offline_every_byte_goes_once_and_all_of_it_is_downtime() -> None:
    found = forecast(GUEST, BytesPerSecond(112.0 * MIB), Seconds(0.3), live=False)
    assert found.bytes == GUEST.memory
    assert found.downtime > found.transfer


def on_rung(*ladder: Rung, rate: float = 28.0 * MIB) -> Forecast:
    return forecast(GUEST, BytesPerSecond(rate), Seconds(0.3), ladder=ladder)


def test_the_ladder_is_climbed_only_as_far_as_needed() -> None:
    assert on_rung(Rung.POST_COPY, rate=112.0 * MIB).rung is None
    assert on_rung(Rung.AUTO_CONVERGE, Rung.POST_COPY).rung is Rung.AUTO_CONVERGE
    assert on_rung(Rung.POST_COPY, Rung.CANCEL).rung is Rung.POST_COPY
    refused = on_rung(Rung.CANCEL)
    assert (refused.converges, refused.rung) == (False, None)


def test_post_copy_sends_what_was_written_once_more_and_hardly_stops() -> None:
    found = on_rung(Rung.POST_COPY)
    assert found.converges
    assert GUEST.memory < found.bytes <= 2 * GUEST.memory
    assert found.downtime < 0.1


def test_pausing_ends_it_at_the_price_of_downtime() -> None:
    found = on_rung(Rung.PAUSE)
    assert found.converges
    assert found.downtime > 100


def test_a_throttled_guest_converges_after_more_rounds() -> None:
    found = on_rung(Rung.AUTO_CONVERGE)
    assert found.converges
    assert found.bytes > 2 * GUEST.memory
    assert found.downtime <= 0.33


def test_disks_are_mirrored_first_and_what_is_written_to_them_meanwhile() -> None:
    quiet = MigrationTraits(memory=Bytes(1000), disk=Bytes(9000))
    found = forecast(quiet, BytesPerSecond(100.0), Seconds(0.3))
    assert (found.transfer, found.bytes) == (100.0, 10_000)
    busy = forecast(replace(quiet, disk_writes=BytesPerSecond(10.0)), BytesPerSecond(100.0), Seconds(0.3))
    assert busy.transfer == pytest.approx(10_000 / 90, rel=1e-3)
    assert busy.bytes == pytest.approx(10_000 / 90 * 100, rel=1e-3)
    assert not forecast(
        replace(quiet, disk_writes=BytesPerSecond(100.0)), BytesPerSecond(100.0), Seconds(0.3)
    ).converges
    still = forecast(replace(quiet, disk_writes=BytesPerSecond(10.0)), BytesPerSecond(100.0), Seconds(0.3), live=False)
    assert still.downtime > still.transfer == 100.0


BUSY_DISKS = MigrationTraits(memory=Bytes(1000), disk=Bytes(9000), disk_writes=BytesPerSecond(200.0))
"""Written twice as fast as a rate of 100 can copy them."""


@pytest.mark.parametrize("ladder", [(), (Rung.AUTO_CONVERGE,), (Rung.POST_COPY,), (Rung.AUTO_CONVERGE, Rung.CANCEL)])
def test_no_rung_but_a_pause_ends_the_copy_of_disks_that_are_written_too_fast(ladder: tuple[Rung, ...]) -> None:
    assert not forecast(BUSY_DISKS, BytesPerSecond(100.0), Seconds(0.3), ladder=ladder).converges
    paused = forecast(BUSY_DISKS, BytesPerSecond(100.0), Seconds(0.3), ladder=(*ladder, Rung.PAUSE))
    assert (paused.converges, paused.rung) == (True, Rung.PAUSE)
    assert paused.downtime >= paused.transfer == 100.0


def test_a_guest_that_stands_still_writes_to_no_disk() -> None:
    found = forecast(BUSY_DISKS, BytesPerSecond(100.0), Seconds(0.3), live=False)
    assert (found.converges, found.transfer, found.bytes) == (True, 100.0, 10_000)


def test_disks_and_memory_together_say_which_rate_it_takes() -> None:
    guest = replace(GUEST, disk=Bytes(100 * MIB), disk_writes=BytesPerSecond(10.0 * MIB))
    least = floor_of(guest, MigrationSettings())
    assert least == floor_of(GUEST, MigrationSettings()) + 10 * MIB
    assert forecast(guest, least, Seconds(0.3)).converges
    assert not forecast(guest, BytesPerSecond(least * 0.9), Seconds(0.3)).converges
    written = replace(guest, dirty_rate=BytesPerSecond(0.0))
    assert forecast(written, floor_of(written, MigrationSettings()), Seconds(0.3)).converges


def test_what_disks_need_is_said() -> None:
    assert hindrance(replace(BUSY_DISKS, disk_writes=BytesPerSecond(2e8)), 1e8, Seconds(0.3)) == (
        "its disks are written at 1.6 Gbit/s, and can be copied at 800 Mbit/s; it would converge at 1.8 Gbit/s, "
        "or with pause or live: false"
    )
    guest = replace(GUEST, disk=Bytes(100 * MIB), disk_writes=BytesPerSecond(1e7))
    assert hindrance(guest, 4e7, Seconds(0.3)) == (
        "it writes 251.7 Mbit/s, and can be sent at 240 Mbit/s; it would converge at 276.8 Mbit/s, or with "
        "auto_converge or post_copy; the 80 Mbit/s that its disks are written at come on top"
    )
    assert hindrance(GUEST, 1e7, Seconds(0.3)) == remedy(float(GUEST.memory), GUEST.writing, 1e7, 0.3)


def test_where_slowing_down_is_not_enough_the_next_rung_is_taken() -> None:
    wild = replace(GUEST, dirty_rate=BytesPerSecond(1e12))
    found = forecast(wild, BytesPerSecond(1e6), Seconds(0.3), ladder=(Rung.AUTO_CONVERGE, Rung.POST_COPY))
    assert (found.converges, found.rung) == (True, Rung.POST_COPY)


def test_a_burst_at_the_end_is_no_more_than_is_written_in_a_second() -> None:
    assert switchover_burst(MigrationTraits(memory=Bytes(4_000_000_000), writes=HOT)) == 51_000_000
    assert switchover_burst(MigrationTraits(memory=Bytes(1000), dirty_rate=BytesPerSecond(1e6))) == 1000


memories = st.floats(1e6, 1e10)
downtimes = st.floats(0.01, 4.0)
writing = st.builds(
    Writes, hot=st.integers(0, 10**9).map(Bytes), period=st.floats(0.1, 10.0).map(Seconds), cold=st.floats(0.0, 1e8)
)


@given(memory=memories, writes=writing, rate=st.floats(1e6, 1e9), downtime=downtimes)
def test_it_agrees_with_a_guest_that_is_watched_in_small_steps(
    memory: float, writes: Writes, rate: float, downtime: float
) -> None:
    """The guest's written bytes are counted step by step, as a dirty bitmap would, and sent round by round."""
    found = precopy(memory, writes, rate, downtime)
    assume(found.converges and found.rounds < 40)
    left, sent = memory, 0.0
    while left > rate * downtime:
        steps = 200
        step, hot, cold = left / rate / steps, 0.0, 0.0
        for _ in range(steps):
            hot = min(hot + writes.hot / writes.period * step, writes.hot)
            cold += writes.cold * step
        sent += left
        left = min(hot + cold, memory)
    assert found.sent == pytest.approx(sent, rel=1e-6)
    assert found.left == pytest.approx(left, rel=1e-6, abs=1.0)


@given(memory=memories, rate=st.floats(1e6, 1e9), ratio=st.floats(0.05, 0.95), downtime=downtimes)
def test_one_rate_and_no_hot_set_is_the_geometric_series(
    memory: float, rate: float, ratio: float, downtime: float
) -> None:
    assume(memory > rate * downtime)
    found = precopy(memory, Writes(cold=BytesPerSecond(ratio * rate)), rate, downtime)
    exact = log(rate * downtime / memory) / log(ratio)
    assume(abs(exact - round(exact)) > 1e-6)
    assert found.rounds == ceil(exact)
    assert found.sent + found.left == pytest.approx(memory * (1 - ratio ** (found.rounds + 1)) / (1 - ratio), rel=1e-6)


@given(memory=memories, writes=writing, rate=st.floats(1e6, 1e9), downtime=downtimes)
def test_the_verdict_is_the_rule(memory: float, writes: Writes, rate: float, downtime: float) -> None:
    """It converges if what is left vanishes, or settles at what the downtime has room for."""
    vanishes = writes.hot / writes.period + writes.cold
    assume(abs(vanishes - rate) > 0.01 * rate and abs(writes.cold - rate) > 0.01 * rate)
    settles = writes.hot * rate / (rate - writes.cold) if writes.cold < rate else float("inf")
    room = rate * downtime
    assume(abs(settles - room) > 0.01 * room)
    expected = memory <= room or vanishes < rate or settles <= room
    if settles >= memory and vanishes >= rate:
        expected = memory <= room
    assert precopy(memory, writes, rate, downtime).converges == expected


@given(memory=memories, writes=writing, downtime=downtimes)
def test_at_the_least_rate_it_converges_and_well_below_it_does_not(
    memory: float, writes: Writes, downtime: float
) -> None:
    least = least_rate(memory, writes, downtime)
    assume(least > 1.0)
    assert precopy(memory, writes, least * 1.001, downtime).converges
    assume(memory > 0.8 * least * downtime)
    assert not precopy(memory, writes, least * 0.8, downtime).converges
