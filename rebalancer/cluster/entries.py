"""The entries of snapshot and inventory files as written, and what must hold between them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, Field

from rebalancer.cluster.capabilities import NameForm
from rebalancer.cluster.model import DomainState, HostState, Link
from rebalancer.cluster.statistics import parse_statistic
from rebalancer.cluster.text import shown
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.documents import (
    AmountsField,
    BytesField,
    Document,
    DurationField,
    Model,
    Name,
    RateField,
    ShareField,
)
from rebalancer.errors import Problem

__all__ = [
    "CapabilitiesEntry",
    "DomainEntry",
    "HostEntry",
    "LinkEntry",
    "NewDomainEntry",
    "TraitsEntry",
    "check_links",
    "links_of",
    "suggestion",
    "unique",
]


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _uuid(text: str) -> str:
    lower = text.lower()
    if not _UUID.fullmatch(lower):
        raise ValueError(f"{shown(text)} is not a UUID such as 7d0e85ba-2118-4f16-866e-915f206f88e6")
    return lower


def _link_capacity(rate: float) -> float:
    if rate <= 0:
        raise ValueError("must be more than 0")
    return rate


def _at_most_all(share: float) -> float:
    if share > 1:
        raise ValueError("must be at most 100%")
    return share


class LinkEntry(Model):
    """An edge of the network graph, full duplex."""

    name: Name
    connects: Annotated[tuple[Name, ...], Field(min_length=2, max_length=2)]
    """Its two ends, each a host or a switch."""
    capacity: Annotated[RateField, AfterValidator(_link_capacity)]
    """In each direction."""


class CapabilitiesEntry(Model):
    """What a host supports of a migration."""

    live: bool = False
    offline: bool = False
    rename: bool = False
    bandwidth: bool = False
    set_bandwidth: bool = False
    max_downtime: bool = False
    cancel: bool = False
    progress: bool = False
    auto_converge: bool = False
    post_copy: bool = False
    dirty_rate: bool = False
    transports: tuple[str, ...] = ()
    names: NameForm = NameForm.FILE
    bandwidth_unit: int = Field(default=1, gt=0)


class HostEntry(Model):
    """A host as it was read."""

    name: Name
    state: HostState = HostState.UP
    labels: Mapping[str, str] = Field(default_factory=dict)
    capacity: AmountsField = Field(default_factory=dict)
    migration: CapabilitiesEntry = CapabilitiesEntry.model_construct()
    offers: Mapping[str, frozenset[str]] = Field(default_factory=dict)
    reason: str | None = None
    pressure: Mapping[str, Annotated[ShareField, AfterValidator(_at_most_all)]] = Field(default_factory=dict)
    """Resource → the share of time in which something on the host waited for it."""
    distance: Mapping[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Other host → how far it is to move a domain there; 0 where nothing is said."""


def _longer_than_nothing(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be more than 0")
    return seconds


class WritesEntry(Model):
    """How a domain writes to its memory."""

    hot: BytesField = Bytes(0)
    period: Annotated[DurationField, AfterValidator(_longer_than_nothing)] = Seconds(1.0)
    cold: RateField = BytesPerSecond(0.0)


class TraitsEntry(Model):
    """What decides whether and how fast a domain migrates."""

    memory: BytesField | None = None
    """What has to be sent at least; left out: what the domain uses."""
    dirty_rate: RateField | None = None
    writes: WritesEntry | None = None
    disk: BytesField = Bytes(0)
    disk_writes: RateField = BytesPerSecond(0.0)
    allowed: bool = True
    reason: str | None = None


class NewDomainEntry(Model):
    """What a domain is, wherever it runs."""

    name: Annotated[str, Field(min_length=1)]
    uses: AmountsField = Field(default_factory=dict)
    labels: Mapping[str, str] = Field(default_factory=dict)
    needs: Mapping[str, frozenset[str]] = Field(default_factory=dict)
    loads: Mapping[Annotated[str, AfterValidator(parse_statistic)], AmountsField] = Field(default_factory=dict)
    """Statistic → resource → amount, beside ``uses``: ``{p95@1h: {cpu: 2.5}, requested: {cpu: 4}}``."""


_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


def _mac(text: str) -> str:
    lower = text.lower()
    if not _MAC.fullmatch(lower):
        raise ValueError(f"{shown(text)} is not a MAC address such as 52:54:00:12:34:56")
    return lower


class DomainEntry(NewDomainEntry):
    """A domain as it was read."""

    uuid: Annotated[str, AfterValidator(_uuid)]
    host: str
    state: DomainState = DomainState.RUNNING
    migration: TraitsEntry = TraitsEntry.model_construct()
    persistent: bool = True
    interfaces: Mapping[Annotated[str, AfterValidator(_mac)], str] = Field(default_factory=dict)
    """MAC address → the network on its host: ``{"52:54:00:12:34:56": bridge br0}``."""


def links_of(entries: Iterable[LinkEntry]) -> tuple[Link, ...]:
    return tuple(
        Link(name=entry.name, connects=(entry.connects[0], entry.connects[1]), capacity=entry.capacity)
        for entry in entries
    )


def check_links(document: Document, entries: Sequence[LinkEntry], problems: list[Problem]) -> None:
    """Names are unique and no link leads back to where it starts."""
    unique(document, "links", "link", [entry.name for entry in entries], problems)
    for index, entry in enumerate(entries):
        if entry.connects[0] == entry.connects[1]:
            message = f"link {shown(entry.name)} connects {shown(entry.connects[0])} with itself"
            problems.append(Problem(message, document.position(["links", index, "connects"])))


def unique(document: Document, key: str, what: str, names: Sequence[str], problems: list[Problem]) -> None:
    """No two entries of the list ``key`` have one name."""
    if len(set(names)) == len(names):
        return
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in first:
            line = document.position([key, first[name], "name"]).line
            message = f"there is a {what} {shown(name)} already, in line {line}"
            problems.append(Problem(message, document.position([key, index, "name"])))
        first.setdefault(name, index)


def suggestion(name: str, known: Collection[str]) -> str:
    """``; did you mean 'h1'?``, or the known names where they are few."""
    close = get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {shown(close[0])}?"
    return f" (known: {', '.join(sorted(known))})" if 0 < len(known) <= 8 else ""
