"""MAC addresses that two domains have: what is there now, and what a plan brings onto one network of one host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from rebalancer.cluster import Cluster, Domain
from rebalancer.plan.model import Plan
from rebalancer.values import dataclass

__all__ = ["AddressClash", "address_clashes", "clashes_on_the_way"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressClash:
    """Domains that run with one MAC address, two or more. ``host``: where a plan brings them together on one network;
    None: as things are now."""

    address: str
    domains: tuple[Domain, ...]
    host: str | None = None

    def __str__(self) -> str:
        """``MAC address 52:54:00:12:34:56: 'web1' on h1 (bridge br0) and 'clone' on h2 (bridge br0)``"""
        if self.host is None:
            *others, last = (_described(domain, self.address) for domain in self.domains)
            return f"MAC address {self.address}: {', '.join(others)} and {last}"
        network = next((n for d in self.domains if (n := d.interfaces[self.address])), "")
        names = " and ".join(f"'{domain.name}' (now on {domain.host})" for domain in self.domains)
        return (
            f"MAC address {self.address}: the plan brings {names} together on {self.host}{network and f', {network}'}"
        )


def address_clashes(cluster: Cluster) -> tuple[AddressClash, ...]:
    """Every address with which several domains run, on whatever hosts. A domain's own sightings are one domain."""
    return tuple(AddressClash(address=address, domains=domains) for address, domains in _shared(cluster).items())


def clashes_on_the_way(plan: Plan) -> tuple[AddressClash, ...]:
    """Every two that come to be on one network of one host, for a time or for good, as is predicted."""
    moving = {step.uuid for step in plan.steps}
    stays = _Stays(plan)
    return tuple(
        AddressClash(address=address, domains=(first, second), host=host)
        for address, domains in _shared(plan.snapshot).items()
        for first, second in combinations(domains, 2)
        if (first.uuid in moving or second.uuid in moving)
        and _may_be_one(first.interfaces[address], second.interfaces[address])
        for host in stays.together(first, second)
        if not first.host == second.host == host
    )


def _shared(cluster: Cluster) -> Mapping[str, tuple[Domain, ...]]:
    """Address → the domains that run with it, where there are several."""
    found: dict[str, dict[str, Domain]] = {}
    for domain in cluster.active_domains:
        for address in domain.interfaces:
            found.setdefault(address, {}).setdefault(domain.uuid, domain)
    return {address: tuple(domains.values()) for address, domains in found.items() if len(domains) > 1}


def _may_be_one(first: str, second: str) -> bool:
    """Whether two networks of one host are one; what is not known may be."""
    return first == second or not first or not second


def _described(domain: Domain, address: str) -> str:
    network = domain.interfaces[address]
    return f"'{domain.name}' on {domain.host}{network and f' ({network})'}"


class _Stays:
    """When domains are on which hosts, as a plan predicts it."""

    def __init__(self, plan: Plan) -> None:
        self._steps: dict[str, list[tuple[str, float, str, float]]] = {}
        for step in plan.steps:
            found = (step.source, step.predicted.end, step.destination, step.predicted.start)
            self._steps.setdefault(step.uuid, []).append(found)

    def of(self, domain: Domain) -> Iterator[tuple[str, float, float]]:
        """(host, from, until), on both hosts while it moves."""
        since, host = 0.0, domain.host
        for source, end, destination, start in self._steps.get(domain.uuid, ()):
            yield source, since, end
            since, host = start, destination
        yield host, since, float("inf")

    def together(self, first: Domain, second: Domain) -> Sequence[str]:
        return tuple(
            dict.fromkeys(
                host
                for host, since, until in self.of(first)
                for other, from_, to in self.of(second)
                if host == other and since < to and from_ < until
            )
        )
