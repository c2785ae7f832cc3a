"""What new names cost: with ``on_clash: rename``, each domain that ends up where its name is taken.

So another host is taken where that costs less. What waiting for others to leave solves costs nothing: in the end the
names differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from rebalancer.placement.primitives import DistanceCost, GroupMost, GroupMoves, MoveCost
from rebalancer.placement.problem import Term
from rebalancer.policy.builtin.names import taken_names
from rebalancer.policy.model import OnClash, Policy
from rebalancer.policy.view import View

__all__ = ["RENAMED", "UNWRITTEN", "renaming_terms"]

RENAMED = "names: renamed"
_MOVED = "names: moved"
UNWRITTEN = frozenset({RENAMED, _MOVED})
"""Costs that no policy has written: where they are 0, nobody wants to read of them."""


def renaming_terms(policy: Policy, view: View, written: Sequence[Term]) -> Iterator[Term]:
    """In the last tier of what is ``written``: what nobody asked for costs nothing on what somebody did."""
    cost = policy.names.rename_cost
    taken = taken_names(view) if policy.names.on_clash is OnClash.RENAME and cost > 0 else None
    if taken is None:
        return
    tier = max((1, *(term.tier for term in written)))
    if not any(isinstance(term.primitive, MoveCost | DistanceCost | GroupMoves) for term in written):
        # Where moves cost nothing, one would be made to let another domain keep its name.
        shared = (taken.group >= 0).astype(np.float64)
        yield Term(name=_MOVED, primitive=MoveCost(cost=shared), weight=cost, tier=tier)
    yield Term(name=RENAMED, primitive=_beyond_the_start(taken, view), weight=cost, tier=tier)


def _beyond_the_start(taken: GroupMost, view: View) -> GroupMost:
    """The same, where the start costs nothing: some plans are made as if domains had their old names already."""
    standing = taken.fixed.copy()
    zone = taken.zone[view.start]
    members = (taken.group >= 0) & (zone >= 0)
    np.add.at(standing, (taken.group[members], zone[members]), 1)
    return replace(taken, fixed=taken.fixed - np.maximum(standing - taken.most, 0))
