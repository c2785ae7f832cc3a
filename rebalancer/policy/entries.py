"""The parts of a policy file other than rules and goals: ``names``, ``links``, ``migration``, ``limits``, ….

Everything is optional and stays None when it is not written: what nobody asked for must not cause a refusal, and
defaults are filled in only when entries are merged (see :mod:`rebalancer.policy.settings`).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, Field, PlainSerializer, model_validator

from rebalancer.cluster import DirectedLink, Link
from rebalancer.cluster.network import host_first
from rebalancer.cluster.units import BytesPerSecond, format_number, parse_rate, parse_share
from rebalancer.documents import (
    BytesField,
    CountField,
    DurationField,
    Model,
    Name,
    PositiveField,
    RateField,
    ShareField,
)
from rebalancer.documents.fields import quantity
from rebalancer.policy.expressions import DomainKey, DomainSelector, LinkSelector
from rebalancer.policy.settings import FreeIn, Hint, HintsFrom, LinkCap, OnClash, Restore, Rung

__all__ = [
    "Concurrency",
    "HintsEntry",
    "LimitsEntry",
    "LinkEntry",
    "MigrationEntry",
    "MigrationOptions",
    "NamesEntry",
    "OverrideEntry",
    "PerDomainEntry",
    "PerGroupEntry",
    "ProtectEntry",
    "Retry",
]


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be more than 0")
    return value


def _at_most_all(value: float) -> float:
    if value > 1:
        raise ValueError(f"{format_number(value * 100)}% is more than 100%")
    return value


def _template(text: str) -> str:
    # The planner knows what its templates can say; it imports this package, so it is imported late.
    from rebalancer.plan.names import check_template

    return check_template(text)


class NamesEntry(Model):
    """What happens when a domain goes to a host on which its name is taken."""

    on_clash: OnClash | None = None
    """``rename`` (the default): the arriving domain takes a new name. ``order``: it waits until the other has left.
    ``forbid``: it goes elsewhere."""
    template: Annotated[str, AfterValidator(_template)] | None = None
    """The new name; ``{name}-{source}`` by default. Fields: ``name``, ``source``, ``destination``, ``uuid``,
    ``short_uuid`` (its first 8 digits), ``n`` (a number that makes the name free). What a hypervisor of the cluster
    does not take in a name is replaced."""
    free_in: FreeIn | None = None
    """Where nobody may have the new name, running or only defined: ``host`` (the default), where the domain goes, or
    ``cluster``."""
    restore: Restore | None = None
    """``never`` (the default), or ``when_free``: a domain that was renamed gets its old name back with its next
    migration to a host where that is free. The journal knows the old names."""
    rename_cost: Annotated[float, Field(ge=0, le=1e9)] | None = None
    """What each domain that needs a new name where it ends up adds to the score, in the policy's last tier, so that
    another host is taken where that costs less; where the others of its name leave, it needs none. 0.1 by default, as
    much as a move in the policy ``balance``; 0: new names decide nothing. In a policy without ``move_cost`` each move
    of a domain whose name others have costs as much, so that none is moved to spare another a new name."""


def _cap(value: object) -> LinkCap:
    wanted = "a share of the link such as 40% or a rate such as 400 Mbit/s"
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit; write {wanted}")  # noqa: TRY004 - pydantic wants a ValueError
    if "%" in value:
        return LinkCap(share=_at_most_all(parse_share(value)))
    if "/" not in value:
        raise ValueError(f"{value!r} is neither a share nor a rate; write {wanted}")
    return LinkCap(rate=parse_rate(value))


def _cap_text(cap: LinkCap) -> str:
    return f"{cap.share * 100:.12g}%" if cap.share is not None else f"{cap.rate or 0:.12g} B/s"


CapField = Annotated[
    LinkCap,
    *quantity(_cap, "a share of the link, or a rate", "40%", "400 Mbit/s"),
    PlainSerializer(_cap_text, return_type=str),
]


class LinkEntry(Model):
    """What all migrations together may take of the links that are selected. The last entry that selects a link wins."""

    select: LinkSelector = LinkSelector("true")
    """Which links."""
    most: CapField | None = None
    """In each direction: a share of the link's capacity (``40%``) or a rate (``400 Mbit/s``); all of it by default."""
    inbound: CapField | None = None
    """The same towards the host at the link's end; what ``most`` says by default. Of a link that joins two switches,
    or two hosts, towards the first of the two."""
    outbound: CapField | None = None
    """The same away from the host."""
    concurrency: PositiveField | None = None
    """How many migrations at once, in each direction; any number by default."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not any((self.most, self.inbound, self.outbound, self.concurrency)):
            raise ValueError("says neither most, inbound, outbound nor concurrency; add e.g. most: 40%")
        return self

    def caps(self, link: Link, hosts: Collection[str]) -> dict[DirectedLink, BytesPerSecond]:
        """Of the link's directions. ``hosts``: of the cluster, by name."""
        host, other = host_first(link, hosts)
        whole = self.most or LinkCap(share=1.0)
        return {
            DirectedLink(link.name, host): (self.outbound or whole).of(link),
            DirectedLink(link.name, other): (self.inbound or whole).of(link),
        }


class Concurrency(Model):
    """How many migrations go on at once."""

    per_host: PositiveField | None = None
    """On one host, arriving and leaving together; 2 by default."""
    total: PositiveField | None = None
    """In the whole cluster; 8 by default."""


class Retry(Model):
    """Trying again, later. The waits are spread by up to a quarter, so that not everything is tried at once."""

    times: Annotated[int, Field(ge=0, le=10)] | None = None
    """How often; 0 by default."""
    after: Annotated[DurationField, AfterValidator(_positive)] | None = None
    """The wait before the first time; twice as long before each further one, an hour at most. ``60 s`` by default."""


E = TypeVar("E", bound=StrEnum)


def _each_once(words: tuple[E, ...]) -> tuple[E, ...]:
    twice = next((word for index, word in enumerate(words) if word in words[:index]), None)
    if twice is not None:
        raise ValueError(f"says '{twice}' twice")
    return words


class MigrationOptions(Model):
    """How domains are migrated."""

    live: bool | None = None
    """``true`` (the default): the domain runs on while it is copied. ``false``: it is paused for the whole copy."""
    concurrency: Concurrency | None = None
    """How many migrations go on at once."""
    bandwidth: Annotated[RateField, AfterValidator(_positive)] | None = None
    """Cap on the rate of each migration; none by default (link caps hold anyway)."""
    max_downtime: Annotated[DurationField, AfterValidator(_positive)] | None = None
    """The longest pause at switchover that is aimed at; 300 ms by default."""
    when_not_converging: Annotated[tuple[Rung, ...], AfterValidator(_each_once)] | None = None
    """What is tried, one after another, with a migration that will not end by itself: ``more_bandwidth`` (what other
    migrations on its links can do without), ``auto_converge`` (slow the domain down), ``post_copy`` (move first, copy
    later), ``pause``, ``cancel``. By default ``[cancel]``."""
    timeout: Annotated[DurationField, AfterValidator(_positive)] | None = None
    """After this long a migration is taken not to converge; never by default."""
    transport: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """``tcp``, ``tls`` or ``ssh``; by default what the driver finds best."""
    weight: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Its share of a link in relation to that of other migrations on it, beyond what each needs to converge; 1 by
    default."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    """Who leaves first where not all can leave in time (``evacuate --deadline``): the highest; 0 by default."""
    retry: Retry | None = None
    """Whether a migration that failed or was given up, its domain safe where it was, is tried again."""

    def written(self) -> dict[str, Any]:
        """What the entry says itself, by the names of :class:`~rebalancer.policy.settings.MigrationSettings`."""
        parts = ("select", "concurrency", "retry")
        values = {key: getattr(self, key) for key in type(self).model_fields if key not in parts}
        if self.concurrency is not None:
            values |= {"per_host": self.concurrency.per_host, "total": self.concurrency.total}
        if self.retry is not None:
            values |= {"retries": self.retry.times, "retry_after": self.retry.after}
        return {key: value for key, value in values.items() if value is not None}


class MigrationEntry(MigrationOptions):
    """How the selected domains are migrated. Of several entries that select a domain, later keys win."""

    select: DomainSelector = DomainSelector("true")
    """Which domains."""


class PerGroupEntry(Model):
    """Of each group, how many domains one plan may move."""

    group: DomainKey
    """Domains with the same text are one group, e.g. ``labels.app``; without the label: none."""
    most: CountField
    """How many domains of a group."""


class PerDomainEntry(Model):
    """How often a domain may move, over several plans."""

    most: PositiveField
    """How many times."""
    within: Annotated[DurationField, AfterValidator(_positive)]
    """In which time."""


class LimitsEntry(Model):
    """How much a plan may do, and what it must gain. A domain that only steps aside and returns is not counted."""

    aggressiveness: Annotated[int, Field(ge=1, le=5)] | None = None
    """A shorthand for the other keys, from 1 (repair broken rules only) to 5 (take any gain); what is written beside
    it wins. ``rebalance policy show`` prints what it stands for."""
    max_moves: CountField | None = None
    """Domains that one plan moves; any number by default."""
    max_bytes: BytesField | None = None
    """Memory of the domains that one plan moves, all together; any amount by default."""
    per_host: CountField | None = None
    """Domains that one plan moves from and to one host, together; any number by default."""
    arrivals_per_host: CountField | None = None
    """Domains that one plan moves to one host; any number by default."""
    per_group: PerGroupEntry | None = None
    """Of each group, how many domains one plan moves; any number by default."""
    per_domain: PerDomainEntry | None = None
    """How often a domain moves, over several plans; beyond that only to repair a rule."""
    min_gain: Annotated[ShareField, AfterValidator(_at_most_all)] | None = None
    """A plan that repairs nothing must better the score by this share; 0% by default."""
    payback: Annotated[DurationField, AfterValidator(_positive)] | None = None
    """A plan that repairs nothing must be worth it within this time: share of the score gained · payback ≥ seconds that
    all its migrations take, added. With ``24 h``, a gain of 2% pays for 28.8 minutes of migrations."""
    per_hour: PositiveField | None = None
    """Domains that are moved in any hour, all runs together; a run waits until it may go on. Any number by default."""
    cooldown: DurationField | None = None
    """A domain that moved less than this ago moves only to repair a rule."""
    confirmations: Annotated[int, Field(ge=1, le=1000)] | None = None
    """A plan that repairs nothing must have been the result this many times in a row; 1 by default."""
    only_repairs: bool | None = None
    """``true``: domains move only to repair broken rules, and as few as that takes; goals choose between equals."""

    def written(self) -> dict[str, Any]:
        """What the entry says itself, ``aggressiveness`` apart."""
        values = {key: getattr(self, key) for key in type(self).model_fields if key != "aggressiveness"}
        return {key: value for key, value in values.items() if value is not None}


class ProtectEntry(Model):
    """Domains that are never moved, whatever else a policy says."""

    select: DomainSelector
    """Which domains."""
    reason: Name | None = None
    """Why, for people; it is shown wherever the protection keeps a domain."""


class HintsEntry(Model):
    """What the owners of domains may ask for, each on the domain itself. A hint never makes anything move."""

    source: Annotated[HintsFrom | None, Field(alias="from")] = None
    """``labels`` (the default): the domain's labels ``rebalance.stay``, ``rebalance.avoid``, ….
    ``tags``: words such as ``rebalance:stay`` or ``rebalance:avoid=h1`` in its labels ``tags``, ``title`` or
    ``description``."""
    allow: Annotated[tuple[Hint, ...], AfterValidator(_each_once)] | None = None
    """Which hints count; none by default."""


class OverrideEntry(Model):
    """What is different for some domains."""

    select: DomainSelector
    """Which domains."""
    without: tuple[Name, ...] = ()
    """Rules and goals (by the words they are written with) that do not count these domains."""
    rules: tuple[dict[str, Any], ...] = ()
    """Rules for these domains alone."""
    goals: tuple[dict[str, Any], ...] = ()
    """Goals for these domains alone."""
    migration: MigrationOptions | None = None
    """How these domains are migrated; wins over ``migration:``."""
