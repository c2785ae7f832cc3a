"""What a run needs of the hosts: a connection to ask and to migrate from, and an address to migrate to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar

from rebalancer.cluster import Domain
from rebalancer.cluster.units import Seconds
from rebalancer.drivers import DriverHost, Entry, HostConnection, ReadOptions, Sighting
from rebalancer.errors import HostAnswerInvalid, HostUnreachable, RebalancerError
from rebalancer.values import dataclass

__all__ = ["Finding", "Hosts", "ask", "guarded", "list_domains", "roster"]

T = TypeVar("T")

QUICK = ReadOptions(sample=Seconds(0.1))
"""The names on a host are wanted, not its load."""


class Hosts(Protocol):
    """Every host of the inventory by name."""

    def connection(self, name: str) -> HostConnection:
        """Opened when first asked for, and again after it was lost; raises HostUnreachable."""

    def driver_host(self, name: str) -> DriverHost: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a host said of a domain: a sighting, that it does not know it (both None), or nothing (``error``)."""

    host: str
    sighting: Sighting | None = None
    error: str | None = None
    unreachable: bool = False
    """There is no answer because the host could not be reached."""

    @property
    def answered(self) -> bool:
        return self.error is None

    @property
    def silence(self) -> str:
        """That there was no answer, in words."""
        return f"{self.host} could not be asked ({self.error})"

    @property
    def active(self) -> Sighting | None:
        """The domain as it occupies this host, if it does."""
        return self.sighting if self.sighting is not None and self.sighting.state.active else None


def guarded(host: str, call: Callable[[], T]) -> T:
    """The call's value; whatever a driver raises, only our own errors leave here."""
    try:
        return call()
    except RebalancerError:
        raise
    except Exception as error:
        # A fault in a driver must not end a run while migrations are under way.
        raise HostAnswerInvalid(host, f"its driver failed: {error!r}") from error


def ask(hosts: Hosts, host: str, uuid: str) -> Finding:
    """Where a domain stands, as one host sees it. Never raises."""
    try:
        return Finding(host=host, sighting=guarded(host, lambda: hosts.connection(host).find(uuid)))
    except RebalancerError as error:
        return Finding(host=host, error=str(error), unreachable=isinstance(error, HostUnreachable))


def list_domains(hosts: Hosts, host: str) -> Iterable[Domain]:
    """What is on a host right now, running or defined; raises a RebalancerError when it does not answer."""
    return guarded(host, lambda: hosts.connection(host).read(QUICK)[1])


def roster(hosts: Hosts, host: str) -> Mapping[str, Entry]:
    """The same, but only names; much quicker."""
    return guarded(host, lambda: hosts.connection(host).roster())
