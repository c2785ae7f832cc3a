"""The one door into compiled kernels: a task by its number."""

from __future__ import annotations

from rebalancer.placement.kernels.anneal import anneal
from rebalancer.placement.kernels.best import keep_best, restore_best
from rebalancer.placement.kernels.descend import descend, sample, try_all
from rebalancer.placement.kernels.home import take_back, trade_places
from rebalancer.placement.kernels.jit import kernel
from rebalancer.placement.kernels.layout import CONTROL, DESTINATION, SUBJECT
from rebalancer.placement.kernels.moves import add_to_cost, move, shift, start
from rebalancer.placement.kernels.tasks import (
    ANNEAL,
    BEGIN,
    DESCEND,
    MOVE,
    RESTORE_BEST,
    SAMPLE,
    TAKE_BACK,
    TRADE_PLACES,
    TRY_ALL,
    TRY_SOME,
)
from rebalancer.placement.kernels.together import try_some
from rebalancer.placement.kernels.types import Floats, Ints

__all__ = ["run"]


@kernel
def run(ci: Ints, cf: Floats, si: Ints, sf: Floats, task: int) -> int:
    """Does a task; what it returns is the task's own."""
    if task == ANNEAL:
        anneal(ci, cf, si, sf)
        return 1 if keep_best(ci, si, sf) else 0
    if task == DESCEND:
        return descend(ci, cf, si, sf)
    if task == TRY_SOME:
        return try_some(ci, cf, si, sf)
    if task == TAKE_BACK:
        return take_back(ci, cf, si, sf)
    if task == TRADE_PLACES:
        return trade_places(ci, cf, si, sf)
    if task == BEGIN:
        start(ci, cf, si, sf)
    elif task == RESTORE_BEST:
        restore_best(ci, cf, si, sf)
    elif task == SAMPLE:
        sample(ci, cf, si, sf)
    elif task == TRY_ALL:
        try_all(ci, cf, si, sf)
    else:
        domain, host = si[ci[CONTROL] + SUBJECT], si[ci[CONTROL] + DESTINATION]
        shift(ci, cf, si, sf, domain, host)
        if task == MOVE:
            move(ci, cf, si, sf, domain, host)
            add_to_cost(ci, sf)
    return 0
