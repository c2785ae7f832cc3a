"""Lower bounds on the makespan of a set of moves, whatever their order and rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rebalancer.cluster import Network
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.plan.migration_model import FINISH_TIME, SETUP_TIME
from rebalancer.plan.model import Step

__all__ = ["makespan_bound"]


def makespan_bound(
    steps: Iterable[Step], network: Network, caps: Mapping[str, BytesPerSecond], memory: Mapping[str, int]
) -> Seconds:
    """The largest of: the bytes that each link must carry over its cap, the shortest time of any one migration, and
    each host's migrations over its slots. ``memory``: UUID → bytes sent at least once."""
    link_bytes: dict[tuple[str, str], float] = {}
    slot_time: dict[str, float] = {}
    longest = 0.0
    for step in steps:
        sent = float(memory[step.uuid])
        route = network.route(step.source, step.destination)
        for link in route:
            if link.link in caps:
                link_bytes[link] = link_bytes.get(link, 0.0) + sent
        shortest = SETUP_TIME + FINISH_TIME + max((sent / caps[e.link] for e in route if e.link in caps), default=0.0)
        longest = max(longest, shortest)
        for host in (step.source, step.destination):
            slot_time[host] = slot_time.get(host, 0.0) + shortest / step.settings.per_host
    carried = (total / caps[link] for (link, _), total in link_bytes.items())
    return Seconds(max(longest, *carried, *slot_time.values(), 0.0))
