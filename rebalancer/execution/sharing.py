"""Which rate each migration gets: the plan's sharing of links, applied to what really runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rebalancer.cluster import Capabilities, Caps, Domain, cap_of
from rebalancer.cluster.network import follow
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.plan.migration_model import switchover_burst
from rebalancer.plan.model import Guards, Step
from rebalancer.plan.moves import floor_of
from rebalancer.plan.rates import BURST_WINDOW, WIRE_OVERHEAD, Flow, share_links
from rebalancer.values import dataclass

__all__ = ["Sender", "favoured", "sender_of", "share", "squeezed"]

PLANNED_SHARE = 0.8
"""A step waits for a link until it gets this share of the rate that it was planned with, unless it has it alone, and
until those that run are left with this share of theirs."""
UNLIMITED = float("inf")
FAVOURS = (64.0, 16.0, 4.0, 2.0)
"""What the weight of a migration that does not converge is multiplied by, as much as others can bear."""
WORTHWHILE = 1.1
"""More bandwidth that is less than this much more is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A migration that runs or is about to, as the links see it; bytes, bytes per second, seconds."""

    flow: Flow
    planned: float = 0.0
    """The rate that the plan starts it with."""
    cappable: bool = True
    adjustable: bool = True
    """Whether its rate can be changed later."""
    held: BytesPerSecond | None = None
    """The rate that it has and that cannot be changed."""

    def at(self, rate: BytesPerSecond | None) -> Sender:
        """The same, its rate not to be changed; None: not limited."""
        return replace(self, held=rate, cappable=rate is not None)

    def in_setup(self) -> Sender:
        """The same while it is not sent yet: the least that can be expressed is kept for it, and no switchover."""
        least = replace(self.flow, ceiling=BytesPerSecond(float(self.flow.unit)), max_downtime=Seconds(0.0), burst=0.0)
        return replace(self, flow=replace(least, floor=BytesPerSecond(0.0)), planned=0.0)


def sender_of(step: Step, domain: Domain, offers: Capabilities, guards: Guards) -> Sender:
    """KeyError or ValueError when the step's route is not one.

    How the domain writes was measured, and learnt, for the plan, not for the run: so that both share links alike, what
    the plan says counts, and what is known now where it does not say.
    """
    settings, burst, floor = step.settings, step.predicted.burst, step.predicted.floor
    if burst is None:
        burst = switchover_burst(domain.migration) if settings.live and step.predicted.rung is None else Bytes(0)
    return Sender(
        flow=Flow(
            route=follow(step.links, step.source, guards.ends),
            ceiling=BytesPerSecond(UNLIMITED) if settings.bandwidth is None else settings.bandwidth,
            max_downtime=settings.max_downtime,
            burst=burst,
            unit=offers.bandwidth_unit,
            floor=floor_of(domain.migration, settings) if floor is None else floor,
            weight=settings.weight,
        ),
        planned=step.bandwidth or 0.0,
        cappable=offers.bandwidth,
        adjustable=offers.bandwidth and offers.set_bandwidth,
    )


def share(senders: Mapping[str, Sender], caps: Caps) -> dict[str, BytesPerSecond | None]:
    """A rate for each; None: no cap applies, or none can be set. 0: it does not fit now."""
    limits = _left_by_held(senders, caps)
    flows = {key: sender.flow for key, sender in senders.items() if sender.cappable and sender.held is None}
    held = {key: sender.held for key, sender in senders.items() if key not in flows}
    return {**share_links(flows, limits), **held}


def squeezed(senders: Mapping[str, Sender], caps: Caps, candidate: str) -> str | None:
    """Why the candidate should wait for its links rather than share them; None: it may start."""
    sender = senders[candidate]
    narrow = {link for link in sender.flow.route if cap_of(caps, link) is not None}
    others = {key: s for key, s in senders.items() if key != candidate and narrow.intersection(s.flow.route)}
    if not sender.cappable and others:
        return "its rate cannot be limited, and others use its links"
    before = share({key: each for key, each in senders.items() if key != candidate}, caps)
    rates = share(senders, caps)
    # Who runs keeps what it was planned with, as far as it has it, but for those of more weight: so does the plan's
    # timeline.
    floors = {
        key: max(
            _floor(other, caps),
            min(other.planned * PLANNED_SHARE, before[key] or UNLIMITED)
            if other.flow.weight >= sender.flow.weight
            else 0.0,
        )
        for key, other in others.items()
        if other.held is None
    }
    floors[candidate] = max(_floor(sender, caps), sender.planned * PLANNED_SHARE) if others else sender.flow.unit
    for key, floor in floors.items():
        rate = rates[key]
        if rate is not None and rate < min(floor, senders[key].flow.ceiling):
            links = ", ".join(sorted(link.link for link in narrow))
            return f"{links}: others use it" if others else f"{links}: its cap leaves no room for this migration"
    return None


def favoured(senders: Mapping[str, Sender], caps: Caps, key: str) -> Sender | None:
    """The same sender with more weight, so that it gets what others on its links can do without; None: there is none.

    Nobody is pushed below the rate that it needs to converge.
    """
    sender = senders[key]
    before = share(senders, caps)
    if (own := before[key]) is None or not sender.cappable or sender.held is not None:
        return None
    floors = {other: _floor(s, caps) for other, s in senders.items() if other != key and s.held is None and s.cappable}
    for weight in FAVOURS:
        heavier = replace(sender, flow=replace(sender.flow, weight=sender.flow.weight * weight))
        rates = share({**senders, key: heavier}, caps)
        unharmed = all((rates[o] or 0.0) >= min(floor, before[o] or 0.0) for o, floor in floors.items())
        if unharmed and (rates[key] or 0.0) >= own * WORTHWHILE:
            return heavier
    return None


def _floor(sender: Sender, caps: Caps) -> float:
    """The rate below which the migration would not converge, if alone it would."""
    least = sender.flow.floor
    alone = share_links({0: sender.flow}, caps)[0]
    return max(least if alone is None or alone >= least else 0.0, sender.flow.unit)


def _left_by_held(senders: Mapping[str, Sender], caps: Caps) -> Caps:
    """What is left of each direction of each link by those that cannot be told a rate."""
    crossed = {link for sender in senders.values() for link in sender.flow.route}
    found = ((link, cap_of(caps, link)) for link in crossed)
    limits = {link: float(cap) for link, cap in found if cap is not None}
    for sender in senders.values():
        if sender.cappable and sender.held is None:
            continue
        flow = sender.flow
        if sender.held is None:
            takes = UNLIMITED
        else:
            switchover = sender.held * flow.max_downtime + flow.burst
            takes = (sender.held * (1 + WIRE_OVERHEAD)) + switchover * (1 + WIRE_OVERHEAD) / BURST_WINDOW
        for link in limits.keys() & set(flow.route):
            limits[link] = max(limits[link] - takes, 0.0)
    return {link: BytesPerSecond(limit) for link, limit in limits.items()}
