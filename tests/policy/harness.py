"""The harness that is shipped (:mod:`rebalancer.policy.conformance`), with as many cases as the environment wants.

``REBALANCE_CASES=2000 pytest tests/policy`` runs so many cases of each clause.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import TypeVar

from rebalancer.cluster import Cluster
from rebalancer.policy import Goal, Rule, View, conformance
from rebalancer.policy.conformance import (
    Placed,
    counts,
    random_cluster,
    some_domains,
    some_hosts,
    some_key,
    some_zones,
    with_loads,
)

__all__ = [
    "Placed",
    "compare",
    "counts",
    "random_cluster",
    "some_domains",
    "some_hosts",
    "some_key",
    "some_zones",
    "with_loads",
]

CASES = int(os.environ.get("REBALANCE_CASES", "200"))

C = TypeVar("C", bound=Rule | Goal)


def compare(
    draw: Callable[[Random, View], C],
    definition: Callable[[C, Placed], float],
    *,
    clusters: Callable[[Random], Cluster] | None = None,
) -> None:
    conformance.compare(draw, definition, clusters=clusters, cases=CASES)
