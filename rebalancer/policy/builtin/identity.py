"""For every domain d: no other host knows d's UUID, but for a leftover definition: shut off, with the same name.

A domain that is active on two hosts at once is not touched: one of the two is wrong, and nobody here knows which.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np

from rebalancer.cluster import Domain
from rebalancer.placement.primitives import BoolArray
from rebalancer.placement.problem import Term
from rebalancer.policy.masks import Rows
from rebalancer.policy.model import Policy
from rebalancer.policy.view import View

__all__ = ["terms"]


def terms(view: View, policy: Policy) -> Iterable[Term]:  # noqa: ARG001
    rows = Rows(len(view.domains), len(view.hosts))
    for d, domain in enumerate(view.domains):
        others = [other for other in view.cluster.domains_by_uuid[domain.uuid] if other is not domain]
        active = [other for other in others if other.state.active]
        if active:
            places = " and ".join([domain.host, *(other.host for other in active)])
            reason = f"UUID {domain.uuid} is active on {places} at once; settle that by hand first"
            home = int(view.start[d])
            rows.restrict(d, d, partial(view.only, home), reason)
            continue
        taken = {view.host_index[other.host]: other for other in others if _clashes(other, domain)}
        if taken:
            rows.restrict(d, d, partial(_without, view, taken), partial(_taken, view, taken))
    primitive = rows.primitive()
    return () if primitive is None else (Term(name="identity", primitive=primitive, physical=True),)


def _clashes(other: Domain, domain: Domain) -> bool:
    return other.host != domain.host and other.name != domain.name


def _without(view: View, taken: dict[int, Domain]) -> BoolArray:
    allowed = np.ones(len(view.hosts), dtype=np.bool_)
    allowed[list(taken)] = False
    return allowed


def _taken(view: View, taken: dict[int, Domain], host: int) -> str:
    return f"{view.hosts[host].name} knows its UUID as '{taken[host].name}' ({taken[host].state})"
