"""How even any number of moves can make hosts.

With k moves no more than the k largest domains leave hosts that are too full, and no more come to hosts that are too
empty. Cutting them up, what is too much (too little) is best taken from (given to) hosts so that they all end on one
level: the bound is what is left then (water-filling). Nor do total loads and single large domains change with moves.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rebalancer.placement.bounds.lattice import cheapest, highest_trough, lowest_peak, unit_of
from rebalancer.placement.bounds.reach import Reach
from rebalancer.placement.primitives import BoolArray, Evenness, FloatArray, IntArray
from rebalancer.placement.problem import Problem
from rebalancer.values import dataclass

__all__ = ["evenness"]

_MOST_UNITS = 1e12
"""Beyond that a unit is so small that it says nothing."""


def evenness(goal: Evenness, problem: Problem, reach: Reach, moves: IntArray) -> FloatArray:
    """float[len(moves)]: what the goal costs at least with so many moves."""
    counted = np.flatnonzero(goal.counted)
    if not len(counted):
        return np.zeros(len(moves))
    whole = np.bincount(problem.start, weights=goal.demand, minlength=len(goal.capacity)).astype(np.float64)
    hosts = _Hosts(
        load=whole[counted],
        size=goal.capacity[counted],
        high=goal.target + goal.tolerance,
        low=goal.target - goal.tolerance,
    )
    own = np.full(len(goal.capacity), -1, dtype=np.int64)
    own[counted] = np.arange(len(counted))
    masses = _Masses(goal.demand, own[problem.start], reach.movable, moves)
    total = _Total.of(goal, problem, reach)
    largest = _largest(goal, problem, reach)
    whole_units = _Units.of(goal.demand, hosts, total)
    match goal.form:
        case "deviation" | "variance":
            squares = hosts.squares(masses)
            squares = np.maximum(squares, max(total.squares(hosts), whole_units.squares()))
            squares = np.maximum(squares, max(largest - hosts.high, 0.0) ** 2) / len(counted)
            return 100.0 * np.sqrt(squares) if goal.form == "deviation" else 10_000.0 * squares
        case "peak":
            least = max(largest, total.least / float(hosts.size.sum()), whole_units.peak())
            peak = np.maximum(hosts.peak(masses), least)
            return 100.0 * np.maximum(peak - hosts.high, 0.0)
        case "range":
            spread = np.maximum(hosts.peak(masses) - hosts.trough(masses), whole_units.spread())
            return 100.0 * np.maximum(spread - goal.tolerance, 0.0)
        case "excess":
            least = max(largest - hosts.high, total.over(hosts) / float(hosts.size.max()), whole_units.excess())
            return 100.0 * np.maximum(hosts.excess(masses), least)


@dataclass(frozen=True, slots=True, eq=False)
class _Masses:
    """How much k moves can take from some of the counted hosts, or bring to them."""

    demand: FloatArray
    home: IntArray
    """int[D]: among the counted hosts; -1: on none of them."""
    movable: BoolArray
    moves: IntArray

    def leaving(self, hosts: BoolArray) -> FloatArray:
        return self._largest(self._starts_on(hosts))

    def coming(self, hosts: BoolArray) -> FloatArray:
        """A domain from one of these hosts may come to another of them."""
        return self._largest(np.ones(len(self.demand), dtype=np.bool_) if hosts.sum() > 1 else ~self._starts_on(hosts))

    def _starts_on(self, hosts: BoolArray) -> BoolArray:
        return np.asarray((self.home >= 0) & hosts[self.home], dtype=np.bool_)

    def _largest(self, which: BoolArray) -> FloatArray:
        sizes = np.sort(self.demand[which & self.movable])[::-1]
        sums = np.concatenate([[0.0], np.cumsum(sizes)])
        return np.asarray(sums[np.minimum(self.moves, len(sizes))], dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Hosts:
    """The counted hosts; ``high`` and ``low``: the utilisations between which nothing costs."""

    load: FloatArray
    size: FloatArray
    high: float
    low: float

    @property
    def used(self) -> FloatArray:
        return np.asarray(self.load / self.size, dtype=np.float64)

    def squares(self, masses: _Masses) -> FloatArray:
        """Σ_h of the squared distance from the range that costs nothing."""
        over, under = self.used > self.high, self.used < self.low
        more = _squares_left(self.used[over] - self.high, self.size[over], masses.leaving(over))
        return more + _squares_left(self.low - self.used[under], self.size[under], masses.coming(under))

    def peak(self, masses: _Masses) -> FloatArray:
        """The utilisation that the fullest host has at least."""
        every = np.ones(len(self.load), dtype=np.bool_)
        return _level(-self.load, self.size, masses.leaving(every)) * -1.0

    def trough(self, masses: _Masses) -> FloatArray:
        """The utilisation that the emptiest host has at most."""
        every = np.ones(len(self.load), dtype=np.bool_)
        return _level(self.load, self.size, masses.coming(every))

    def excess(self, masses: _Masses) -> FloatArray:
        """Σ_h of what is beyond the upper end; taking something from a small host pays most."""
        over = self.used > self.high
        order = np.argsort(self.size[over], kind="stable")
        beyond, size = (self.used[over] - self.high)[order], self.size[over][order]
        taken = np.concatenate([[0.0], np.cumsum(beyond * size)])
        gained = np.concatenate([[0.0], np.cumsum(beyond)])
        return np.asarray(gained[-1] - np.interp(masses.leaving(over), taken, gained), dtype=np.float64)


def _squares_left(beyond: FloatArray, size: FloatArray, masses: FloatArray) -> FloatArray:
    """The least Σ v² with 0 ≤ v ≤ beyond and Σ size · (beyond - v) ≤ mass: v = min(beyond, λ · size)."""
    if not len(beyond):
        return np.zeros(len(masses))
    order = np.argsort(-(beyond / size), kind="stable")
    beyond, size = beyond[order], size[order]
    weight = np.cumsum(beyond * size)
    area = np.cumsum(size * size)
    # What it takes to bring the first j down to where number j + 1 is.
    following = np.append((beyond / size)[1:], 0.0)
    needed = weight - following * area
    cut = np.minimum(np.searchsorted(needed, masses), len(beyond) - 1)
    factor = np.maximum(weight[cut] - masses, 0.0) / area[cut]
    rest = np.append(np.cumsum((beyond * beyond)[::-1])[::-1][1:], 0.0)
    return np.asarray(factor * factor * area[cut] + rest[cut], dtype=np.float64)


def _level(load: FloatArray, size: FloatArray, masses: FloatArray) -> FloatArray:
    """Up to where a mass lifts the emptiest hosts, filled like connected vessels."""
    order = np.argsort(load / size, kind="stable")
    load, size = load[order], size[order]
    loads, sizes = np.cumsum(load), np.cumsum(size)
    needed = np.append((load / size)[1:] * sizes[:-1] - loads[:-1], np.inf)
    cut = np.searchsorted(needed, masses)
    return np.asarray((masses + loads[cut]) / sizes[cut], dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Total:
    """What the counted hosts carry together, at least and at most."""

    least: float
    most: float

    @classmethod
    def of(cls, goal: Evenness, problem: Problem, reach: Reach) -> _Total:
        inside = np.any(reach.allowed & goal.counted, axis=1)[reach.kind]
        outside = np.any(reach.allowed & ~goal.counted, axis=1)[reach.kind]
        there = goal.counted[problem.start]
        inside, outside = inside | (there & ~reach.forced), outside | (~there & ~reach.forced)
        return cls(least=float(goal.demand[~outside].sum()), most=float(goal.demand[inside].sum()))

    def over(self, hosts: _Hosts) -> float:
        return max(self.least - hosts.high * float(hosts.size.sum()), 0.0)

    def squares(self, hosts: _Hosts) -> float:
        """By Cauchy and Schwarz: Σ v² ≥ (Σ size · v)² / Σ size²."""
        beyond = max(self.over(hosts), hosts.low * float(hosts.size.sum()) - self.most, 0.0)
        return beyond * beyond / float((hosts.size * hosts.size).sum())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Units:
    """The whole load in multiples of what all sizes are multiples of; 0 of them where it is not known that all of it
    is on the counted hosts."""

    hosts: _Hosts
    unit: float
    number: int

    @classmethod
    def of(cls, demand: FloatArray, hosts: _Hosts, total: _Total) -> _Units:
        unit = unit_of(demand) if total.most - total.least <= 1e-9 * total.most else None
        if unit is None or total.most / unit > _MOST_UNITS:
            return cls(hosts=hosts, unit=1.0, number=0)
        return cls(hosts=hosts, unit=unit, number=round(total.most / unit))

    def squares(self) -> float:
        return self._sum(lambda u: np.maximum(np.maximum(u - self.hosts.high, self.hosts.low - u), 0.0) ** 2)

    def excess(self) -> float:
        return self._sum(lambda u: np.maximum(u - self.hosts.high, 0.0))

    def peak(self) -> float:
        return lowest_peak(self.hosts.size, self.unit, self.number) if self.number else 0.0

    def spread(self) -> float:
        return self.peak() - highest_trough(self.hosts.size, self.unit, self.number) if self.number else 0.0

    def _sum(self, cost: Callable[[FloatArray], FloatArray]) -> float:
        if not self.number:
            return 0.0
        target = (self.hosts.high + self.hosts.low) / 2
        best = target * self.hosts.size / self.unit
        found = cheapest(lambda number, host: cost(number * self.unit / self.hosts.size[host]), best, self.number)
        return 0.0 if found is None else found


def _largest(goal: Evenness, problem: Problem, reach: Reach) -> float:
    """The utilisation that some domain alone makes, on the largest of the hosts where it may be."""
    best = np.where(goal.counted, goal.capacity, np.inf)
    roomiest = np.where(reach.allowed, best, 0.0).max(axis=1)[reach.kind]
    roomiest = np.where(reach.forced, roomiest, np.maximum(roomiest, best[problem.start]))
    positive = roomiest > 0
    return float((goal.demand[positive] / roomiest[positive]).max(initial=0.0))
