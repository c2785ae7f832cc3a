"""Sharing links among migrations: weighted max-min fairness, and what of a cap can be given away.

Used by the planner to predict and by the executor to throttle, so that both mean the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rebalancer.cluster.network import Caps, DirectedLink, cap_of
from rebalancer.cluster.units import BytesPerSecond, Seconds

__all__ = ["BURST_WINDOW", "WIRE_OVERHEAD", "Flow", "share_links"]

WIRE_OVERHEAD = 0.05
"""What Ethernet, IP and TCP headers (66 of 1,514 bytes) and our own control traffic add, as a share."""

BURST_WINDOW = 5.0
"""Seconds over which the average of a link must stay under its cap. QEMU lifts its own cap when it stops the guest
and sends what is left unthrottled (``migration_completion``), so each window must have room for those bursts."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A migration as the links see it."""

    route: tuple[DirectedLink, ...]
    ceiling: BytesPerSecond = BytesPerSecond(float("inf"))
    """What it can use or may take."""
    max_downtime: Seconds = Seconds(0.0)
    """At switchover, what its rate sends in this time goes at once, unthrottled."""
    burst: float = 0.0
    """Bytes that may go unthrottled at switchover on top of that."""
    unit: int = 1
    """Rates are whole multiples of this."""
    weight: float = 1.0
    """Where links are short it gets this many times what a flow of weight 1 gets."""


def share_links(flows: Mapping[Key, Flow], caps: Caps) -> dict[Key, BytesPerSecond | None]:
    """A rate for each flow by weighted max-min water-filling (Radunović & Le Boudec, 2007), rounded down to its unit.

    None: no link on the route has a cap and the flow has no ceiling. A rate of 0 means that the flow does not fit now.
    """
    budgets = _budgets(list(flows.values()), caps)
    rates = dict.fromkeys(flows, 0.0)
    bounded = {
        key for key, flow in flows.items() if flow.ceiling < float("inf") or any(link in budgets for link in flow.route)
    }
    active = set(bounded)
    while active:
        on_link = {link: sum(_weight(flows[key]) for key in active if link in flows[key].route) for link in budgets}
        step = min(
            min((budgets[link] / count for link, count in on_link.items() if count > 0), default=float("inf")),
            min((flows[key].ceiling - rates[key]) / flows[key].weight for key in active),
        )
        step = max(step, 0.0)
        for key in active:
            rates[key] += step * flows[key].weight
        for link, count in on_link.items():
            budgets[link] -= step * count
        full = {link for link, left in budgets.items() if left <= 1e-6}
        active = {
            key
            for key in active
            if rates[key] < flows[key].ceiling * (1 - 1e-12) and not any(link in full for link in flows[key].route)
        }
    return {
        key: BytesPerSecond(float(int(rates[key] + 1e-6) // flow.unit * flow.unit)) if key in bounded else None
        for key, flow in flows.items()
    }


def _weight(flow: Flow) -> float:
    """What a level of 1 takes of a link: the flow's share of it, and its switchover spread over the window."""
    return flow.weight * (1.0 + flow.max_downtime / BURST_WINDOW)


def _budgets(flows: Sequence[Flow], caps: Caps) -> dict[DirectedLink, float]:
    """What migrations may be given of each link and direction, headers and switchover bursts taken off."""
    bursts: dict[DirectedLink, float] = {}
    for flow in flows:
        for link in flow.route:
            bursts[link] = bursts.get(link, 0.0) + flow.burst
    return {
        link: max(cap - burst / BURST_WINDOW, 0.0) / (1 + WIRE_OVERHEAD)
        for link, burst in bursts.items()
        if (cap := cap_of(caps, link)) is not None
    }
