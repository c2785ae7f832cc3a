"""Searches under way: the arrays of a problem, copies of its state, and the kernels that run over them."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, Self

import numpy as np

from rebalancer.native import library
from rebalancer.placement.kernels import layout as at
from rebalancer.placement.kernels import tasks
from rebalancer.placement.kernels.types import TOLERANCE
from rebalancer.placement.packing import pack
from rebalancer.placement.primitives import FloatArray, IntArray
from rebalancer.placement.problem import Problem

__all__ = ["Engine", "Speed", "best_speed", "interpreted_only", "is_less"]

_WORTH_COMPILING = 2_500
"""Domains times hosts from which on the kernels are compiled if they are not; compiled ones are used in any case."""

Speed = Callable[[int], "library.Runner | None"]
"""From the size of a problem (domains times hosts) to compiled kernels; None: interpret."""


def interpreted_only(_: int) -> None:
    """The slower speed, whatever the size."""


def best_speed(size: int) -> library.Runner | None:
    """Compiled where that is at hand or pays."""
    found = library.cached()
    if found is None and size >= _WORTH_COMPILING and library.available():
        return library.compile_now()
    return found


def is_less(one: FloatArray, other: FloatArray) -> bool:
    """Whether a vector of costs, or a rank, is less than another, level by level."""
    for change in one - other:
        if abs(change) > TOLERANCE:
            return bool(change < 0)
    return False


class Engine:
    """One search: a placement that moves, its costs relative to the start, and the best so far."""

    def __init__(self, problem: Problem, seed: int = 0, speed: Speed = best_speed) -> None:
        packed = pack(problem)
        self.compiled = speed(len(problem.domains) * len(problem.hosts))
        self.levels = problem.tiers + 1
        self.domains = len(problem.domains)
        self._start, self._payload = (
            packed.ci[offset : offset + self.domains].copy() for offset in packed.ci[[at.START, at.PAYLOAD]]
        )
        self._ci: Any = packed.ci
        self._cf: Any = packed.cf
        self._si: Any = packed.si
        self._sf: Any = packed.sf
        if self.compiled is None:
            self._ci, self._cf, self._si, self._sf = (
                array.tolist() for array in (packed.ci, packed.cf, packed.si, packed.sf)
            )
        self.control, self.settings = int(packed.ci[at.CONTROL]), int(packed.ci[at.SETTINGS])
        self.seed(seed)
        self.run(tasks.BEGIN)
        self._begin_failover()

    def _begin_failover(self) -> None:
        """The bounds of rules on failover are what they cost at the start."""
        for index in range(self._ci[at.FAILOVERS]):
            cost = self._sf[self._ci[at.FAILOVER_COST] + index]
            self._cf[self._ci[at.FAILOVER_NUMBERS] + 2 * index + 1] = cost
            if cost > 0 and self._ci[self._ci[at.FAILOVER] + index * at.FAILOVER_WIDTH + at.FAILOVER_LEVEL] == 1:
                self._ci[at.UNBROKEN] = 0

    @property
    def is_broken(self) -> bool:
        """Whether a hard rule is broken at the start."""
        return not self._ci[at.UNBROKEN]

    @property
    def counts_both_ends(self) -> bool:
        """Whether moved domains take up anything on the host that they left."""
        rows = self._ci[at.ROW_BOTH]
        return any(self._ci[rows + row] for row in range(self._ci[at.ROWS]))

    @property
    def frees_hosts(self) -> bool:
        """Whether a host that carries nothing is worth something."""
        return self._has_curve(at.IN_USE)

    @property
    def evens_out(self) -> bool:
        """Whether it is a goal that hosts are alike."""
        return self._has_curve(at.EVEN_ROOT, at.EVEN_SQUARE)

    def _has_curve(self, *wanted: int) -> bool:
        kinds = self._ci[at.CURVE_KIND]
        return any(self._ci[kinds + curve] in wanted for curve in range(self._ci[at.CURVES]))

    def fork(self) -> Self:
        """A search of its own from the same state on, over the same constants."""
        other = copy(self)
        other._si, other._sf = self._si.copy(), self._sf.copy()
        return other

    def another(self, seed: int) -> Self:
        """The same with random numbers of its own."""
        other = self.fork()
        other.seed(seed)
        return other

    def follow(self, other: Engine) -> None:
        """Goes on from another's state, with random numbers of its own; keeps its best placement unless the other's is
        better."""
        chance, best, cost = self._si[self._ci[at.RANDOM]], self.best, self.best_cost
        keeps = not is_less(other.best_rank, self.best_rank)
        self._si[:], self._sf[:] = other._si, other._sf
        self._si[self._ci[at.RANDOM]] = chance
        if keeps:
            self._put(self._si, at.BEST, best)
            self._put(self._sf, at.BEST_COST, cost)

    def _put(self, state: Any, table: int, values: IntArray | FloatArray) -> None:
        offset = self._ci[table]
        state[offset : offset + len(values)] = values if self.compiled is not None else values.tolist()

    def seed(self, seed: int) -> None:
        self._si[self._ci[at.RANDOM]] = (seed * 2_654_435_761 + 88_675_123) % (2**32 - 1) + 1

    def run(self, task: int) -> int:
        if self.compiled is None:
            from rebalancer.placement.kernels import entry

            return entry.run(self._ci, self._cf, self._si, self._sf, task)
        return self.compiled(self._ci, self._cf, self._si, self._sf, task)

    def tell(self, field: int, value: int) -> None:
        """Sets a field of CONTROL."""
        self._si[self.control + field] = value

    def told(self, field: int) -> int:
        return int(self._si[self.control + field])

    def set(self, field: int, value: float) -> None:
        """Sets a field of SETTINGS."""
        self._sf[self.settings + field] = value

    def get(self, field: int) -> float:
        return float(self._sf[self.settings + field])

    def _floats(self, table: int) -> FloatArray:
        offset = self._ci[table]
        return np.array(self._sf[offset : offset + self.levels], dtype=np.float64)

    def _places(self, table: int) -> IntArray:
        offset = self._ci[table]
        return np.array(self._si[offset : offset + self.domains], dtype=np.int64)

    @property
    def cost(self) -> FloatArray:
        """float[L]: of the placement as it is, beyond the start's."""
        return self._floats(at.COST)

    @property
    def change(self) -> FloatArray:
        """float[L]: what the move last looked at would change."""
        return self._floats(at.DELTA)

    @property
    def best_cost(self) -> FloatArray:
        return self._floats(at.BEST_COST)

    @property
    def best(self) -> IntArray:
        """int[D]: the best placement so far."""
        return self._places(at.BEST)

    @property
    def rank(self) -> FloatArray:
        """float[L + 1]: the cost of the placement as it is, and the bytes to be sent for it and one for each move."""
        return np.append(self.cost, self._sent(self._places(at.PLACE)))

    @property
    def best_rank(self) -> FloatArray:
        """float[L + 1]: the same of the best placement so far."""
        return np.append(self.best_cost, self._sent(self.best))

    def _sent(self, placement: IntArray) -> float:
        return float(self._payload[placement != self._start].sum())

    @property
    def spent(self) -> int:
        return self.told(at.SPENT)
