"""Drivers by name, ours and third parties' alike, through the entry point group ``rebalancer.drivers``."""

from __future__ import annotations

from importlib.metadata import entry_points

from rebalancer.drivers.protocol import Driver
from rebalancer.errors import RebalancerError

__all__ = ["driver_names", "load_driver"]

GROUP = "rebalancer.drivers"


def driver_names() -> tuple[str, ...]:
    """The names of all installed drivers, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load_driver(name: str) -> Driver:
    """A new driver of this name; raises :class:`RebalancerError` when none is installed or it does not load."""
    for point in entry_points(group=GROUP, name=name):
        try:
            driver: Driver = point.load()()
        except ImportError as error:
            raise RebalancerError(f"driver {name!r} does not load: {error}") from error
        return driver
    raise RebalancerError(f"there is no driver {name!r} (installed: {', '.join(driver_names())})")
