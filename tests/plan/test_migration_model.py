"""The worked examples of the pre-copy model: 8 GiB dirtied at 30 MiB/s."""

from __future__ import annotations

import pytest

from rebalancer.cluster import MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.plan.migration_model import forecast

MIB = 2**20
GUEST = MigrationTraits(memory=Bytes(8 * 2**30), dirty_rate=BytesPerSecond(30.0 * MIB))


@pytest.mark.parametrize(("rate", "seconds", "mib"), [(112, 99.9, 11_185), (56, 314.7, 17_626)])
def test_time_and_bytes_alone_and_on_half_a_link(rate: int, seconds: float, mib: int) -> None:
    found = forecast(GUEST, BytesPerSecond(rate * MIB), Seconds(0.3))
    assert found.transfer == pytest.approx(seconds, rel=0.001)
    assert found.bytes / MIB == pytest.approx(mib, rel=0.001)
    assert found.converges


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
