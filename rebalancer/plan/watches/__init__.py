"""Rules on several hosts or domains at once, followed while domains move.

A domain on the move runs at one of its two ends, and nobody knows which at a given moment. So a rule counts as kept if
it is kept whichever end each such domain is at. Every rule has *elements* that it is kept or broken for one by one (a
group, a pair of groups, a zone), and says how bad each is at worst; what is allowed is its bound.
"""

from __future__ import annotations

from rebalancer.placement.primitives import (
    Failover,
    GroupLeast,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    IntArray,
    Near,
    Pool,
    Primitive,
)
from rebalancer.plan.watches.base import Watch, Zones
from rebalancer.plan.watches.groups import ApartWatch, LeastWatch, NearWatch, SkewWatch, SpanWatch
from rebalancer.plan.watches.sums import PoolWatch, RoomWatch

__all__ = ["Watch", "Zones", "watch"]


def watch(rule: Primitive, start: IntArray, placement: IntArray | None = None) -> Watch | None:
    """A rule on several hosts or domains at once, followed from ``start``; None for a rule of another kind.

    ``placement``: where the moves lead. Without it no bound is eased.
    """
    found: Watch
    match rule:
        case GroupSpan():
            found = SpanWatch(rule, start)
        case GroupLeast():
            found = LeastWatch(rule, start)
        case GroupSkew():
            found = SkewWatch(rule, start)
        case Near():
            found = NearWatch(rule, start)
        case GroupsApart():
            found = ApartWatch(rule, start)
        case Failover():
            found = RoomWatch(rule, start)
        case Pool():
            found = PoolWatch(rule, start)
        case _:
            return None
    found.begin(placement)
    return found
