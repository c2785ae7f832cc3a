"""Domains that are kept together."""

from __future__ import annotations

from typing import ClassVar

from rebalancer.documents import PositiveField
from rebalancer.policy.spans import SpanRule

__all__ = ["Affinity"]


class Affinity(SpanRule):
    """For every group g: |{zone of d's host : d ∈ g}| ≤ most.

    A zone is a host, or all hosts with the same value of a label (``across: rack``). While domains move, each is taken
    to be at whichever end is worse. A group that changes zones one by one is in one zone more on the way if no order of
    its moves avoids that.
    """

    word: ClassVar[str] = "affinity"
    unlabelled: ClassVar[str] = "each such host is a zone of its own"
    eased: ClassVar[bool] = True

    most: PositiveField = 1
    """Over how many zones a group may be spread."""
