"""How much one plan moves: no more than the policy's limits say, those who step aside and come back included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from rebalancer.checker.situation import Situation
from rebalancer.cluster.units import format_number
from rebalancer.placement.limits import Budget
from rebalancer.plan.model import Step

__all__ = ["exceeded"]


def exceeded(steps: Sequence[Step], situation: Situation) -> Iterator[str]:
    moved = {step.uuid for step in steps}
    if situation.max_moves is not None and len(moved) > situation.max_moves:
        yield f"{len(moved)} domains are moved, limit {situation.max_moves}"
    if situation.limits is not None:
        for budget in situation.limits.budgets:
            yield from _spent(budget, [uuid in moved for uuid in situation.domains])
        at_hosts = ((host, step.uuid) for step in steps for host in (step.source, step.destination))
        yield from _crowded("per_host", situation.limits.per_host, at_hosts)
        arriving = ((step.destination, step.uuid) for step in steps)
        yield from _crowded("arrivals_per_host", situation.limits.arrivals_per_host, arriving)


def _spent(budget: Budget, moved: Sequence[bool]) -> Iterator[str]:
    spent: defaultdict[int, float] = defaultdict(float)
    for domain, counts in enumerate(moved):
        if counts and budget.bucket[domain] >= 0:
            spent[int(budget.bucket[domain])] += float(budget.amount[domain])
    for amount in spent.values():
        if amount > budget.most * (1 + 1e-6):
            yield f"{budget.name}: {format_number(amount)}, limit {format_number(budget.most)}"


def _crowded(name: str, most: int | None, found: Iterable[tuple[str, str]]) -> Iterator[str]:
    domains: defaultdict[str, set[str]] = defaultdict(set)
    for host, uuid in found:
        domains[host].add(uuid)
    for host, here in domains.items():
        if most is not None and len(here) > most:
            yield f"{name}: {len(here)} on {host}, limit {most}"
