"""What no plan can do better than, by what links must carry alone."""

from __future__ import annotations

from collections import Counter

from rebalancer.cluster import Link, Network
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.plan.migration_model import ASSUMED_STREAM_RATE, forecast
from rebalancer.plan.model import Step
from rebalancer.plan.rates import Flow, share_links
from rebalancer.plan.schedule import Moves
from rebalancer.policy.model import MigrationSettings

__all__ = ["makespan", "makespan_bound", "usable"]

_LINE = Link(name="line", connects=("a", "b"), capacity=BytesPerSecond(1.0))


def usable(cap: float, settings: MigrationSettings) -> float:
    """Bytes per second of a link's cap that migrations may be given, headers and switchover taken off."""
    flow = Flow(route=Network((_LINE,)).route("a", "b"), max_downtime=settings.max_downtime)
    return share_links({0: flow}, {"line": BytesPerSecond(cap)})[0] or cap


def makespan_bound(moves: Moves) -> float:
    """Seconds, the longest of: what the fullest link must carry at what migrations may have of it,
    each sending as little as it would alone; the longest migration. Setup and finish are not on the link."""
    network, load = Network(moves.cluster.links), Counter[tuple[str, str]]()
    hosts, longest, overhead = moves.problem.hosts, 0.0, float("inf")
    pairs = zip(moves.domains, moves.settings, moves.problem.start, moves.placement, strict=True)
    for domain, settings, source, target in pairs:
        if source == target:
            continue
        route = network.route(hosts[source], hosts[target])
        rates = [usable(moves.caps[link.link], settings) for link in route if link.link in moves.caps]
        rate = BytesPerSecond(min([*rates, ASSUMED_STREAM_RATE]))
        alone = forecast(domain.migration, rate, settings.max_downtime)
        longest, overhead = max(longest, alone.duration), min(overhead, alone.duration - alone.transfer)
        for link in route:
            if link.link in moves.caps:
                load[link] += alone.bytes
    carried = [sent / usable(moves.caps[name], moves.settings[0]) for (name, _), sent in load.items()]
    return max([longest, *(overhead + seconds for seconds in carried)])


def makespan(steps: tuple[Step, ...]) -> float:
    return max((step.predicted.end for step in steps), default=0.0)
