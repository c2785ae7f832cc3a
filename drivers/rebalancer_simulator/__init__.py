"""Simulated hosts: the driver contract without a hypervisor, for tests, demonstrations and what-if.

In: a snapshot (a file or a :class:`~rebalancer.cluster.Cluster`). Out: hosts that read, migrate and fail like real
ones, in virtual or scaled time, deterministically.
"""

from rebalancer_simulator.clock import ScaledClock, VirtualClock
from rebalancer_simulator.driver import SimulatorDriver
from rebalancer_simulator.faults import Breakdown, Cut, Faults, Outage, OutageKind
from rebalancer_simulator.hosts import SimulatedHosts
from rebalancer_simulator.simulation import Simulation, Traffic

__all__ = [
    "Breakdown",
    "Cut",
    "Faults",
    "Outage",
    "OutageKind",
    "ScaledClock",
    "SimulatedHosts",
    "Simulation",
    "SimulatorDriver",
    "Traffic",
    "VirtualClock",
]
