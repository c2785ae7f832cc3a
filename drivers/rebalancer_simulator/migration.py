"""A simulated migration as the driver contract wants it."""

from __future__ import annotations

from rebalancer.cluster import Capabilities
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.drivers import MigrationOutcome, Progress
from rebalancer.drivers.audit import tell
from rebalancer.errors import MigrationFailed, Unsupported
from rebalancer_simulator.access import require_answer, require_unit
from rebalancer_simulator.transfer import Transfer
from rebalancer_simulator.world import World

__all__ = ["SimulatedMigration"]

PATIENCE = 7 * 86400.0
"""Seconds that :meth:`SimulatedMigration.result` waits for a migration that never ends."""
LOOK = 0.5


class SimulatedMigration:
    """Watched and steered from the source, so that an outage of the source shows here too."""

    def __init__(self, world: World, transfer: Transfer, capabilities: Capabilities) -> None:
        self._world = world
        self._transfer = transfer
        self._capabilities = capabilities
        self._host = transfer.source

    def done(self) -> bool:
        with self._world.now(self._host) as simulation:
            require_answer(simulation, self._host)
            return self._transfer.done

    def progress(self) -> Progress:
        with self._world.now(self._host) as simulation:
            require_answer(simulation, self._host)
            transfer = self._transfer
            elapsed = (simulation.now if transfer.ended is None else transfer.ended) - transfer.started
            if not self._capabilities.progress:
                return Progress(elapsed=Seconds(elapsed))
            return Progress(
                elapsed=Seconds(elapsed),
                processed=Bytes(round(transfer.sent)),
                remaining=Bytes(round(transfer.remaining)),
                total=Bytes(round(transfer.memory)),
                iteration=transfer.round,
                dirty_rate=BytesPerSecond(transfer.writing),
            )

    def result(self) -> MigrationOutcome:
        deadline = self._world.clock.now() + PATIENCE
        while not self.done():
            if self._world.clock.now() > deadline:
                raise MigrationFailed(self._host, "the migration does not end")
            self._world.clock.sleep(Seconds(LOOK))
        transfer = self._transfer
        if transfer.error is not None or transfer.ended is None:
            raise MigrationFailed(self._host, transfer.error or "the migration did not end")
        return MigrationOutcome(
            duration=Seconds(transfer.ended - transfer.started),
            downtime=Seconds(transfer.downtime),
            transferred=Bytes(round(transfer.sent)),
            memory=Bytes(round(transfer.memory)),
        )

    def set_bandwidth(self, bandwidth: BytesPerSecond) -> None:
        self._require("set_bandwidth", offered=self._capabilities.set_bandwidth)
        require_unit(self._host, self._capabilities, bandwidth)
        with self._world.now(self._host) as simulation:
            require_answer(simulation, self._host)
            self._transfer.cap = bandwidth
            tell(self._host, f"set-bandwidth {self._transfer.uuid} {bandwidth:.0f}", "set")

    def cancel(self) -> None:
        self._require("cancel", offered=self._capabilities.cancel)
        with self._world.now(self._host) as simulation:
            require_answer(simulation, self._host)
            cancelled = simulation.cancel(self._transfer)
            tell(self._host, f"cancel {self._transfer.uuid}", "cancelled" if cancelled else "too late")
            if not cancelled and not self._transfer.done:
                raise Unsupported(self._host, "cancel", "the domain already runs at its destination")

    def start_post_copy(self) -> None:
        self._require("post_copy", offered=self._capabilities.post_copy)
        with self._world.now(self._host) as simulation:
            require_answer(simulation, self._host)
            if not simulation.start_post_copy(self._transfer) and not self._transfer.done:
                raise Unsupported(self._host, "post_copy", "not in this phase of the migration")

    def pause(self) -> None:
        with self._world.now(self._host) as simulation:
            require_answer(simulation, self._host)
            simulation.suspend(self._transfer)

    def _require(self, option: str, *, offered: bool) -> None:
        if not offered:
            raise Unsupported(self._host, option)
