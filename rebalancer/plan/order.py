"""An order in which moves can be made one at a time, without any detour.

Moving a domain to a host that can hold everything still to arrive there takes nothing from anybody, so such moves are
made at once. What is left is tried in different orders: first a few quick ones, then, where moves are few, every one
(the general question is strongly NP-hard, so there is a limit).
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from rebalancer.plan.budget import Budget
from rebalancer.plan.walk import Walk

__all__ = ["arrange", "settle"]

_MOST_TRIED_ONE_BY_ONE = 14
"""Of how many moves all orders are looked at (by sets of moves made, so at most 2^14)."""
_QUICK_ORDERS = 6


def arrange(walk: Walk, domains: Iterable[int], budget: Budget) -> list[int]:
    """Makes as many of the domains' moves to their goals as it can; those that remain, none if all could be made.

    Afterwards the walk stands where the best order leads.
    """
    left = settle(walk, domains)
    return [domain for part in parts(walk, left) for domain in _arrange_part(walk, part, budget)]


def settle(walk: Walk, domains: Iterable[int]) -> list[int]:
    """Makes every move that harms no other, as long as there is one; those that remain."""
    waiting = dict.fromkeys(domains)
    arrivals: dict[int, list[int]] = {}
    for domain in waiting:
        arrivals.setdefault(walk.goal[domain], []).append(domain)
    ledger, hosts = walk.ledger, sorted(arrivals)
    while hosts:
        host = hosts.pop()
        coming = [domain for domain in arrivals[host] if domain in waiting]
        if not _all_fit(walk, host, coming):
            continue
        for domain in coming:
            # Who stands where matters to rules on groups, so such moves may harm others on other hosts.
            if ledger.is_ruled(domain) or not walk.fits(domain, host):
                continue
            source = walk.at[domain]
            walk.go(domain, host)
            del waiting[domain]
            if source in arrivals:
                hosts.append(source)
    return list(waiting)


def _all_fit(walk: Walk, host: int, domains: Iterable[int]) -> bool:
    total = list(walk.ledger.load[host])
    for domain in domains:
        for row, taken in enumerate(walk.ledger.taken(domain, host)):
            total[row] += taken
    return all(load <= bound for load, bound in zip(total, walk.ledger.bound[host], strict=True))


def parts(walk: Walk, domains: Iterable[int]) -> list[list[int]]:
    """The domains in parts that have no host in common; those that depend on others elsewhere are all in one."""
    leader: dict[int, int] = {}

    def find(node: int) -> int:
        while leader.setdefault(node, node) != node:
            leader[node] = node = leader[leader[node]]
        return node

    together = list(domains)
    for domain in together:
        leader[find(walk.at[domain])] = find(walk.goal[domain])
        if walk.reaches_far(domain):
            leader[find(walk.goal[domain])] = find(-1)
    found: dict[int, list[int]] = {}
    for domain in together:
        found.setdefault(find(walk.goal[domain]), []).append(domain)
    return sorted(found.values(), key=len)


def _arrange_part(walk: Walk, domains: list[int], budget: Budget) -> list[int]:
    start, best = walk.length, list(domains)
    best_made: list[int] = []
    for number in range(_QUICK_ORDERS):
        left = greedily(walk, domains, number)
        if not left:
            return []
        if len(left) < len(best):
            best, best_made = left, [leg.domain for leg in walk.legs[start:]]
        walk.back(start)
        if not budget.look(len(domains)):
            break
    if len(domains) <= _MOST_TRIED_ONE_BY_ONE and _one_by_one(walk, domains, budget):
        return []
    for domain in best_made:
        walk.go(domain, walk.goal[domain])
    return best


def greedily(walk: Walk, domains: Iterable[int], variant: int = 0) -> list[int]:
    """One order, no second tries: whatever fits is moved, first what leaves hosts that others wait for, the largest
    first (other variants: in other orders). Those that remain."""
    waiting = dict.fromkeys(domains)
    arrivals: dict[int, list[int]] = {}
    for domain in waiting:
        arrivals.setdefault(walk.goal[domain], []).append(domain)
    ready = [(_urgency(walk, domain, arrivals, variant), domain) for domain in waiting]
    heapify(ready)
    while True:
        while ready:
            _, domain = heappop(ready)
            if domain not in waiting or not walk.fits(domain, walk.goal[domain]):
                continue
            source = walk.at[domain]
            walk.go(domain, walk.goal[domain])
            del waiting[domain]
            for other in arrivals.get(source, ()):
                if other in waiting:
                    heappush(ready, (_urgency(walk, other, arrivals, variant), other))
        late = [d for d in waiting if walk.reaches_far(d) and walk.fits(d, walk.goal[d])]
        if not late:
            return list(waiting)
        ready = [(_urgency(walk, domain, arrivals, variant), domain) for domain in late]
        heapify(ready)


def _urgency(walk: Walk, domain: int, arrivals: dict[int, list[int]], variant: int) -> tuple[float, float]:
    wanted = -float(len(arrivals.get(walk.at[domain], ())) > 0)
    size = sum(
        taken / bound if 0 < bound < float("inf") else 0.0
        for taken, bound in zip(walk.ledger.demand[domain], walk.ledger.bound[walk.goal[domain]], strict=True)
    )
    if variant == 0:
        return wanted, -size
    if variant == 1:
        return wanted, size
    # Any fixed permutation: multiplying by a constant scatters the numbers (Knuth, TAOCP 6.4).
    scattered = float((domain + 1) * 2654435761 * variant % 2**32)
    return (wanted, scattered) if variant % 2 else (scattered, 0.0)


def _one_by_one(walk: Walk, domains: list[int], budget: Budget) -> bool:
    """Looks at every order until one is complete, and makes it."""
    dead: set[int] = set()

    def run(made: int) -> bool:
        if made == (1 << len(domains)) - 1:
            return True
        if made in dead or not budget.look():
            return False
        for index, domain in enumerate(domains):
            if not made >> index & 1 and walk.fits(domain, walk.goal[domain]):
                here = walk.length
                walk.go(domain, walk.goal[domain])
                if run(made | 1 << index):
                    return True
                walk.back(here)
        dead.add(made)
        return False

    return run(0)
