"""Costs of single hosts by what stands on them in sum."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rebalancer.placement.kernels import layout as at
from rebalancer.placement.packing.tables import Rows
from rebalancer.placement.primitives import Capacity, Evenness, FloatArray, HostsInUse, IntArray, Ratio
from rebalancer.placement.problem import Problem, Term
from rebalancer.values import dataclass

__all__ = ["Curve", "away", "curves_of"]


@dataclass(frozen=True)
class Curve:
    kind: int
    row: int
    level: int
    weight: float
    limit: FloatArray
    second: int = -1
    bound: FloatArray | None = None
    slack: float = 0.0
    target: float = 0.0
    tolerance: float = 0.0
    number: int = 1
    hard: bool = False

    @property
    def is_broken(self) -> bool:
        """Whether it is a hard capacity that is exceeded at the start."""
        return self.hard and self.bound is not None and bool((self.bound > self.limit + self.slack).any())


def curves_of(problem: Problem, rows: Rows) -> Iterable[Curve]:
    for term in problem.terms:
        level = term.tier + 1
        match term.primitive:
            case Capacity() as capacity:
                yield _capacity(term, capacity, problem.start, rows)
            case Evenness(form="deviation" | "variance" | "excess") as evenness:
                number = max(int(evenness.counted.sum()), 1)
                kind, factor = {
                    "deviation": (at.EVEN_ROOT, 100.0),
                    "variance": (at.EVEN_SQUARE, 10_000.0 / number),
                    "excess": (at.ABOVE, 100.0),
                }[evenness.form]
                yield Curve(
                    kind,
                    rows.row(evenness.demand),
                    level,
                    term.weight * factor,
                    np.where(evenness.counted, 1.0 / np.where(evenness.counted, evenness.capacity, 1.0), 0.0),
                    target=evenness.target,
                    tolerance=evenness.tolerance,
                    number=number,
                )
            case Ratio() as ratio:
                yield Curve(
                    at.RATIO,
                    rows.row(ratio.first),
                    level,
                    term.weight,
                    np.asarray(ratio.first_capacity, dtype=np.float64),
                    second=rows.row(ratio.second),
                    bound=np.asarray(ratio.second_capacity, dtype=np.float64),
                    target=ratio.target,
                )
            case HostsInUse() as use:
                yield Curve(
                    at.IN_USE,
                    rows.row(use.demand),
                    level,
                    term.weight,
                    np.where(use.capacity > 0, 1.0 / np.where(use.capacity > 0, use.capacity, 1.0), 0.0),
                    second=rows.row(np.ones(rows.domains)),
                )
            case _:
                pass


def _capacity(term: Term, capacity: Capacity, start: IntArray, rows: Rows) -> Curve:
    limit = np.asarray(capacity.limit, dtype=np.float64)
    positive = limit[np.isfinite(limit) & (limit > 0)]
    mean = float(positive.mean()) if len(positive) else 1.0
    scale = mean if capacity.scale is None else capacity.scale
    whole = bool((np.mod(capacity.demand, 1) == 0).all()) and capacity.scale is not None
    load = np.bincount(start, weights=capacity.demand, minlength=len(limit))
    return Curve(
        at.CAPACITY,
        rows.row(capacity.demand, capacity.both_ends),
        term.tier + 1,
        term.weight / scale,
        limit,
        bound=np.maximum(limit, load),
        slack=0.0 if whole else 1e-9 * mean,
        target=1.0 / scale,
        tolerance=mean,
        hard=term.hard,
    )


def away(curves: list[Curve], rows: Rows) -> FloatArray:
    """float[D]: how much a domain that is away is pulled home: all alike where moves take up nothing on both hosts,
    else by what they take up, too."""
    away = np.zeros(rows.domains)
    for curve in curves:
        if curve.hard and rows.both[curve.row]:
            finite = curve.limit[np.isfinite(curve.limit) & (curve.limit > 0)]
            away += rows.demands[curve.row] / (finite.mean() if len(finite) else 1.0)
    return 0.3 + away / away.mean() if away.any() else np.ones(rows.domains)
