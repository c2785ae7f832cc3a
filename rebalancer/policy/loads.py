"""Which figure of domains' loads a rule or goal goes by: the key ``load:``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator

from rebalancer.cluster.statistics import parse_statistic
from rebalancer.cluster.text import shown
from rebalancer.policy.clause import Caution, Finding
from rebalancer.policy.view import View

__all__ = ["LoadField", "load_findings", "load_title"]

LoadField = Annotated[str, AfterValidator(parse_statistic)]
"""``requested``, ``p95``, ``mean@1h``…, see :mod:`rebalancer.cluster.statistics`; None for what domains use."""


def load_title(resource: str, load: str | None) -> str:
    """``cpu``, ``cpu p95@1h``"""
    return resource if load is None else f"{resource} {load}"


def load_findings(resource: str, load: str | None, view: View, key: str = "load") -> Iterator[Finding]:
    """A figure that is not known of some domains."""
    if load is None:
        return
    lacking = [item.name for item in view.domains if resource in item.uses and item.load(resource, load) is None]
    if lacking:
        some = shown(lacking[0]) + (f" and {len(lacking) - 1} more" if len(lacking) > 1 else "")
        yield (key,), Caution(f"no {load} of {shown(resource)} is known of {some}: what they use counts instead")
