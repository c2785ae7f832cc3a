"""How the simulated network divides itself: max-min fairness, as competing TCP streams settle.

Written apart from ``rebalancer.plan.rates``, which the planner and the executor use: what is under test must not be
its own judge.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

__all__ = ["fair_shares"]

Resource = TypeVar("Resource", bound=Hashable)


def fair_shares(
    ceilings: Mapping[int, float], paths: Mapping[int, tuple[Resource, ...]], capacities: Mapping[Resource, float]
) -> dict[int, float]:
    """Rate of each flow: the tightest resource is divided evenly among its flows, then the next.

    >>> fair_shares({1: 30.0, 2: 100.0}, {1: ("uplink",), 2: ("uplink",)}, {"uplink": 100.0})
    {1: 30.0, 2: 70.0}
    """
    rates: dict[int, float] = {}
    left = dict(capacities)
    open_flows = sorted(ceilings)
    while open_flows:
        users: dict[Resource, int] = {}
        for flow in open_flows:
            for resource in paths[flow]:
                users[resource] = users.get(resource, 0) + 1
        offers = {
            flow: min([ceilings[flow], *(max(left[r], 0.0) / users[r] for r in paths[flow])]) for flow in open_flows
        }
        lowest = min(offers.values())
        for flow in [flow for flow in open_flows if offers[flow] <= lowest * (1 + 1e-12)]:
            rates[flow] = offers[flow]
            open_flows.remove(flow)
            for resource in paths[flow]:
                left[resource] -= offers[flow]
    return rates
