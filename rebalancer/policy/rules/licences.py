"""A product runs on as many hosts as there are licences for."""

from __future__ import annotations

from typing import ClassVar

from rebalancer.documents import Name, PositiveField
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.spans import SpanRule

__all__ = ["Licences"]


class Licences(SpanRule):
    """For every product p: |{zone of d's host : d runs p}| ≤ most. The zones too many count.

    A zone is a host, or all hosts with the same value of a label (``across: site``). While domains move, each is taken
    to be at whichever end is worse, and no order of moves may go beyond the limit: several domains do not leave a host
    for one that is not licensed yet, unless a licence is free until the last has gone. With ``during: relaxed`` they
    do.
    """

    word: ClassVar[str] = "licences"
    unlabelled: ClassVar[str] = "each such host needs a licence of its own"
    eased: ClassVar[bool] = False

    group: DomainKey | None = None
    """Several products at once: domains with the same text run the same, e.g. ``labels.product``; without the label:
    none. By default all selected domains run one product."""
    select: DomainSelector = DomainSelector("true")
    """Which domains run the product."""
    across: Name = "host"
    """What a licence is for: a ``host``, or all hosts with the same value of a label. A host without the label needs
    its own."""
    most: PositiveField
    """How many licences there are for each product."""
