"""What every driver must do: a pytest suite that a driver's author points at two hosts.

::

    class TestMyDriver(DriverConformance):
        @pytest.fixture
        def bench(self) -> Bench:
            return Bench(driver=MyDriver(), source=…, destination=…, uuid="7d0e85ba-…")

The suite needs one domain that runs on ``source``, may be migrated and takes at least a second to send. It moves it,
and puts it back. What the source's capabilities do not offer is checked to be refused; what they offer is used.
"""

# ruff: noqa: S101 (pytest's way to state what must hold)

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rebalancer.cluster import Capabilities, Domain, DomainState
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers.protocol import (
    Driver,
    DriverHost,
    HostConnection,
    Migration,
    MigrationOptions,
    MigrationOutcome,
    ReadOptions,
)
from rebalancer.errors import HostUnreachable, MigrationFailed, RebalancerError, Unsupported
from rebalancer.values import dataclass

__all__ = ["Bench", "DriverConformance"]

PATIENCE = 120.0
"""Seconds, by the driver's clock, in which any migration here must end."""
QUICK = ReadOptions(sample=Seconds(0.1))


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What the suite works on. ``slow``: a rate at which sending the domain takes some seconds."""

    driver: Driver
    source: DriverHost
    destination: DriverHost
    uuid: str
    unreachable: DriverHost | None = None
    """An entry of a host that is not there."""
    slow: BytesPerSecond = BytesPerSecond(8.0 * 2**20)


class _Ends:
    """Both hosts, connected."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.source = bench.driver.connect(bench.source)
        self.destination = bench.driver.connect(bench.destination)
        self.offers = self.source.capabilities()

    @property
    def domain(self) -> Domain:
        """As the source lists it."""
        return _listed(self.source, self.bench.uuid)

    @property
    def way(self) -> MigrationOptions:
        """The plainest migration that the source offers."""
        return MigrationOptions(live=self.offers.live)

    def start(self, options: MigrationOptions) -> Migration:
        return self.source.migrate(self.domain, self.bench.destination, options)

    def wait(self, migration: Migration) -> None:
        clock = self.bench.driver.clock()
        deadline = clock.now() + PATIENCE
        while not migration.done():
            assert clock.now() < deadline, "the migration does not end"
            clock.sleep(Seconds(0.1))

    def move(self, options: MigrationOptions) -> MigrationOutcome:
        migration = self.start(options)
        self.wait(migration)
        return migration.result()

    def bring_back(self, name: str) -> None:
        """Whatever a test has left: the domain runs on the source again, under its name."""
        if self.destination.find(self.bench.uuid) is not None and self.source.find(self.bench.uuid) is None:
            there = _listed(self.destination, self.bench.uuid)
            options = replace(self.way, new_name=name if there.name != name else None)
            migration = self.destination.migrate(there, self.bench.source, options)
            self.wait(migration)
            migration.result()

    def must_run_on(self, host: HostConnection, name: str) -> None:
        """There, under that name, and not on the other host."""
        other = self.destination if host is self.source else self.source
        seen = host.find(self.bench.uuid)
        assert seen is not None
        assert (seen.name, seen.state, seen.migrating) == (name, DomainState.RUNNING, False)
        elsewhere = other.find(self.bench.uuid)
        assert elsewhere is None or not elsewhere.state.active


def _listed(host: HostConnection, uuid: str) -> Domain:
    return next(domain for domain in host.read(QUICK)[1] if domain.uuid == uuid)


class DriverConformance:
    @pytest.fixture
    def bench(self) -> Bench:
        raise NotImplementedError("give the suite hosts to work on: see the module's documentation")

    @pytest.fixture
    def ends(self, bench: Bench) -> Iterator[_Ends]:
        ends = _Ends(bench)
        name = ends.domain.name
        yield ends
        ends.bring_back(name)
        ends.source.close()
        ends.destination.close()

    def test_a_host_is_read_as_the_inventory_calls_it(self, ends: _Ends) -> None:
        host, domains = ends.source.read(QUICK)
        assert host.name == ends.bench.source.name
        assert host.readable
        assert host.migration == ends.offers == ends.source.capabilities()
        assert all(amount >= 0 for amount in host.capacity.values())
        assert all(domain.host == host.name for domain in domains)
        assert len({domain.uuid for domain in domains}) == len(domains)
        assert len({domain.name for domain in domains}) == len(domains)
        assert all(str(uuids.UUID(domain.uuid)) == domain.uuid for domain in domains)

    def test_a_roster_lists_what_is_read(self, ends: _Ends) -> None:
        _, domains = ends.source.read(QUICK)
        listed = {uuid: (entry.name, entry.active) for uuid, entry in ends.source.roster().items()}
        assert listed == {domain.uuid: (domain.name, domain.state.active) for domain in domains}

    def test_pressure_is_told_in_shares(self, ends: _Ends) -> None:
        """A host that does not know leaves it out."""
        assert all(0 <= share <= 1 for share in ends.source.pressure().values())

    def test_a_domain_is_found_as_it_is_listed(self, ends: _Ends) -> None:
        domain, seen = ends.domain, ends.source.find(ends.bench.uuid)
        assert seen is not None
        assert (seen.name, seen.state, seen.migrating) == (domain.name, DomainState.RUNNING, False)
        assert ends.destination.find(ends.bench.uuid) is None
        assert ends.source.find("00000000-0000-4000-8000-00000000dead") is None

    def test_two_connections_do_not_disturb_each_other(self, bench: Bench) -> None:
        first, second = bench.driver.connect(bench.source), bench.driver.connect(bench.source)
        first.close()
        assert second.find(bench.uuid) is not None
        second.close()
        second.close()

    def test_a_host_that_is_not_there_is_unreachable(self, bench: Bench) -> None:
        if bench.unreachable is None:
            pytest.skip("no such host on this bench")
        with pytest.raises(HostUnreachable) as caught:
            bench.driver.connect(bench.unreachable).read(QUICK)
        assert caught.value.host == bench.unreachable.name

    def test_a_domain_moves_and_is_gone_from_where_it_was(self, ends: _Ends) -> None:
        name = ends.domain.name
        outcome = ends.move(ends.way)
        assert outcome.duration > 0
        assert outcome.transferred is None or outcome.transferred > 0
        ends.must_run_on(ends.destination, name)
        assert _listed(ends.destination, ends.bench.uuid).name == name

    def test_a_result_can_be_had_again(self, ends: _Ends) -> None:
        migration = ends.start(ends.way)
        assert migration.result() == migration.result()
        assert migration.done()

    def test_a_domain_takes_a_new_name_and_its_old_one_back(self, ends: _Ends) -> None:
        self._need(ends.offers, "rename")
        name = ends.domain.name
        ends.move(replace(ends.way, new_name=f"{name}-renamed"))
        ends.must_run_on(ends.destination, f"{name}-renamed")
        ends.bring_back(name)
        ends.must_run_on(ends.source, name)

    def test_a_new_name_is_text_and_nothing_else(self, ends: _Ends) -> None:
        """Names come from files and hosts: none may run a command or become an option."""
        self._need(ends.offers, "rename")
        name = ends.domain.name
        for hostile in ("--help", "$(touch x); `touch x` & 'a' \"b\""):
            try:
                ends.move(replace(ends.way, new_name=hostile))
            except RebalancerError:
                ends.must_run_on(ends.source, name)
            else:
                ends.must_run_on(ends.destination, hostile)
            ends.bring_back(name)

    def test_progress_is_told_while_it_goes_on(self, ends: _Ends) -> None:
        self._need(ends.offers, "progress", "bandwidth", "cancel")
        clock = ends.bench.driver.clock()
        migration = ends.start(replace(ends.way, bandwidth=ends.bench.slow))
        clock.sleep(Seconds(3.0))
        progress = migration.progress()
        assert progress.elapsed > 0
        assert progress.processed is not None
        migration.cancel()
        ends.wait(migration)

    def test_a_cap_is_kept_and_can_be_lifted(self, ends: _Ends) -> None:
        self._need(ends.offers, "bandwidth", "set_bandwidth", "progress")
        clock, slow = ends.bench.driver.clock(), ends.bench.slow
        migration = ends.start(replace(ends.way, bandwidth=slow))
        clock.sleep(Seconds(2.0))
        before, since = migration.progress().processed or 0, clock.now()
        clock.sleep(Seconds(1.0))
        if not migration.done():
            sent = (migration.progress().processed or 0) - before
            assert sent <= slow * (clock.now() - since) * 1.5 + slow / 2
        migration.set_bandwidth(BytesPerSecond(slow * 64))
        ends.wait(migration)
        migration.result()

    def test_a_cancelled_migration_leaves_the_domain_where_it_was(self, ends: _Ends) -> None:
        self._need(ends.offers, "cancel", "bandwidth")
        name = ends.domain.name
        migration = ends.start(replace(ends.way, bandwidth=ends.bench.slow))
        ends.bench.driver.clock().sleep(Seconds(2.0))
        seen = ends.source.find(ends.bench.uuid)
        assert seen is not None
        assert seen.migrating
        migration.cancel()
        ends.wait(migration)
        with pytest.raises(MigrationFailed) as caught:
            migration.result()
        assert caught.value.host == ends.bench.source.name
        ends.must_run_on(ends.source, name)

    def test_a_migration_is_taken_over_and_cancelled(self, ends: _Ends) -> None:
        """As after the death of whoever started it: another connection finds it, and can do with it as before."""
        self._need(ends.offers, "cancel", "bandwidth", "progress")
        name, clock = ends.domain.name, ends.bench.driver.clock()
        options = replace(ends.way, bandwidth=ends.bench.slow)
        first = ends.start(options)
        clock.sleep(Seconds(2.0))
        heir = ends.bench.driver.connect(ends.bench.source)
        adopted = heir.adopt(ends.domain, ends.bench.destination, options)
        assert adopted is not None
        clock.sleep(Seconds(2.0))
        assert adopted.progress().processed is not None
        assert not adopted.done()
        adopted.cancel()
        ends.wait(adopted)
        with pytest.raises(MigrationFailed):
            adopted.result()
        ends.wait(first)
        heir.close()
        ends.must_run_on(ends.source, name)

    def test_a_migration_that_is_taken_over_comes_to_its_end(self, ends: _Ends) -> None:
        self._need(ends.offers, "bandwidth", "set_bandwidth")
        name, options = ends.domain.name, replace(ends.way, bandwidth=ends.bench.slow)
        first = ends.start(options)
        ends.bench.driver.clock().sleep(Seconds(2.0))
        adopted = ends.source.adopt(ends.domain, ends.bench.destination, options)
        assert adopted is not None
        adopted.set_bandwidth(BytesPerSecond(ends.bench.slow * 64))
        ends.wait(adopted)
        assert adopted.result().duration > 0
        ends.wait(first)
        ends.must_run_on(ends.destination, name)

    def test_what_is_not_under_way_cannot_be_taken_over(self, ends: _Ends) -> None:
        assert ends.source.adopt(ends.domain, ends.bench.destination, ends.way) is None

    def test_what_runs_is_not_discarded(self, ends: _Ends) -> None:
        name = ends.domain.name
        with pytest.raises(MigrationFailed):
            ends.source.discard(ends.bench.uuid)
        with pytest.raises(MigrationFailed):
            ends.source.unpause(ends.bench.uuid)
        with pytest.raises(MigrationFailed):
            ends.destination.suspend(ends.bench.uuid)
        ends.destination.discard(ends.bench.uuid)
        ends.must_run_on(ends.source, name)

    def test_what_is_suspended_stands_still_until_it_is_let_go_on(self, ends: _Ends) -> None:
        name = ends.domain.name
        ends.source.suspend(ends.bench.uuid)
        seen = ends.source.find(ends.bench.uuid)
        assert seen is not None
        assert seen.state is DomainState.PAUSED
        with pytest.raises(MigrationFailed):
            ends.source.suspend(ends.bench.uuid)
        ends.source.unpause(ends.bench.uuid)
        ends.must_run_on(ends.source, name)

    def test_a_domain_that_is_not_there_cannot_be_moved(self, ends: _Ends) -> None:
        stranger = replace(ends.domain, name="not-there", uuid="00000000-0000-4000-8000-00000000dead")
        with pytest.raises(MigrationFailed):
            ends.source.migrate(stranger, ends.bench.destination, ends.way).result()

    @pytest.mark.parametrize(
        ("option", "asked"),
        [
            ("live", MigrationOptions(live=True)),
            ("offline", MigrationOptions(live=False)),
            ("rename", MigrationOptions(new_name="other")),
            ("bandwidth", MigrationOptions(bandwidth=BytesPerSecond(2.0**30))),
            ("max_downtime", MigrationOptions(max_downtime=Seconds(1.0))),
            ("auto_converge", MigrationOptions(auto_converge=True)),
            ("post_copy", MigrationOptions(post_copy=True)),
            ("transports", MigrationOptions(transport="carrier-pigeon")),
        ],
    )
    def test_what_is_not_offered_is_refused_and_not_ignored(
        self, ends: _Ends, option: str, asked: MigrationOptions
    ) -> None:
        if option != "transports" and getattr(ends.offers, option):
            pytest.skip(f"{option} is offered")
        name = ends.domain.name
        wanted = asked if option in ("live", "offline") else replace(asked, live=ends.offers.live)
        with pytest.raises(Unsupported):
            ends.start(wanted).result()
        ends.must_run_on(ends.source, name)

    @staticmethod
    def _need(offers: Capabilities, *names: str) -> None:
        lacking = [name for name in names if not getattr(offers, name)]
        if lacking:
            pytest.skip(f"not offered: {', '.join(lacking)}")
