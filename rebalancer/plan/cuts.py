"""Destinations that the search is not to choose again: no migrations lead there, or not in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from rebalancer.placement import Problem, Term
from rebalancer.placement.primitives import AllowedHosts
from rebalancer.plan.model import NO_WAY
from rebalancer.plan.moves import TOO_NARROW
from rebalancer.values import dataclass

__all__ = ["MOST_DESTINATIONS", "Cut", "forbidding", "staying"]

MOST_DESTINATIONS = 3
"""That are tried for one domain."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A destination that a domain cannot be brought to, and why."""

    domain: int
    host: int
    reason: str


def forbidding(problem: Problem, cuts: Sequence[Cut]) -> Problem:
    """The same without these destinations; after a few for one domain, without all others, too."""
    reasons: dict[tuple[int, int], str] = {}
    for cut in cuts:
        tried = sum(other.domain == cut.domain and not other.reason.startswith(TOO_NARROW) for other in cuts)
        hosts = [cut.host] if tried < MOST_DESTINATIONS else range(len(problem.hosts))
        for host in hosts:
            if host != problem.start[cut.domain]:
                reasons.setdefault((cut.domain, host), cut.reason)
    return _with(problem, NO_WAY, reasons) if reasons else problem


def staying(problem: Problem, domains: Mapping[int, str]) -> Problem:
    """The same with domains that stay where they are, because of a deadline: domain → why."""
    reasons = {
        (domain, host): why
        for domain, why in domains.items()
        for host in range(len(problem.hosts))
        if host != problem.start[domain]
    }
    return _with(problem, "deadline", reasons)


def _with(problem: Problem, name: str, reasons: Mapping[tuple[int, int], str]) -> Problem:
    """``reasons``: (domain, host) → why the domain cannot go there."""
    row = {domain: number for number, domain in enumerate(sorted({domain for domain, _ in reasons}))}
    masks = np.ones((len(row), len(problem.hosts)), dtype=np.bool_)
    mask = np.full(len(problem.domains), -1, dtype=np.int64)
    for domain, host in reasons:
        masks[row[domain], host] = False
        mask[domain] = row[domain]
    refused = AllowedHosts(
        masks=masks, mask=mask, reasons={(row[domain], host): text for (domain, host), text in reasons.items()}
    )
    return replace(problem, terms=(*problem.terms, Term(name=name, primitive=refused, continuous=False)))
