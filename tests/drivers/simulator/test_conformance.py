from __future__ import annotations

from pathlib import Path

import pytest
from rebalancer_simulator import Simulation, SimulatorDriver, VirtualClock

from rebalancer.cluster import Capabilities
from rebalancer.cluster.snapshot import dump_snapshot
from rebalancer.drivers import DriverHost
from rebalancer.drivers.conformance import Bench, DriverConformance
from tests.drivers.simulator.worlds import GIB, MIB, cluster, domain

A = domain("a", "h1", memory=GIB, dirty=2.0 * MIB)


def hosts(directory: Path) -> tuple[DriverHost, DriverHost, DriverHost]:
    uri, settings = "simulator:world.yaml", {"base_directory": str(directory)}
    source, destination, missing = (DriverHost(name=n, uri=uri, settings=settings) for n in ("h1", "h2", "h9"))
    return source, destination, missing


class TestWorldFile(DriverConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        (tmp_path / "world.yaml").write_text(dump_snapshot(cluster([A, domain("b", "h1"), domain("c", "h2")])))
        source, destination, missing = hosts(tmp_path)
        return Bench(
            driver=SimulatorDriver(clock=VirtualClock()),
            source=source,
            destination=destination,
            uuid=A.uuid,
            unreachable=missing,
        )


class TestHostsThatOfferLittle(DriverConformance):
    """As Xen does: it moves, and that is all."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        source, destination, missing = hosts(tmp_path)
        return Bench(
            driver=SimulatorDriver(
                Simulation(cluster([A], migration=Capabilities(live=True, rename=True))), clock=VirtualClock()
            ),
            source=source,
            destination=destination,
            uuid=A.uuid,
            unreachable=missing,
        )
