"""The section ``steps:``: in which order and when domains are migrated, where a plan is not free to choose.

A domain's *migrations* are all its steps in a plan, those in which it steps aside included.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from rebalancer.cluster.units import Seconds
from rebalancer.documents import DurationField, Model
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.values import dataclass

__all__ = [
    "DeadlineEntry",
    "GroupEntry",
    "NoDelayEntry",
    "Order",
    "PrecedenceEntry",
    "StepGroup",
    "StepRules",
    "StepsEntry",
    "TimeLimit",
]


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be more than 0")
    return value


class PrecedenceEntry(Model):
    """No migration of a domain that ``select`` selects starts before all those of ``after`` have ended."""

    select: DomainSelector
    """Which domains wait."""
    after: DomainSelector
    """For which domains. Those that the plan does not move are not waited for."""
    group: DomainKey | None = None
    """Domains wait for those with the same text only, e.g. ``labels.app``; one without the label neither waits nor is
    waited for. By default all wait for all."""

    @model_validator(mode="after")
    def _is_between_two(self) -> Self:
        if "".join(self.select.source.split()) == "".join(self.after.source.split()):
            raise ValueError("'select' and 'after' select the same domains; to migrate one at a time, use serialize")
        return self


class GroupEntry(Model):
    """Domains, by groups."""

    select: DomainSelector
    """Which domains."""
    group: DomainKey | None = None
    """Domains with the same text are one group, e.g. ``labels.app``; without the label: none. By default all selected
    domains are one group."""


class DeadlineEntry(Model):
    """All migrations of the selected domains have ended this long after the plan's start, as it is predicted."""

    select: DomainSelector
    """Which domains."""
    within: Annotated[DurationField, AfterValidator(_positive)]
    """Seconds from the plan's start, or with a unit: ``10 min``."""


class NoDelayEntry(Model):
    """The first migration of each selected domain starts when the plan does."""

    select: DomainSelector
    """Which domains."""


class StepsEntry(Model):
    """In which order and when domains are migrated. A move that cannot be made so is not made."""

    precedence: tuple[PrecedenceEntry, ...] = ()
    """No migration of a domain that ``select`` selects starts before all those of ``after`` have ended."""
    serialize: tuple[GroupEntry, ...] = ()
    """Of each group, one domain is migrated at a time."""
    sync: tuple[GroupEntry, ...] = ()
    """Of each group, the domains that move start together: none before all others can."""
    deadline: tuple[DeadlineEntry, ...] = ()
    """All migrations of the selected domains have ended in time, as it is predicted."""
    no_delay: tuple[NoDelayEntry, ...] = ()
    """The first migration of each selected domain starts when the plan does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """No migration of one of ``then`` starts before all of those of ``first`` that move have ended."""

    name: str
    """For people: ``precedence: labels.tier == 'web' after labels.tier == 'db'``."""
    first: frozenset[int]
    then: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepGroup:
    """Domains that are migrated one at a time (``serialize``), together (``sync``) or at once (``no_delay``)."""

    name: str
    domains: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimit:
    """All migrations of these domains have ended ``within`` so many seconds from the plan's start."""

    name: str
    domains: frozenset[int]
    within: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRules:
    """What ``steps:`` comes to for a cluster. Domains are indices of :attr:`~rebalancer.policy.view.View.domains`,
    whether a plan moves them or not."""

    precedence: tuple[Order, ...] = ()
    serialize: tuple[StepGroup, ...] = ()
    sync: tuple[StepGroup, ...] = ()
    deadline: tuple[TimeLimit, ...] = ()
    no_delay: tuple[StepGroup, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is said at all."""
        return bool(self.precedence or self.serialize or self.sync or self.deadline or self.no_delay)
