"""The driver contract. A driver reads a host, migrates a domain and reports; it decides nothing.

Units: bytes, bytes per second, seconds. Errors: :class:`~rebalancer.errors.HostUnreachable` when the host cannot be
reached, :class:`~rebalancer.errors.HostAnswerInvalid` when it answers nonsense,
:class:`~rebalancer.errors.MigrationFailed` when a migration did not move its domain,
:class:`~rebalancer.errors.Unsupported` when an option is not among the host's capabilities. No other error leaves a
driver. Every call ends within a bounded time. A driver never ignores an option.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol

from rebalancer.cluster import Capabilities, Domain, DomainState, Host
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.values import dataclass

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
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverHost:
    """How one host is reached: an entry of the inventory, its defaults filled in."""

    name: str
    address: str = ""
    uri: str = ""
    """The hypervisor's URI as seen on the host itself."""
    peer: str = ""
    """The URI under which other hosts reach this one to migrate to it."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """What only this driver understands, e.g. ``ssh``; see each driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What to measure beyond what costs nothing."""

    sample: Seconds = Seconds(1.0)
    """Time between the two samples that rates are computed from."""
    dirty_rate: Seconds | None = None
    """Measure dirty rates over this time, and over a second before that where it is long enough to tell them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationOptions:
    """``virDomainMigrate``'s arguments, and no more than a host's capabilities offer."""

    live: bool = True
    new_name: str | None = None
    uri: str | None = None
    """The destination as seen from the source; None: the driver finds the best way itself."""
    transport: str | None = None
    bandwidth: BytesPerSecond | None = None
    """Cap on the rate; None: no cap."""
    max_downtime: Seconds | None = None
    auto_converge: bool = False
    post_copy: bool = False
    """Allow :meth:`Migration.start_post_copy`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The latest that is known of a running migration; ``None``: the driver cannot tell."""

    elapsed: Seconds = Seconds(0.0)
    processed: Bytes | None = None
    remaining: Bytes | None = None
    total: Bytes | None = None
    iteration: int | None = None
    dirty_rate: BytesPerSecond | None = None
    expected_downtime: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationOutcome:
    """What a finished migration took, as the hypervisor measured it."""

    duration: Seconds
    downtime: Seconds | None = None
    transferred: Bytes | None = None
    """All that was sent, what was sent again too."""
    memory: Bytes | None = None
    """What of the domain's memory was not empty, and so had to be sent at least once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Where and how a domain was found on a host."""

    name: str
    state: DomainState
    migrating: bool = False
    """Whether a migration of it is under way, as seen from this host."""
    taken_back: bool = False
    """It runs because a migration away from here has failed, by this host's own word; false: that is not known."""
    held: bool = False
    """It stands still for a migration, by this host's own word, and none is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a host's roster."""

    name: str
    active: bool
    """Whether it occupies the host; false where it is only defined."""


class Migration(Protocol):
    """One migration under way: a job to watch, throttle and cancel. None of its methods but ``result`` waits."""

    def done(self) -> bool: ...

    def progress(self) -> Progress: ...

    def result(self) -> MigrationOutcome:
        """Waits for the end; raises :class:`~rebalancer.errors.MigrationFailed` if the domain did not move, and
        :class:`~rebalancer.errors.HostUnreachable` if that cannot be known."""

    def set_bandwidth(self, bandwidth: BytesPerSecond) -> None: ...

    def cancel(self) -> None:
        """Asks the hypervisor to give up; the domain runs on at its source. ``result`` then raises."""

    def start_post_copy(self) -> None: ...

    def pause(self) -> None:
        """Suspends the domain at its source, so that the copy comes to an end."""


class HostConnection(Protocol):
    """An open connection to one host. Used by one thread at a time, but for its migrations."""

    def capabilities(self) -> Capabilities: ...

    def read(self, options: ReadOptions) -> tuple[Host, tuple[Domain, ...]]: ...

    def roster(self) -> Mapping[str, Entry]:
        """Every domain that the host knows, by UUID, in one quick answer: names to be had, nothing measured."""

    def pressure(self) -> Mapping[str, float]:
        """What :attr:`~rebalancer.cluster.Host.pressure` is now, in one quick answer; empty: the host does not say."""

    def find(self, uuid: str) -> Sighting | None:
        """The domain, running or only defined; None: this host does not know it."""

    def migrate(self, domain: Domain, destination: DriverHost, options: MigrationOptions) -> Migration:
        """Starts a migration from this host and returns at once.

        It goes on by itself, whatever becomes of whoever started it.
        """

    def adopt(self, domain: Domain, destination: DriverHost, options: MigrationOptions) -> Migration | None:
        """Takes over a migration from this host that was started earlier, with these options, by somebody who is gone.

        None: this host has none of the domain under way. ``result`` then tells what became of it, and what it took as
        far as that can still be known.
        """

    def discard(self, uuid: str) -> None:
        """Removes what a migration has left of a domain here: a copy that stands still, and its definition.

        Only for a domain that is known to run on another host. Raises :class:`~rebalancer.errors.MigrationFailed`,
        and removes nothing, where the domain runs here or a migration of it is under way.
        """

    def unpause(self, uuid: str) -> None:
        """Lets a domain go on that was suspended here (:meth:`Migration.pause`); raises MigrationFailed otherwise."""

    def suspend(self, uuid: str) -> None:
        """Makes a domain stand still that runs here, though it also runs on another host; raises MigrationFailed where
        it does not run here, or a migration of it is under way."""

    def close(self) -> None: ...


class Clock(Protocol):
    """Time as a driver's hosts see it; a simulator has its own."""

    def now(self) -> Seconds: ...

    def sleep(self, duration: Seconds) -> None: ...


class Driver(Protocol):
    """One kind of host. Registered under the entry point group ``rebalancer.drivers``."""

    name: str

    def clock(self) -> Clock: ...

    def check(self, host: DriverHost) -> list[tuple[tuple[str, ...], str]]:
        """Problems with a host's entry in the inventory, before anything is connected: (path of keys, message)."""

    def connect(self, host: DriverHost) -> HostConnection: ...
