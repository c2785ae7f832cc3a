"""A driver whose hosts say what a test has them say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from rebalancer.cluster import Capabilities, Domain, Host
from rebalancer.cluster.units import Seconds
from rebalancer.drivers import (
    Clock,
    Driver,
    DriverHost,
    Entry,
    HostConnection,
    Migration,
    MigrationOptions,
    ReadOptions,
    Sighting,
)
from rebalancer.errors import RebalancerError

Reads = dict[str, Callable[[], tuple[Host, tuple[Domain, ...]]]]


class StoppedClock:
    def now(self) -> Seconds:
        return Seconds(42.0)

    def sleep(self, duration: Seconds) -> None:
        raise NotImplementedError


class TestConnection:
    __test__ = False

    def __init__(self, driver: TestDriver, host: DriverHost) -> None:
        self.driver = driver
        self.host = host
        self.closed = False

    def capabilities(self) -> Capabilities:
        return Capabilities()

    def read(self, options: ReadOptions) -> tuple[Host, tuple[Domain, ...]]:
        return self.driver.reads[self.host.name]()

    def roster(self) -> Mapping[str, Entry]:
        return {
            domain.uuid: Entry(name=domain.name, active=domain.state.active) for domain in self.read(ReadOptions())[1]
        }

    def find(self, uuid: str) -> Sighting | None:
        return None

    def migrate(self, domain: Domain, destination: DriverHost, options: MigrationOptions) -> Migration:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


class TestDriver:
    __test__ = False

    def __init__(self, name: str = "virsh", reads: Reads | None = None) -> None:
        self.name = name
        self.reads = reads or {}
        self.connected: list[TestConnection] = []
        self._lock = threading.Lock()
        self._clock = StoppedClock()

    def clock(self) -> Clock:
        return self._clock

    def check(self, host: DriverHost) -> list[tuple[tuple[str, ...], str]]:
        return [
            ((key,), f"there is no setting '{key}'")
            for key in ("ssh", "colour")
            if key in host.settings and host.uri == "x:///"
        ]

    def connect(self, host: DriverHost) -> HostConnection:
        connection = TestConnection(self, host)
        with self._lock:
            self.connected.append(connection)
        return connection


def loader(*drivers: Driver) -> Callable[[str], Driver]:
    by_name = {driver.name: driver for driver in drivers}

    def load(name: str) -> Driver:
        if name not in by_name:
            raise RebalancerError(f"there is no driver {name!r} (installed: {', '.join(by_name)})")
        return by_name[name]

    return load
