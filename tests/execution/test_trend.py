from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.drivers import Progress
from rebalancer.execution.convergence import ROUNDS, STALLED, THROTTLED_ROUNDS, Trend

MIB = 2**20
DOWNTIME = Seconds(0.3)


class Guest:
    """Pre-copy as in the textbook: memory in MiB, rates in MiB/s, looked at twice a second."""

    def __init__(
        self, *, memory: float, rate: float, dirty: float, working_set: float | None = None, measured: bool = True
    ) -> None:
        self.measured = measured
        self.trend = Trend(DOWNTIME)
        self.now = self.sent = 0.0
        self.rate, self.dirty = rate, dirty
        self.working_set = memory if working_set is None else working_set
        self.left = memory
        self.iteration = 1

    def play(self, rounds: int) -> str | None:
        """What is said after so many iterations; stops where it is said, or where the migration ends."""
        for _ in range(rounds):
            duration = self.left / self.rate
            looks = max(2, round(duration / 0.5))
            for _ in range(looks):
                self.now += duration / looks
                self.sent += self.left / looks
                self._look(self.left - self.left / looks)
            self.left = min(self.dirty * duration, self.working_set)
            self.iteration += 1
            self._look(self.left)
            if self.ended or (said := self.trend.hopeless()) is not None:
                return None if self.ended else said
        return None

    @property
    def ended(self) -> bool:
        return self.left <= self.rate * DOWNTIME

    def _look(self, remaining: float) -> None:
        self.trend.see(
            self.now,
            Progress(
                processed=Bytes(round(self.sent * MIB)),
                remaining=Bytes(round(remaining * MIB)),
                iteration=self.iteration,
                dirty_rate=BytesPerSecond(self.dirty * MIB) if self.measured and self.iteration > 1 else None,
            ),
        )


def test_a_guest_that_writes_faster_than_it_is_sent_is_found_out_in_two_iterations() -> None:
    guest = Guest(memory=128, rate=20, dirty=60)
    assert guest.play(1) is None
    assert guest.play(1) == "the guest writes 503.3 Mbit/s and is sent at 167.8 Mbit/s"


def test_what_a_hypervisor_does_not_measure_shows_by_what_is_left() -> None:
    guest = Guest(memory=128, rate=20, dirty=60, working_set=10, measured=False)
    assert guest.play(ROUNDS) is None
    assert guest.play(1) == "its last 3 iterations left no less to send: 10 MiB"


def test_where_the_guest_is_slowed_down_it_is_given_time() -> None:
    guest = Guest(memory=128, rate=20, dirty=60)
    guest.play(3)
    guest.trend.start_over(throttled=True)
    assert guest.play(THROTTLED_ROUNDS - 1) is None
    assert guest.play(5) is not None


def test_after_something_was_done_it_is_judged_anew() -> None:
    guest = Guest(memory=128, rate=20, dirty=60)
    assert guest.play(3) is not None
    guest.trend.start_over()
    assert guest.trend.hopeless() is None
    guest.rate = 200
    assert guest.play(40) is None
    assert guest.ended


@given(st.floats(64, 4096), st.floats(10, 500), st.floats(0, 0.8), st.none() | st.floats(0.01, 1))
def test_one_that_converges_is_never_given_up(memory: float, rate: float, ratio: float, share: float | None) -> None:
    guest = Guest(memory=memory, rate=rate, dirty=ratio * rate, working_set=None if share is None else share * memory)
    assert guest.play(100) is None
    assert guest.ended


@given(st.floats(64, 4096), st.floats(10, 200), st.floats(1.1, 5))
def test_one_that_never_converges_is_found_out_within_its_rounds(memory: float, rate: float, ratio: float) -> None:
    guest = Guest(memory=memory, rate=rate, dirty=ratio * rate)
    said = guest.play(ROUNDS + 2)
    assert said is not None or guest.ended


def test_a_dead_link_shows_by_what_is_not_sent() -> None:
    guest = Guest(memory=128, rate=20, dirty=0)
    guest._look(100)
    assert guest.trend.stalled(guest.now + STALLED - 1) is None
    assert guest.trend.stalled(guest.now + STALLED) == STALLED
    assert Trend(DOWNTIME).stalled(1e6) is None, "nothing was ever said to have been sent"


def test_the_time_left_is_what_the_iterations_take() -> None:
    trend = Trend(DOWNTIME)
    assert trend.time_left(BytesPerSecond(10.0)) is None
    trend.see(0.0, Progress(processed=Bytes(0), remaining=Bytes(100), iteration=1, dirty_rate=BytesPerSecond(5.0)))
    assert trend.time_left(BytesPerSecond(10.0)) == 20.0
    assert trend.time_left(BytesPerSecond(5.0)) == 40.0
    assert trend.time_left(None) is None
