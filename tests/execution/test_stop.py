from __future__ import annotations

import os
import signal

from rebalancer.execution import StopSignal, stop_on_signals


def test_signals_become_requests_inside_the_block_only() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGINT)
        assert (stop.requested, stop.cancelled) == (True, False)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.cancelled
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_of_ones_own_is_used() -> None:
    own = StopSignal()
    with stop_on_signals(own) as stop:
        assert stop is own
