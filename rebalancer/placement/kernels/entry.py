"""The one door into compiled kernels: a task by its number."""

from __future__ import annotations

from rebalancer.placement.kernels.anneal import anneal, keep_best
from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import CONTROL, DESTINATION, SUBJECT
from rebalancer.placement.kernels.moves import add_to_cost, move, shift, start
from rebalancer.placement.kernels.types import Floats, Ints

__all__ = ["ANNEAL", "KEEP_BEST", "MOVE", "SHIFT", "START_STATE", "run"]

START_STATE, SHIFT, MOVE, ANNEAL, KEEP_BEST = range(5)


@kernel
def run(ci: Ints, cf: Floats, si: Ints, sf: Floats, task: int) -> int:
    if task == START_STATE:
        start(ci, cf, si, sf)
    elif task == SHIFT:
        shift(ci, cf, si, sf, si[ci[CONTROL] + SUBJECT], si[ci[CONTROL] + DESTINATION])
    elif task == MOVE:
        shift(ci, cf, si, sf, si[ci[CONTROL] + SUBJECT], si[ci[CONTROL] + DESTINATION])
        move(ci, cf, si, sf, si[ci[CONTROL] + SUBJECT], si[ci[CONTROL] + DESTINATION])
        add_to_cost(ci, sf)
    elif task == ANNEAL:
        anneal(ci, cf, si, sf)
        return 1 if keep_best(ci, si, sf) else 0
    elif task == KEEP_BEST:
        return 1 if keep_best(ci, si, sf) else 0
    return 0
