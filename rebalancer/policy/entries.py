"""The parts of a policy file other than rules and goals: ``names``, ``links``, ``migration``, ``limits``.

Everything is optional and stays None when it is not written: what nobody asked for must not cause a refusal, and
defaults are filled in only when entries are merged (see :mod:`rebalancer.policy.settings`).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainSerializer

from rebalancer.cluster.units import format_number, parse_rate, parse_share
from rebalancer.documents import DurationField, Model, RateField, ShareField
from rebalancer.documents.fields import quantity
from rebalancer.policy.expressions import DomainSelector, LinkSelector
from rebalancer.policy.settings import LinkCap, OnClash, Rung

__all__ = ["Concurrency", "LimitsEntry", "LinkEntry", "MigrationEntry", "NamesEntry"]


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
    ``short_uuid`` (its first 8 digits), ``n`` (a number that makes the name free)."""


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
    most: CapField
    """In each direction: a share of the link's capacity (``40%``) or a rate (``400 Mbit/s``)."""


class Concurrency(Model):
    """How many migrations go on at once."""

    per_host: Annotated[int, Field(ge=1)] | None = None
    """On one host, arriving and leaving together; 2 by default."""
    total: Annotated[int, Field(ge=1)] | None = None
    """In the whole cluster; 8 by default."""


def _each_once(rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    if len(set(rungs)) < len(rungs):
        raise ValueError("says a step twice")
    return rungs


class MigrationEntry(Model):
    """How the selected domains are migrated. Of several entries that select a domain, later keys win."""

    select: DomainSelector = DomainSelector("true")
    """Which domains."""
    live: bool | None = None
    """``true`` (the default): the domain runs on while it is copied. ``false``: it is paused for the whole copy."""
    concurrency: Concurrency | None = None
    bandwidth: Annotated[RateField, AfterValidator(_positive)] | None = None
    """Cap on the rate of each migration; none by default (link caps hold anyway)."""
    max_downtime: Annotated[DurationField, AfterValidator(_positive)] | None = None
    """The longest pause at switchover that is aimed at; 300 ms by default."""
    when_not_converging: Annotated[tuple[Rung, ...], AfterValidator(_each_once)] | None = None
    """What is tried, one after another, with a migration that will not end by itself: ``auto_converge`` (slow the
    domain down), ``post_copy`` (move first, copy later), ``pause``, ``cancel``. By default ``[cancel]``."""
    timeout: Annotated[DurationField, AfterValidator(_positive)] | None = None
    """After this long a migration is taken not to converge; never by default."""
    transport: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """``tcp``, ``tls`` or ``ssh``; by default what the driver finds best."""

    def written(self) -> dict[str, Any]:
        """What the entry says itself, by the names of :class:`~rebalancer.policy.settings.MigrationSettings`."""
        values = {key: getattr(self, key) for key in type(self).model_fields if key not in ("select", "concurrency")}
        if self.concurrency is not None:
            values |= {"per_host": self.concurrency.per_host, "total": self.concurrency.total}
        return {key: value for key, value in values.items() if value is not None}


class LimitsEntry(Model):
    """How much a plan may do, and what it must gain."""

    max_moves: Annotated[int, Field(ge=0)] | None = None
    """Migrations in one plan; any number by default."""
    min_gain: Annotated[ShareField, AfterValidator(_at_most_all)] | None = None
    """A plan that repairs nothing must better the score by this share; 0% by default."""
