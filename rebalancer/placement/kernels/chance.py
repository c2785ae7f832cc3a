"""Random numbers, the same compiled and interpreted: Marsaglia's xorshift with 32 bits (*Xorshift RNGs*, 2003)."""

from __future__ import annotations

from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import RANDOM
from rebalancer.placement.kernels.types import Ints

__all__ = ["below", "chance"]

_MASK = (1 << 32) - 1


@kernel
def draw(ci: Ints, si: Ints) -> int:
    state = si[ci[RANDOM]]
    state ^= (state << 13) & _MASK
    state ^= state >> 17
    state ^= (state << 5) & _MASK
    si[ci[RANDOM]] = state
    return state


@kernel
def below(ci: Ints, si: Ints, number: int) -> int:
    """A whole number from 0 to ``number`` - 1, all alike; ``number`` is less than 2**31."""
    return (draw(ci, si) * number) >> 32


@kernel
def chance(ci: Ints, si: Ints) -> float:
    """A number from 0 to 1."""
    return draw(ci, si) / 4294967296.0
