"""Simulated hosts for programs that have no inventory: tests, the demo, a first try of the library."""

from __future__ import annotations

from rebalancer.drivers import Clock, DriverHost, HostConnection
from rebalancer_simulator.clock import VirtualClock
from rebalancer_simulator.driver import SimulatorDriver
from rebalancer_simulator.simulation import Simulation

__all__ = ["SimulatedHosts"]


class SimulatedHosts:
    """All hosts of an in-memory simulation, by name.

    >>> from rebalancer.cluster import Cluster, Host
    >>> hosts = SimulatedHosts(Simulation(Cluster(name="lab", hosts=(Host(name="h1"),), domains=())))
    >>> hosts.connection("h1").find("7d0e85ba-2118-4f16-866e-915f206f88e6") is None
    True
    """

    def __init__(self, simulation: Simulation, clock: Clock | None = None) -> None:
        self.simulation = simulation
        self.driver = SimulatorDriver(simulation, clock=clock or VirtualClock(simulation.now))

    def clock(self) -> Clock:
        return self.driver.clock()

    def driver_host(self, name: str) -> DriverHost:
        return DriverHost(name=name, uri="simulator:memory")

    def connection(self, name: str) -> HostConnection:
        return self.driver.connect(self.driver_host(name))
