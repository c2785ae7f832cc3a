"""How clusters are rebalanced without a planner: moves in the order in which they come, so many at once, links shared
as they happen to be. Same links, same sharing and same migration model as the planner's, so that only planning differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from rebalancer.cluster import Network
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.plan.migration_model import ASSUMED_STREAM_RATE, Forecast, forecast
from rebalancer.plan.rates import Flow, share_links
from rebalancer.plan.schedule import Moves, flow_of

__all__ = ["POLICIES", "makespan"]


_NOTHING = Forecast(transfer=Seconds(0.0), downtime=Seconds(0.0), bytes=Bytes(0), converges=True)


@dataclass(slots=True)
class _Running:
    domain: int
    source: int
    destination: int
    flow: Flow
    left: float = 1.0
    """The share of it that is left: setup, transfer and finish together."""
    forecast: Forecast = _NOTHING


@dataclass(frozen=True, slots=True)
class _Limit:
    total: float = inf
    per_host: float = inf


POLICIES: Mapping[str, _Limit] = {
    "2 at once": _Limit(total=2),
    "5 at once": _Limit(total=5),
    "8 at once": _Limit(total=8),
    "1 per host": _Limit(per_host=1),
    "first come": _Limit(),
}


def makespan(moves: Moves, limit: _Limit) -> float:
    """Seconds until all moves are made; infinite where none of those left fits (such policies know no way around)."""
    simulation = _Simulation(moves, limit)
    while simulation.waiting or simulation.running:
        simulation.start()
        if not simulation.running:
            return inf
        simulation.advance()
    return simulation.now


class _Simulation:
    def __init__(self, moves: Moves, limit: _Limit) -> None:
        self.moves = moves
        self.limit = limit
        self.network = Network(moves.cluster.links)
        self.now = 0.0
        self.running: list[_Running] = []
        problem = moves.problem
        pairs = enumerate(zip(problem.start.tolist(), moves.placement.tolist(), strict=True))
        self.waiting = [(domain, source, to) for domain, (source, to) in pairs if source != to]
        self.free = [host.capacity["memory"] for host in moves.cluster.hosts]
        for domain, host in enumerate(problem.start):
            self.free[host] -= moves.domains[domain].uses["memory"]

    def start(self) -> None:
        waiting = []
        for domain, source, to in self.waiting:
            busy = max(sum(host in (r.source, r.destination) for r in self.running) for host in (source, to))
            if (
                len(self.running) < self.limit.total
                and busy < self.limit.per_host
                and self.free[to] >= self.moves.domains[domain].uses["memory"]
            ):
                hosts = self.moves.problem.hosts
                flow = flow_of(self.moves, domain, self.network.route(hosts[source], hosts[to]), 1)
                self.free[to] -= self.moves.domains[domain].uses["memory"]
                self.running.append(_Running(domain, source, to, flow))
            else:
                waiting.append((domain, source, to))
        self.waiting = waiting
        self._share()

    def _share(self) -> None:
        rates = share_links({i: running.flow for i, running in enumerate(self.running)}, self.moves.caps)
        for index, running in enumerate(self.running):
            rate = max(rates[index] or ASSUMED_STREAM_RATE, 1.0)
            running.forecast = forecast(
                self.moves.domains[running.domain].migration,
                BytesPerSecond(min(rate, ASSUMED_STREAM_RATE)),
                self.moves.settings[running.domain].max_downtime,
            )

    def advance(self) -> None:
        """To the next finish. Who cannot converge at its rate gets nowhere until others finish and leave it more; when
        nobody can, all are switched to post-copy, which needs one pass over memory whatever is written."""
        whole = [r.forecast.duration if r.forecast.converges else inf for r in self.running]
        if min(whole) == inf:
            whole = [r.forecast.duration for r in self.running]
        passed = min(running.left * seconds for running, seconds in zip(self.running, whole, strict=True))
        self.now += passed
        for running, seconds in zip(self.running, whole, strict=True):
            running.left -= passed / seconds
        for running in [running for running in self.running if running.left <= 1e-9]:
            self.free[running.source] += self.moves.domains[running.domain].uses["memory"]
            self.running.remove(running)
