"""How domains, hosts and amounts are named."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from rebalancer.cluster.units import format_bytes, format_number
from rebalancer.placement.arrays import distinct
from rebalancer.placement.primitives import IntArray

__all__ = [
    "DOMAINS",
    "GROUPS",
    "NameOf",
    "amount_of",
    "bare_amount",
    "domains_on",
    "hosts_of",
    "kind_of_zone",
    "listed",
]

DOMAINS = "domains"
"""The resource that is a mere number of domains."""

GROUPS = "groups"
"""The resource that is a mere number of groups."""

NameOf = Callable[[int], str]
"""A domain's name for its index."""

_MOST = 6


def listed(names: Iterable[str], most: int = _MOST) -> str:
    """``a, b and 4 more``"""
    found = list(names)
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")


def domains_on(domains: Iterable[int], placement: IntArray, hosts: tuple[str, ...], name: NameOf) -> str:
    """``'a' on h1, 'b' on h2``"""
    return listed(f"'{name(int(domain))}' on {hosts[placement[domain]]}" for domain in domains)


def hosts_of(zone: int, zones: IntArray, hosts: tuple[str, ...]) -> str:
    """The hosts of a zone: ``h1, h2``."""
    return listed((hosts[host] for host in np.flatnonzero(zones == zone)), 3)


def kind_of_zone(zones: IntArray, number: int) -> str:
    """What a number of zones is a number of: hosts, where each host is a zone."""
    word = "host" if len(distinct(zones)) == len(zones) else "zone"
    return f"{number} {word}" + ("" if number == 1 else "s")


def bare_amount(resource: str, value: float) -> str:
    """``8 GiB``, where the resource has been named"""
    return format_bytes(value) if resource in ("memory", "disk") else format_number(value)


def amount_of(resource: str, value: float) -> str:
    """``8 GiB of memory``, ``2 of cpu``, ``3 domains``"""
    if resource == DOMAINS:
        return f"{format_number(value)} domain" + ("" if value == 1 else "s")
    if resource == GROUPS:
        return f"{format_number(value)} group" + ("" if value == 1 else "s")
    return f"{bare_amount(resource, value)} of {resource}"
