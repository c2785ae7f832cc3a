"""Where each domain may stand, as far as rules on single domains say it."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.arrays import distinct
from rebalancer.placement.primitives import AllowedHosts, BoolArray, IntArray
from rebalancer.placement.problem import Problem
from rebalancer.values import dataclass

__all__ = ["Reach", "reach_of"]

_LARGEST = 20_000_000
"""Entries of the table; where it would be larger, all hosts are taken to be allowed, which only lowers bounds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reach:
    """``kind``: int[D]; ``allowed``: bool[K, H], the hosts on which a domain of a kind breaks nothing. A domain may
    stay where it is unless it is ``forced``: bool[D], to leave. ``movable``: bool[D], whether it has anywhere else to
    go."""

    kind: IntArray
    allowed: BoolArray
    forced: BoolArray
    movable: BoolArray

    def usable(self, start: IntArray) -> BoolArray:
        """bool[H]: the hosts where any domain may be."""
        usable = np.zeros(self.allowed.shape[1], dtype=np.bool_)
        usable[start[~self.forced]] = True
        return np.asarray(usable | np.any(self.allowed[distinct(self.kind)], axis=0), dtype=np.bool_)

    def bound_to(self, hosts: BoolArray, start: IntArray) -> BoolArray:
        """bool[D]: who may be on no other host than these (bool[H])."""
        inside = ~np.any(self.allowed & ~hosts, axis=1)[self.kind]
        return np.asarray(inside & (self.forced | hosts[start]), dtype=np.bool_)

    def nowhere(self) -> BoolArray:
        """bool[D]: who has to leave, and may be on no host."""
        return np.asarray(self.forced & ~np.any(self.allowed, axis=1)[self.kind], dtype=np.bool_)

    def least_moves(self) -> int:
        return int(self.forced.sum())


def reach_of(problem: Problem, *, holds: bool) -> Reach:
    """``holds``: whether the best placement breaks no hard rule, so that no domain stays where it must not be."""
    number, hosts = len(problem.domains), len(problem.hosts)
    kind = np.zeros(number, dtype=np.int64)
    allowed = np.ones((1, hosts), dtype=np.bool_)
    for term in problem.terms:
        if term.hard and isinstance(term.primitive, AllowedHosts):
            masks, mask = term.primitive.masks, term.primitive.mask
            width = len(masks) + 1
            keys, found = np.unique(kind * width + mask + 1, return_inverse=True)
            if len(keys) * hosts > _LARGEST:
                continue
            rows = np.concatenate([np.ones((1, hosts), dtype=np.bool_), masks])
            kind, allowed = found.astype(np.int64), allowed[keys // width] & rows[keys % width]
    at_home = allowed[kind, problem.start]
    return Reach(
        kind=kind,
        allowed=allowed,
        forced=~at_home & holds,
        movable=np.asarray(allowed.sum(axis=1)[kind] > at_home, dtype=np.bool_),
    )
