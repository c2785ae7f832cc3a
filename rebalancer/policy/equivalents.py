"""What other systems' constraints and objectives are here: a data file with a policy for each, and a cluster to try."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from rebalancer.documents import Model, parse_document, validate
from rebalancer.policy.scenario import ClusterPart

__all__ = ["Equivalents", "Row", "System", "parse_equivalents"]


class Row(Model):
    """``without``: why there is nothing like it here."""

    theirs: str
    ours: str = ""
    policy: dict[str, Any] = Field(default_factory=dict)
    without: str = ""


class System(Model):
    system: str
    rows: tuple[Row, ...]


class Equivalents(Model):
    """``cluster``: on which every policy is checked and planned."""

    cluster: ClusterPart
    systems: tuple[System, ...]


def parse_equivalents(text: str, file: str) -> Equivalents:
    return validate(parse_document(text, file), Equivalents)
