"""Connections: one a host, opened when needed, opened again when lost, all closed at the end."""

from __future__ import annotations

import threading

import pytest

from rebalancer.cluster import Host
from rebalancer.drivers import DriverHost, HostConnection, ReadOptions
from rebalancer.errors import HostUnreachable
from rebalancer.inventory import Connections, Inventory, InventoryHost
from rebalancer.inventory.connections import SystemClock
from tests.inventory.drivers import StoppedClock, TestDriver, loader


def inventory(**drivers: str) -> Inventory:
    return Inventory(
        name="lab",
        hosts=tuple(
            InventoryHost(driver=driver, reach=DriverHost(name=name, peer=f"peer:{name}"))
            for name, driver in drivers.items()
        ),
    )


def test_one_connection_a_host_and_all_closed():
    driver = TestDriver(reads={"h1": lambda: (Host(name="h1"), ())})
    with Connections(inventory(h1="virsh", h2="virsh"), load=loader(driver)) as connections:
        assert driver.connected == []
        assert connections.connection("h1") is connections.connection("h1")
        assert connections.connection("h1").read(ReadOptions())[0].name == "h1"
        assert connections.connection("h1").find("x") is None
        assert connections.driver_host("h2").peer == "peer:h2"
        assert connections.driver("h1") is connections.driver("h2") is driver
        assert [connection.host.name for connection in driver.connected] == ["h1"]
    assert [connection.closed for connection in driver.connected] == [True]
    with pytest.raises(HostUnreachable, match="all connections are closed"):
        connections.connection("h1")
    assert [connection.closed for connection in driver.connected] == [True, True]


def test_a_lost_connection_is_opened_again_and_closed_at_the_end_only():
    def lost() -> tuple[Host, tuple[()]]:
        raise HostUnreachable("h1", "connection reset")

    driver = TestDriver(reads={"h1": lost})
    with Connections(inventory(h1="virsh"), load=loader(driver)) as connections:
        first = connections.connection("h1")
        with pytest.raises(HostUnreachable, match="connection reset"):
            first.read(ReadOptions())
        second = connections.connection("h1")
        assert second is not first
        assert connections.connection("h1") is second
        assert [connection.closed for connection in driver.connected] == [False, False]
    assert [connection.closed for connection in driver.connected] == [True, True]


def test_unknown_hosts():
    connections = Connections(inventory(h1="virsh"), load=loader(TestDriver()))
    for method in (connections.connection, connections.driver_host, connections.driver):
        with pytest.raises(HostUnreachable, match="h9: is not in the inventory"):
            method("h9")


def test_the_clock_is_that_of_the_only_driver():
    one = Connections(inventory(h1="virsh", h2="virsh"), load=loader(TestDriver()))
    two = Connections(inventory(h1="virsh", h2="other"), load=loader(TestDriver(), TestDriver("other")))
    assert isinstance(one.clock(), StoppedClock)
    assert isinstance(two.clock(), SystemClock)
    start = two.clock().now()
    two.clock().sleep(start * 0)
    assert two.clock().now() >= start


def test_two_threads_get_one_connection():
    driver = TestDriver()
    found: list[HostConnection] = []
    start = threading.Barrier(8)
    connections = Connections(inventory(h1="virsh"), load=loader(driver))

    def connect() -> None:
        start.wait()
        found.append(connections.connection("h1"))

    threads = [threading.Thread(target=connect) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(driver.connected) == 1
    assert len(set(map(id, found))) == 1


def test_who_hangs_while_connecting_stops_nobody_else():
    release = threading.Event()
    entered = threading.Event()

    class Hanging(TestDriver):
        def connect(self, host: DriverHost) -> HostConnection:
            if not entered.is_set():
                entered.set()
                release.wait()
            return super().connect(host)

    driver = Hanging()
    with Connections(inventory(h1="virsh"), load=loader(driver)) as connections:
        stuck = threading.Thread(target=connections.connection, args=("h1",))
        stuck.start()
        entered.wait()
        connections.drop("h1")
        second = connections.connection("h1")
        release.set()
        stuck.join()
        assert connections.connection("h1") is second
    assert [connection.closed for connection in driver.connected] == [True, True]
