"""What a primitive costs, and how moving one domain changes that: kept up to date move by move.

``shift(d, source)`` answers for all hosts at once: float[H], the change of cost if domain ``d`` went there.
Evaluators of hard terms also answer ``worsen``: how far a move would push an element (a host, a group in a zone)
past both its bound and where it stood at the start. That is what "never made worse" means, element by element.
"""

from __future__ import annotations

from rebalancer.placement.evaluators import failover, groups, hosts, loads, pools, traffic
from rebalancer.placement.evaluators.base import Evaluator
from rebalancer.placement.primitives import (
    AllowedHosts,
    AssignmentCost,
    Capacity,
    DistanceCost,
    Evenness,
    Failover,
    GroupLeast,
    GroupMost,
    GroupMoves,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    HostsInUse,
    IntArray,
    MoveCost,
    Near,
    Pool,
    Primitive,
    Ratio,
    Traffic,
)

__all__ = ["Evaluator", "evaluator"]


def evaluator(primitive: Primitive, start: IntArray, number: int) -> Evaluator:  # noqa: C901
    """The evaluator of a primitive for a ``number`` of hosts, standing at ``start`` (int[D])."""
    match primitive:
        case AllowedHosts():
            return hosts.AllowedHostsEvaluator(primitive, start)
        case AssignmentCost():
            return hosts.AssignmentCostEvaluator(primitive, start)
        case Capacity():
            return loads.CapacityEvaluator(primitive, start)
        case DistanceCost():
            return hosts.DistanceCostEvaluator(primitive, start)
        case Evenness(form="peak" | "range"):
            return loads.ExtremesEvaluator(primitive, start)
        case Evenness():
            return loads.EvennessEvaluator(primitive, start)
        case Failover():
            return failover.FailoverEvaluator(primitive, start)
        case GroupLeast():
            return groups.GroupLeastEvaluator(primitive, start)
        case GroupMost():
            return groups.GroupMostEvaluator(primitive, start)
        case GroupMoves():
            return hosts.GroupMovesEvaluator(primitive, start, number)
        case GroupsApart():
            return groups.GroupsApartEvaluator(primitive, start)
        case GroupSkew():
            return groups.GroupSkewEvaluator(primitive, start)
        case GroupSpan():
            return groups.GroupSpanEvaluator(primitive, start)
        case HostsInUse():
            return loads.HostsInUseEvaluator(primitive, start)
        case MoveCost():
            return hosts.MoveCostEvaluator(primitive, start, number)
        case Near():
            return groups.NearEvaluator(primitive, start)
        case Pool():
            return pools.PoolEvaluator(primitive, start)
        case Ratio():
            return loads.RatioEvaluator(primitive, start)
        case Traffic():
            return traffic.TrafficEvaluator(primitive, start)
