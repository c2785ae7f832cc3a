"""The best placement so far: what betters it, and the way back to it.

Of placements that cost the same the better one is that for which less is sent, then the one on earlier hosts: which of
them is found should not be a matter of chance. Annealing knows nothing of it: its ways lead over what costs the same.
"""

from __future__ import annotations

from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import BEST, BEST_COST, COST, DOMAINS, LEVELS, PAYLOAD, PLACE, START
from rebalancer.placement.kernels.moves import move
from rebalancer.placement.kernels.types import TOLERANCE, Floats, Ints

__all__ = ["keep", "keep_best", "restore_best"]


@kernel
def comes_first(ci: Ints, si: Ints) -> bool:
    """Whether the placement goes before the best, where both cost the same."""
    less, earlier = 0, 0
    for domain in range(ci[DOMAINS]):
        here, there = si[ci[PLACE] + domain], si[ci[BEST] + domain]
        if here == there:
            continue
        home = ci[ci[START] + domain]
        if here == home:
            less += ci[ci[PAYLOAD] + domain]
        elif there == home:
            less -= ci[ci[PAYLOAD] + domain]
        if earlier == 0:
            earlier = there - here
    return less > 0 or (less == 0 and earlier > 0)


@kernel
def is_best(ci: Ints, si: Ints, sf: Floats) -> bool:
    for level in range(ci[LEVELS]):
        change = sf[ci[COST] + level] - sf[ci[BEST_COST] + level]
        if change > TOLERANCE:
            return False
        if change < -TOLERANCE:
            return True
    return comes_first(ci, si)


@kernel
def keep(ci: Ints, si: Ints, sf: Floats) -> None:
    """Makes the placement the best, whatever it costs."""
    for domain in range(ci[DOMAINS]):
        si[ci[BEST] + domain] = si[ci[PLACE] + domain]
    for level in range(ci[LEVELS]):
        sf[ci[BEST_COST] + level] = sf[ci[COST] + level]


@kernel
def keep_best(ci: Ints, si: Ints, sf: Floats) -> bool:
    """Keeps the placement where it is the best so far."""
    if not is_best(ci, si, sf):
        return False
    keep(ci, si, sf)
    return True


@kernel
def restore_best(ci: Ints, cf: Floats, si: Ints, sf: Floats) -> None:
    """Goes back to the best placement."""
    for domain in range(ci[DOMAINS]):
        host = si[ci[BEST] + domain]
        if si[ci[PLACE] + domain] != host:
            move(ci, cf, si, sf, domain, host)
    for level in range(ci[LEVELS]):
        sf[ci[COST] + level] = sf[ci[BEST_COST] + level]
