"""The simulator as a driver: ``driver: simulator, uri: "simulator:world.yaml?speed=60"``.

The path is relative to the inventory (``settings["base_directory"]``); ``speed`` makes simulated time run that many
times as fast as real time.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from rebalancer.cluster import Capabilities, Domain, DomainState, Host
from rebalancer.drivers import (
    Clock,
    DriverHost,
    Entry,
    HostConnection,
    Migration,
    MigrationOptions,
    ReadOptions,
    Sighting,
)
from rebalancer.drivers.audit import tell
from rebalancer.errors import HostUnreachable, InvalidInput, MigrationFailed, Problem, RebalancerError
from rebalancer_simulator.access import require_answer, require_options
from rebalancer_simulator.clock import ScaledClock
from rebalancer_simulator.migration import SimulatedMigration
from rebalancer_simulator.simulation import Simulation
from rebalancer_simulator.world import World

__all__ = ["SimulatedConnection", "SimulatorDriver"]

SETTINGS = frozenset({"base_directory"})


class SimulatedConnection:
    def __init__(self, world: World, host: str) -> None:
        self._world = world
        self._host = host

    def capabilities(self) -> Capabilities:
        with self._world.now(self._host) as simulation:
            return require_answer(simulation, self._host).migration

    def read(self, options: ReadOptions) -> tuple[Host, tuple[Domain, ...]]:  # noqa: ARG002 (the world knows all rates)
        with self._world.now(self._host) as simulation:
            return require_answer(simulation, self._host), simulation.domains_on(self._host)

    def roster(self) -> Mapping[str, Entry]:
        with self._world.now(self._host) as simulation:
            require_answer(simulation, self._host)
            return {
                domain.uuid: Entry(name=domain.name, active=domain.state.active)
                for domain in simulation.domains_on(self._host)
            }

    def pressure(self) -> Mapping[str, float]:
        with self._world.now(self._host) as simulation:
            return require_answer(simulation, self._host).pressure

    def find(self, uuid: str) -> Sighting | None:
        with self._world.now(self._host) as simulation:
            require_answer(simulation, self._host)
            seen = simulation.find(self._host, uuid)
            tell(self._host, f"find {uuid}", _shown(seen) if seen else "unknown here")
            return seen

    def migrate(self, domain: Domain, destination: DriverHost, options: MigrationOptions) -> Migration:
        with self._world.now(self._host) as simulation:
            offers = require_answer(simulation, self._host).migration
            require_options(self._host, offers, options)
            transfer = simulation.begin(domain.uuid, self._host, destination.name, options)
            tell(self._host, f"migrate {domain.uuid} to {destination.name} with {options}", transfer.error or "started")
            return SimulatedMigration(self._world, transfer, offers)

    def adopt(self, domain: Domain, destination: DriverHost, options: MigrationOptions) -> Migration | None:
        with self._world.now(self._host) as simulation:
            offers = require_answer(simulation, self._host).migration
            require_options(self._host, offers, options)
            transfer = simulation.under_way(domain.uuid, self._host)
            there = transfer is not None and transfer.destination == destination.name
            tell(self._host, f"adopt {domain.uuid}", "under way" if there else "nothing under way")
            if transfer is None or not there:
                return None
            return SimulatedMigration(self._world, transfer, offers)

    def discard(self, uuid: str) -> None:
        with self._world.now(self._host) as simulation:
            require_answer(simulation, self._host)
            seen = simulation.find(self._host, uuid)
            if seen is None:
                return
            if seen.migrating or seen.state is DomainState.RUNNING:
                raise MigrationFailed(self._host, f"'{seen.name}' is in use here and is not removed")
            simulation.take(self._host, uuid)
            tell(self._host, f"discard {uuid}", "removed")

    def unpause(self, uuid: str) -> None:
        with self._world.now(self._host) as simulation:
            require_answer(simulation, self._host)
            seen = simulation.find(self._host, uuid)
            if seen is None or seen.migrating or seen.state is not DomainState.PAUSED:
                raise MigrationFailed(self._host, f"{uuid} does not stand still here")
            simulation.let_go_on(self._host, uuid)
            tell(self._host, f"unpause {uuid}", "runs")

    def suspend(self, uuid: str) -> None:
        with self._world.now(self._host) as simulation:
            require_answer(simulation, self._host)
            seen = simulation.find(self._host, uuid)
            if seen is None or seen.migrating or seen.state is not DomainState.RUNNING:
                raise MigrationFailed(self._host, f"{uuid} does not run here")
            simulation.make_stand_still(self._host, uuid)
            tell(self._host, f"suspend {uuid}", "stands still")

    def close(self) -> None:
        """There is nothing to close."""


class SimulatorDriver:
    """All hosts of one file share one world. With ``simulation`` the world is in memory and URIs do not matter."""

    name = "simulator"

    def __init__(self, simulation: Simulation | None = None, *, clock: Clock | None = None) -> None:
        self._clock: Clock = clock if clock is not None else ScaledClock()
        self._own = World(simulation, self._clock) if simulation is not None else None
        self._worlds: dict[Path, World] = {}
        self._speed: float | None = None
        self._lock = threading.Lock()

    def clock(self) -> Clock:
        return self._clock

    def check(self, host: DriverHost) -> list[tuple[tuple[str, ...], str]]:
        problems: list[tuple[tuple[str, ...], str]] = [
            ((key,), f"the simulator has no setting {key!r}") for key in sorted(set(host.settings) - SETTINGS)
        ]
        if self._own is None:
            try:
                _parse(host)
            except InvalidInput as error:
                problems.append((("uri",), str(error)))
        return problems

    def connect(self, host: DriverHost) -> HostConnection:
        with self._lock:
            world = self._own or self._world(host)
        with world.now(host.name) as simulation:
            require_answer(simulation, host.name)
        return SimulatedConnection(world, host.name)

    def _world(self, host: DriverHost) -> World:
        try:
            path, speed = _parse(host)
            if self._speed not in (None, speed):
                raise InvalidInput(f"all hosts must have one speed, not {self._speed:g} and {speed:g}")
            if self._speed is None and isinstance(self._clock, ScaledClock):
                self._clock.change_speed(speed)
            self._speed = speed
            if path not in self._worlds:
                self._worlds[path] = World.load(path, self._clock, speed=speed)
        except (OSError, RebalancerError) as error:
            raise HostUnreachable(host.name, f"cannot read the simulated world: {error}") from error
        return self._worlds[path]


def _shown(seen: Sighting) -> str:
    """``running as 'web', migrating``"""
    more = {"migrating": seen.migrating, "taken back": seen.taken_back, "held": seen.held}
    return ", ".join([f"{seen.state} as '{seen.name}'", *(word for word, holds in more.items() if holds)])


def _parse(host: DriverHost) -> tuple[Path, float]:
    """(file of the world, speed); raises InvalidInput with what to write instead."""
    example = "write e.g. simulator:world.yaml?speed=60"
    parts = urlsplit(host.uri)
    query = parse_qs(parts.query, keep_blank_values=True)
    if parts.scheme != "simulator" or parts.netloc or not parts.path:
        raise InvalidInput(f"{host.uri!r} is not the URI of a simulated world; {example}")
    if unknown := sorted(set(query) - {"speed"}):
        raise InvalidInput([Problem(f"unknown parameter {name!r}; {example}") for name in unknown])
    try:
        speed = float(query.get("speed", ["1"])[-1])
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1e6:
        raise InvalidInput(f"speed must be a number above 0; {example}")
    base = host.settings.get("base_directory", "")
    return (Path(str(base)) / unquote(parts.path)).resolve(), speed
