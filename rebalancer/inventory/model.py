"""What an inventory says, its defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from rebalancer.cluster import Domain, Link
from rebalancer.drivers import DriverHost
from rebalancer.errors import InvalidInput, Position, Problem
from rebalancer.inventory.safeguards import Safeguards
from rebalancer.policy.expressions import DomainSelector
from rebalancer.values import dataclass

__all__ = ["Inventory", "InventoryHost", "LabelRule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryHost:
    """One host: its driver, how to reach it, and what is known of it beyond what it says itself."""

    driver: str
    reach: DriverHost
    labels: Mapping[str, str] = field(default_factory=dict)
    capacity: Mapping[str, float] = field(default_factory=dict)
    """Resources whose amount replaces what the host reports."""
    maintenance: bool = False
    distance: Mapping[str, float] = field(default_factory=dict)
    """Other host → how far it is; adds to what the host says itself."""

    @property
    def name(self) -> str:
        return self.reach.name


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule:
    """Labels that domains get which their hosts do not know."""

    select: DomainSelector
    labels: Mapping[str, str]
    position: Position | None = None

    def apply(self, domain: Domain) -> Domain:
        """The domain with the labels, if it is selected."""
        try:
            selected = self.select.matches(domain)
        except InvalidInput as error:
            raise InvalidInput(
                [Problem(problem.message, problem.position or self.position) for problem in error.problems]
            ) from error
        return replace(domain, labels={**domain.labels, **self.labels}) if selected else domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    name: str
    hosts: tuple[InventoryHost, ...]
    links: tuple[Link, ...] = ()
    label_rules: tuple[LabelRule, ...] = ()
    """Applied in this order; a later one sees and may replace what an earlier one set."""
    file: str = ""
    safeguards: Safeguards = field(default_factory=Safeguards)
