"""A simulation that drivers share: one per file, kept in step with a clock, written back after each change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rebalancer.cluster.snapshot import dump_snapshot, parse_snapshot
from rebalancer.drivers import Clock
from rebalancer.errors import HostUnreachable, RebalancerError
from rebalancer.files import read_text, write_atomically
from rebalancer_simulator.simulation import Simulation

__all__ = ["World"]


class World:
    """``path``: where the world is kept; None: in memory only."""

    def __init__(self, simulation: Simulation, clock: Clock, path: Path | None = None) -> None:
        self.simulation = simulation
        self.clock = clock
        self.path = path
        self._lock = threading.RLock()
        self._written = simulation.changes

    @classmethod
    def load(cls, path: Path, clock: Clock) -> World:
        """The world of a snapshot file; raises :class:`~rebalancer.errors.InvalidInput` with positions."""
        cluster = parse_snapshot(read_text(path), str(path))
        return cls(Simulation(cluster, now=clock.now()), clock, path)

    @contextmanager
    def now(self, host: str) -> Iterator[Simulation]:
        """The simulation, brought to the present, for one thread; errors are told as those of ``host``."""
        with self._lock:
            self.simulation.advance(self.clock.now())
            yield self.simulation
            self._save(host)

    def _save(self, host: str) -> None:
        if self.path is None or self.simulation.changes == self._written:
            return
        try:
            write_atomically(self.path, dump_snapshot(self.simulation.settled()), 0o644)
        except (OSError, RebalancerError) as error:
            raise HostUnreachable(host, f"cannot write the simulated world: {error}") from error
        self._written = self.simulation.changes
