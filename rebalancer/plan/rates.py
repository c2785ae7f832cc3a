"""Sharing links among migrations: weighted max-min fairness, and what of a cap can be given away.

Used by the planner to predict and by the executor to throttle, so that both mean the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from rebalancer.cluster.network import Caps, DirectedLink, cap_of
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.values import dataclass

__all__ = ["BURST_WINDOW", "WIRE_OVERHEAD", "Claim", "Flow", "fill", "share_links"]

WIRE_OVERHEAD = 0.05
"""What Ethernet, IP and TCP headers (66 of 1,514 bytes) and our own control traffic add, as a share."""

BURST_WINDOW = 5.0
"""Seconds over which the average of a link must stay under its cap. QEMU lifts its own cap when it stops the guest
and sends what is left unthrottled (``migration_completion``), so each window must have room for those bursts."""

_FULL = 1e-6
"""Bytes per second of a budget that count as nothing."""

Key = TypeVar("Key", bound=Hashable)
Place = TypeVar("Place", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Generic[Place]):
    """What somebody may have of the budgets of some places. Bytes per second."""

    places: tuple[Place, ...]
    floor: float = 0.0
    """What it has in any case."""
    ceiling: float = float("inf")
    weight: float = 1.0
    load: float = 1.0
    """What a rate of 1 takes of a budget."""


def fill(claims: Mapping[Key, Claim[Place]], budgets: Mapping[Place, float]) -> dict[Key, float]:
    """Rates by weighted max-min water-filling (Radunović & Le Boudec, 2007): a level rises, everybody has the level
    times the own weight, but never less than the floor nor more than the ceiling, until a place of theirs is full.

    Floors are kept even where budgets do not suffice; a place that is not in ``budgets`` has room for everything.

    >>> fill({"u": Claim(places=("a",)), "v": Claim(places=("a",), weight=3.0)}, {"a": 100.0})
    {'u': 25.0, 'v': 75.0}
    >>> fill({"u": Claim(places=("a",), floor=40.0), "v": Claim(places=("a",), weight=3.0)}, {"a": 100.0})
    {'u': 40.0, 'v': 60.0}
    """
    rates = {key: min(claim.floor, claim.ceiling) for key, claim in claims.items()}
    left = dict(budgets)
    for key, claim in claims.items():
        for place in left.keys() & set(claim.places):
            left[place] -= rates[key] * claim.load
    level, rising = 0.0, set(claims)
    while rising:
        reached = {key for key in rising if rates[key] / claims[key].weight <= level * (1 + 1e-12)}
        taking: dict[Place, float] = {}
        for key in reached:
            for place in claims[key].places:
                if place in left:
                    taking[place] = taking.get(place, 0.0) + claims[key].weight * claims[key].load
        step = min(
            [
                *(rates[key] / claims[key].weight - level for key in rising - reached),
                *(claims[key].ceiling / claims[key].weight - level for key in reached),
                *(left[place] / taken for place, taken in taking.items()),
            ]
        )
        step = max(step, 0.0)
        level += step
        for key in reached:
            rates[key] = min(level * claims[key].weight, claims[key].ceiling)
        for place, taken in taking.items():
            left[place] -= step * taken
        full = {place for place, room in left.items() if room <= _FULL}
        rising = {
            key
            for key in rising
            if rates[key] < claims[key].ceiling * (1 - 1e-12) and full.isdisjoint(claims[key].places)
        }
    return rates


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
    floor: BytesPerSecond = BytesPerSecond(0.0)
    """What it needs, and has where the links have that much for all that cross them."""
    weight: float = 1.0
    """Where links are short it gets this many times what a flow of weight 1 gets."""

    @property
    def load(self) -> float:
        """What a rate of 1 takes of a link: itself, and its switchover spread over the window."""
        return 1.0 + self.max_downtime / BURST_WINDOW


def share_links(flows: Mapping[Key, Flow], caps: Caps) -> dict[Key, BytesPerSecond | None]:
    """A rate for each flow by :func:`fill`, rounded down to its unit.

    None: no link on the route has a cap and the flow has no ceiling. A rate of 0 means that the flow does not fit now.
    """
    budgets = _budgets(list(flows.values()), caps)
    floors = _floors(flows, budgets)
    claims = {
        key: Claim(
            places=flow.route,
            floor=floors[key],
            ceiling=flow.ceiling,
            weight=flow.weight,
            load=flow.load,
        )
        for key, flow in flows.items()
        if flow.ceiling < float("inf") or any(link in budgets for link in flow.route)
    }
    rates = fill(claims, budgets)
    return {
        key: BytesPerSecond(float(int(rates[key] + 1e-6) // flow.unit * flow.unit)) if key in rates else None
        for key, flow in flows.items()
    }


def _floors(flows: Mapping[Key, Flow], budgets: Mapping[DirectedLink, float]) -> dict[Key, float]:
    """What the links have for each of what it needs: all of it, or nothing where they have less than that for it alone
    or for all that cross one of them."""
    floors = {
        key: flow.floor
        if flow.floor <= min([flow.ceiling, *(budgets[link] / flow.load for link in flow.route if link in budgets)])
        else 0.0
        for key, flow in flows.items()
    }
    needed = dict.fromkeys(budgets, 0.0)
    for key, flow in flows.items():
        for link in needed.keys() & set(flow.route):
            needed[link] += floors[key] * flow.load
    short = {link for link, rate in needed.items() if rate > budgets[link]}
    return {key: floor if short.isdisjoint(flows[key].route) else 0.0 for key, floor in floors.items()}


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
