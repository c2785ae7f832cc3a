"""The best plan for a small instance, by exhaustive search over one resource: fewest moves, then shortest makespan.

Shares no code with the planner. Any domain may go over any host, bystanders included; a domain on the move takes room
on both ends. Only instances of a few hosts and domains are small enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

__all__ = ["GaveUpError", "Instance", "fewest_moves", "shortest_makespan"]

_MOST_STATES = 400_000

Placement = tuple[int, ...]


class GaveUpError(Exception):
    """The search took longer than an instance is worth."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """``capacity`` of each host, ``size`` and ``duration`` (seconds of one move) of each domain."""

    capacity: tuple[float, ...]
    size: tuple[float, ...]
    start: Placement
    target: Placement
    duration: tuple[float, ...] = ()
    per_host: int = 2
    total: int = 8

    def free(self, placement: Placement) -> list[float]:
        free = list(self.capacity)
        for domain, host in enumerate(placement):
            free[host] -= self.size[domain]
        return free


def fewest_moves(instance: Instance) -> int | None:
    """None: no sequence of moves leads from start to target. A* over placements, one move at a time."""
    start, target = instance.start, instance.target
    best = {start: 0}
    queue = [(_away(start, target), 0, start)]
    while queue:
        _, negative, placement = heappop(queue)
        made = -negative
        if placement == target:
            return made
        if made > best[placement]:
            continue
        if len(best) > _MOST_STATES:
            raise GaveUpError
        for following in _moved(instance, placement):
            if made + 1 < best.get(following, made + 2):
                best[following] = made + 1
                heappush(queue, (made + 1 + _away(following, target), -made - 1, following))
    return None


def _away(placement: Placement, target: Placement) -> int:
    return sum(a != b for a, b in zip(placement, target, strict=True))


def _moved(instance: Instance, placement: Placement) -> Iterator[Placement]:
    free = instance.free(placement)
    for domain, here in enumerate(placement):
        for host, room in enumerate(free):
            if host != here and room >= instance.size[domain] - 1e-9:
                yield (*placement[:domain], host, *placement[domain + 1 :])


def shortest_makespan(instance: Instance, moves: int, known: float = inf) -> float:
    """Seconds, with at most so many moves; ``known``: a makespan that is possible (what is found is never longer)."""
    search = _Makespan(instance, known)
    search.run(0.0, instance.start, (), moves, 0)
    return search.best


Running = tuple[tuple[float, int, int], ...]
"""(finish, domain, destination) of each, sorted; until it finishes the placement has it on its source."""


@dataclass
class _Makespan:
    """A best schedule starts every move at 0 or when another finishes: what to start then is all there is to decide."""

    instance: Instance
    best: float
    seen: dict[tuple[Placement, tuple[tuple[float, int, int], ...], int, int], float] = field(default_factory=dict)
    states: int = 0

    def run(self, now: float, placement: Placement, running: Running, moves: int, first: int) -> None:
        """``moves``: that may still be started; ``first``: choices before this one were passed over at this moment."""
        if self._bound(now, placement, running) >= self.best - 1e-6:
            return
        left = {domain: host for _, domain, host in running}
        settled = tuple(left.get(domain, host) for domain, host in enumerate(placement))
        needed = _away(settled, self.instance.target)
        if needed > moves:
            return
        if not running and not needed:
            self.best = now
            return
        key = (placement, tuple((round(end - now, 6), d, h) for end, d, h in running), moves, first)
        if self.seen.get(key, inf) <= now + 1e-9:
            return
        self.seen[key] = now
        self.states += 1
        if self.states > _MOST_STATES:
            raise GaveUpError
        for index, (domain, host) in self._choices(placement, running, needed, moves):
            if index >= first:
                end = now + self.instance.duration[domain]
                self.run(now, placement, tuple(sorted((*running, (end, domain, host)))), moves - 1, index + 1)
        if running:
            end = running[0][0]
            self.run(end, _after(placement, running, end), tuple(r for r in running if r[0] > end + 1e-9), moves, 0)

    def _choices(
        self, placement: Placement, running: Running, needed: int, moves: int
    ) -> Iterator[tuple[int, tuple[int, int]]]:
        instance = self.instance
        if len(running) >= instance.total:
            return
        free, busy = instance.free(placement), [0] * len(instance.capacity)
        for _, domain, host in running:
            free[host] -= instance.size[domain]
            busy[host] += 1
            busy[placement[domain]] += 1
        moving = {domain for _, domain, _ in running}
        hosts = len(instance.capacity)
        for domain, here in enumerate(placement):
            if domain in moving or busy[here] >= instance.per_host:
                continue
            for host in range(hosts):
                if host == here or busy[host] >= instance.per_host or free[host] < instance.size[domain] - 1e-9:
                    continue
                target = instance.target[domain]
                after = needed - (here != target) + (host != target)
                if after <= moves - 1:
                    yield domain * hosts + host, (domain, host)

    def _bound(self, now: float, placement: Placement, running: Running) -> float:
        instance, bound = self.instance, now
        busy = [0.0] * len(instance.capacity)
        moving = set()
        for end, domain, host in running:
            bound = max(bound, end)
            moving.add(domain)
            busy[host] += end - now
            busy[placement[domain]] += end - now
            if host != instance.target[domain]:
                bound = max(bound, end + instance.duration[domain])
        for domain, here in enumerate(placement):
            target = instance.target[domain]
            if domain not in moving and here != target:
                bound = max(bound, now + instance.duration[domain])
                busy[here] += instance.duration[domain]
                busy[target] += instance.duration[domain]
        return max(bound, now + max(busy) / instance.per_host)


def _after(placement: Placement, running: Running, now: float) -> Placement:
    there = {domain: host for end, domain, host in running if end <= now + 1e-9}
    return tuple(there.get(domain, host) for domain, host in enumerate(placement))
