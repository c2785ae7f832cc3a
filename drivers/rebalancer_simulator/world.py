"""A simulation that drivers share: one per file, kept in step with a clock, written back after each change.

What is under way is kept in a file beside it, ``.NAME.running``: as with real hosts, migrations go on when the process
that started them dies, and whoever opens the world next finds them as far as they have come meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rebalancer.cluster.snapshot import dump_snapshot, parse_snapshot
from rebalancer.drivers import Clock
from rebalancer.errors import HostUnreachable, RebalancerError
from rebalancer.files import read_text, write_atomically
from rebalancer_simulator.persistence import dump_running, restore_running, signature
from rebalancer_simulator.simulation import Simulation

__all__ = ["World"]


class World:
    """``path``: where the world is kept, and ``text``: what stands there; None: in memory only.

    ``speed``: of its clock; ``today``: seconds since 1970.
    """

    def __init__(
        self,
        simulation: Simulation,
        clock: Clock,
        path: Path | None = None,
        *,
        text: str = "",
        speed: float = 1.0,
        today: Callable[[], float] = time.time,
    ) -> None:
        self.simulation = simulation
        self.clock = clock
        self.path = path
        self._text = text
        self._speed = speed
        self._today = today
        self._lock = threading.RLock()
        self._written = simulation.changes
        self._under_way = signature(simulation)

    @classmethod
    def load(cls, path: Path, clock: Clock, *, speed: float = 1.0, today: Callable[[], float] = time.time) -> World:
        """The world of a snapshot file; raises :class:`~rebalancer.errors.InvalidInput` with positions."""
        text = read_text(path)
        simulation = Simulation(parse_snapshot(text, str(path)), now=clock.now())
        with suppress(OSError, RebalancerError, ValueError, KeyError, TypeError):
            saved = json.loads(read_text(_beside(path)))
            # Of another world, or one that somebody has changed by hand since, it says nothing.
            if saved["world"] == _digest(text):
                simulation.now = clock.now() - max(today() - float(saved["at"]), 0.0) * speed
                restore_running(simulation, saved)
        return cls(simulation, clock, path, text=text, speed=speed, today=today)

    @contextmanager
    def now(self, host: str) -> Iterator[Simulation]:
        """The simulation, brought to the present, for one thread; errors are told as those of ``host``."""
        with self._lock:
            self.simulation.advance(self.clock.now())
            yield self.simulation
            self._save(host)

    def _save(self, host: str) -> None:
        if self.path is None:
            return
        under_way = signature(self.simulation)
        if self.simulation.changes == self._written and under_way == self._under_way:
            return
        try:
            if self.simulation.changes != self._written:
                self._text = dump_snapshot(self.simulation.settled())
                write_atomically(self.path, self._text, 0o644)
            if self.simulation.running:
                running = {"world": _digest(self._text), "at": self._today(), **dump_running(self.simulation)}
                write_atomically(_beside(self.path), json.dumps(running), 0o644)
            else:
                _beside(self.path).unlink(missing_ok=True)
        except (OSError, RebalancerError) as error:
            raise HostUnreachable(host, f"cannot write the simulated world: {error}") from error
        self._written, self._under_way = self.simulation.changes, under_way


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.running")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
