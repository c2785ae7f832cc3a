"""A placement problem: where D domains stand on H hosts, and the terms that any placement is scored by."""

from __future__ import annotations

from functools import cached_property

from rebalancer.placement.limits import MoveLimits
from rebalancer.placement.primitives import IntArray, Primitive
from rebalancer.values import dataclass

__all__ = ["Problem", "Term"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Term:
    """One rule or goal (or a part of one), compiled.

    ``tier`` 0 holds the hard rules: they are repaired before anything else and never made worse. Tiers 1, 2, … hold
    soft rules and goals; a lower tier (a higher number) never costs anything on a higher one. Within a tier costs
    are weighted and added.
    """

    name: str
    """What people see, e.g. ``capacity: memory``."""
    primitive: Primitive
    weight: float = 1.0
    tier: int = 0
    physical: bool = False
    """Of a hard term: whether it says what hosts can do, which no plan may pass over even for a while."""
    continuous: bool = True
    """Of a hard term: whether it has to hold at every moment of a plan, or only when the plan has ended."""
    refusal: str = ""
    """Of a hard term: what keeps a domain from where it would break it, if that says more than who would meet there."""

    @property
    def hard(self) -> bool:
        return self.tier == 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """``start``: int[D], the host that each domain stands on now. ``max_moves``: None for any number.

    ``limits``: what else the moves of one plan may come to. ``payload``: int[D], the bytes that are sent where a domain
    moves, less than 2⁶² together; None: nothing. Of placements that cost the same, the one for which less is sent is
    better; of those, the one with fewer moves.
    """

    hosts: tuple[str, ...]
    domains: tuple[str, ...]
    """UUIDs, each once."""
    start: IntArray
    terms: tuple[Term, ...]
    max_moves: int | None = None
    limits: MoveLimits | None = None
    payload: IntArray | None = None

    @cached_property
    def tiers(self) -> int:
        """The number of tiers, tier 0 included."""
        return 1 + max((term.tier for term in self.terms), default=0)
