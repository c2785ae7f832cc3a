"""One connection a host, opened when first needed, shared by reading and execution."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType

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
    load_driver,
)
from rebalancer.errors import HostUnreachable
from rebalancer.inventory.model import Inventory, InventoryHost

__all__ = ["Connections", "SystemClock"]


class SystemClock:
    """Real time, for hosts whose drivers do not share a clock."""

    def now(self) -> Seconds:
        return Seconds(time.monotonic())

    def sleep(self, duration: Seconds) -> None:
        time.sleep(duration)


class Connections:
    """Connections to the hosts of an inventory by name; closes them all at the end. Safe for several threads.

    A connection that a host was lost on is not handed out again: the next call opens a new one.
    """

    def __init__(self, inventory: Inventory, *, load: Callable[[str], Driver] = load_driver) -> None:
        self._hosts = {host.name: host for host in inventory.hosts}
        self._load = load
        self._drivers: dict[str, Driver] = {}
        self._open: dict[str, _Shared] = {}
        self._lost: list[_Shared] = []
        self._opening = {name: threading.Lock() for name in self._hosts}
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Connections:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            connections = [*self._open.values(), *self._lost]
            self._open, self._lost = {}, []
        for connection in connections:
            connection.close()

    def driver(self, host: str) -> Driver:
        """The driver of a host; hosts with the same kind of driver share one."""
        name = self._known(host).driver
        with self._lock:
            if name not in self._drivers:
                self._drivers[name] = self._load(name)
            return self._drivers[name]

    def driver_host(self, host: str) -> DriverHost:
        return self._known(host).reach

    def connection(self, host: str) -> HostConnection:
        """Opened when first asked for, and again after it was lost; raises HostUnreachable."""
        reach = self.driver_host(host)
        with self._opening[host]:
            with self._lock:
                found = self._open.get(host)
            if found is None:
                found = _Shared(self.driver(host).connect(reach), lambda lost: self._forget(host, lost))
                self._keep(host, found)
            return found

    def clock(self) -> Clock:
        """The clock of all hosts where they have one driver; real time otherwise."""
        drivers = {self.driver(host).name: self.driver(host) for host in self._hosts}
        return next(iter(drivers.values())).clock() if len(drivers) == 1 else SystemClock()

    def drop(self, host: str) -> None:
        """Does not use the present connection again: a call on it does not come back."""
        with self._lock:
            stuck = self._open.pop(host, None)
            if stuck is not None:
                self._lost.append(stuck)
            # Whoever hangs while opening one would keep this lock.
            self._opening[host] = threading.Lock()

    def _keep(self, host: str, connection: _Shared) -> None:
        with self._lock:
            if not self._closed:
                if self._open.setdefault(host, connection) is not connection:
                    # Someone who was given up on has come back, late.
                    self._lost.append(connection)
                return
        connection.close()
        raise HostUnreachable(host, "all connections are closed")

    def _forget(self, host: str, lost: _Shared) -> None:
        with self._lock:
            if self._open.get(host) is lost:
                del self._open[host]
                # Closed at the end only: its migrations may still be watched through it.
                self._lost.append(lost)

    def _known(self, host: str) -> InventoryHost:
        found = self._hosts.get(host)
        if found is None:
            raise HostUnreachable(host, "is not in the inventory")
        return found


class _Shared:
    """A driver's connection: one call at a time, and reported once its host cannot be reached."""

    def __init__(self, connection: HostConnection, lost: Callable[[_Shared], None]) -> None:
        self._connection = connection
        self._lost = lost
        self._lock = threading.RLock()

    @contextmanager
    def _call(self) -> Iterator[HostConnection]:
        with self._lock:
            try:
                yield self._connection
            except HostUnreachable:
                self._lost(self)
                raise

    def capabilities(self) -> Capabilities:
        with self._call() as connection:
            return connection.capabilities()

    def read(self, options: ReadOptions) -> tuple[Host, tuple[Domain, ...]]:
        with self._call() as connection:
            return connection.read(options)

    def roster(self) -> Mapping[str, Entry]:
        with self._call() as connection:
            return connection.roster()

    def pressure(self) -> Mapping[str, float]:
        with self._call() as connection:
            return connection.pressure()

    def find(self, uuid: str) -> Sighting | None:
        with self._call() as connection:
            return connection.find(uuid)

    def migrate(self, domain: Domain, destination: DriverHost, options: MigrationOptions) -> Migration:
        with self._call() as connection:
            return connection.migrate(domain, destination, options)

    def adopt(self, domain: Domain, destination: DriverHost, options: MigrationOptions) -> Migration | None:
        with self._call() as connection:
            return connection.adopt(domain, destination, options)

    def discard(self, uuid: str) -> None:
        with self._call() as connection:
            connection.discard(uuid)

    def unpause(self, uuid: str) -> None:
        with self._call() as connection:
            connection.unpause(uuid)

    def suspend(self, uuid: str) -> None:
        with self._call() as connection:
            connection.suspend(uuid)

    def close(self) -> None:
        # Not one call at a time: it may be what ends a call that hangs. What fails to close is gone anyway.
        with suppress(Exception):
            self._connection.close()
