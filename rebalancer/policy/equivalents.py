"""What other systems' constraints and objectives are here: a data file with a policy for each, and a cluster to try."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from rebalancer.documents import API_VERSION, Model, parse_document, validate
from rebalancer.policy.load import load_policies
from rebalancer.policy.model import Policy
from rebalancer.policy.scenario import ClusterPart, Expect, HistoryPart

__all__ = ["Equivalents", "Outside", "Row", "System", "parse_equivalents"]


class Row(Model):
    """A constraint or an objective."""

    theirs: str
    ours: str
    policy: dict[str, Any] = Field(default_factory=dict)
    """What says the same here; empty: it always holds."""
    cluster: ClusterPart | None = None
    """A cluster of its own, where the common one does not show it."""
    history: HistoryPart | None = None
    expect: Expect | None = None
    """What the plan must come to. Without it each clause must at least make a difference to where domains stand."""

    def read(self) -> Policy:
        """The policy of the example; raises InvalidInput where it is none."""
        text = json.dumps({"apiVersion": API_VERSION, "kind": "Policy", **self.policy})
        return load_policies(["./example.json"], lambda _: text)


class Outside(Model):
    """What is no constraint or objective of a placement or a plan."""

    theirs: str
    because: str


class System(Model):
    system: str
    rows: tuple[Row, ...]
    outside: tuple[Outside, ...] = ()


class Equivalents(Model):
    """``cluster``: on which every policy is checked and planned that brings none."""

    cluster: ClusterPart
    systems: tuple[System, ...]


def parse_equivalents(text: str, file: str) -> Equivalents:
    return validate(parse_document(text, file), Equivalents)
