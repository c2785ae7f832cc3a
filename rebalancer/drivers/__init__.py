"""The driver contract and the drivers that are installed.

In: an inventory's hosts. Out: connections that read hosts and migrate domains.
"""

from rebalancer.drivers.protocol import (
    Clock,
    Driver,
    DriverHost,
    Entry,
    HostConnection,
    Migration,
    MigrationOptions,
    MigrationOutcome,
    Progress,
    ReadOptions,
    Sighting,
)
from rebalancer.drivers.registry import driver_names, load_driver

__all__ = [
    "Clock",
    "Driver",
    "DriverHost",
    "Entry",
    "HostConnection",
    "Migration",
    "MigrationOptions",
    "MigrationOutcome",
    "Progress",
    "ReadOptions",
    "Sighting",
    "driver_names",
    "load_driver",
]
