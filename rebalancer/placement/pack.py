"""From a problem to the four flat arrays that kernels run over (see ``kernels.layout``)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from rebalancer.placement.evaluators.groups import own_zones
from rebalancer.placement.evaluators.pools import PoolEvaluator
from rebalancer.placement.kernels import layout as at
from rebalancer.placement.primitives import (
    AllowedHosts,
    AssignmentCost,
    Capacity,
    DistanceCost,
    Evenness,
    Failover,
    FloatArray,
    GroupLeast,
    GroupMost,
    GroupMoves,
    GroupsApart,
    GroupSkew,
    GroupSpan,
    HostsInUse,
    IntArray,
    MoveCost,
    Near,
    Pool,
    Ratio,
    Traffic,
)
from rebalancer.placement.problem import Problem, Term

__all__ = ["Packed", "pack"]

_SMALL_GROUP = 16
"""The members of a group up to this size are looked through; counts of larger ones are kept."""
_SMALL_TABLE = 500_000
_RULES = (AllowedHosts, Capacity, Failover, GroupLeast, GroupMost, GroupsApart, GroupSkew, GroupSpan, Near, Pool)
"""The primitives that have bounds, and of which to be worse than at the start means something."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packed:
    """``ci``, ``cf``: constant; ``si``, ``sf``: the state at the start, of which each search takes a copy."""

    ci: IntArray
    cf: FloatArray
    si: IntArray
    sf: FloatArray


@dataclass
class _Buffer:
    """An array under construction."""

    kind: type
    parts: list[IntArray | FloatArray] = field(default_factory=list)
    size: int = 0

    def add(self, values: object) -> int:
        """The offset at which the values will stand."""
        flat: IntArray | FloatArray = np.ascontiguousarray(values, dtype=self.kind).ravel()
        offset, self.size = self.size, self.size + len(flat)
        self.parts.append(flat)
        return offset

    def whole(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.concatenate([*self.parts, np.zeros(1, dtype=self.kind)])


@dataclass
class _Rows:
    """Sums of demands over hosts: each demand once."""

    domains: int
    demands: list[FloatArray] = field(default_factory=list)
    both: list[bool] = field(default_factory=list)
    known: dict[tuple[bytes, bool], int] = field(default_factory=dict)

    def row(self, demand: FloatArray, both: bool = False) -> int:
        demand = np.asarray(demand, dtype=np.float64)
        key = (demand.tobytes(), both)
        if key not in self.known:
            self.known[key] = len(self.demands)
            self.demands.append(demand)
            self.both.append(both)
        return self.known[key]


@dataclass(frozen=True)
class _Curve:
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


class _Packing:
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.hosts, self.domains = len(problem.hosts), len(problem.domains)
        self.levels = problem.tiers + 1
        self.header = np.full(at.HEADER, -1, dtype=np.int64)
        self.ci, self.cf = _Buffer(np.int64), _Buffer(np.float64)
        self.si, self.sf = _Buffer(np.int64), _Buffer(np.float64)
        self.ci.add(self.header)
        self.start = np.asarray(problem.start, dtype=np.int64)
        self.broken = any(term.hard and not isinstance(term.primitive, _RULES) for term in problem.terms)
        """Whether a hard rule is broken at the start, as far as it is seen here; those on failover are not."""

    def of(self, *kinds: type) -> list[Term]:
        return [term for term in self.problem.terms if isinstance(term.primitive, kinds)]

    def whole(self) -> Packed:
        self._sizes()
        self._placement()
        self._sums()
        self._static()
        self._distances()
        self._groups()
        self._group_moves()
        self._pools()
        self._traffic()
        self._limits()
        self._search()
        self.header[at.UNBROKEN] = not self.broken
        ci = self.ci.whole()
        ci[: at.HEADER] = self.header
        return Packed(
            ci=ci.astype(np.int64), cf=self.cf.whole(), si=self.si.whole().astype(np.int64), sf=self.sf.whole()
        )

    def _sizes(self) -> None:
        self.header[[at.DOMAINS, at.HOSTS, at.LEVELS]] = self.domains, self.hosts, self.levels

    def _placement(self) -> None:
        self.header[at.START] = self.ci.add(self.start)
        self.header[at.PLACE] = self.si.add(self.start)
        self.header[at.FIRST] = self.si.add(np.full(self.hosts, -1))
        self.header[at.NEXT] = self.si.add(np.full(self.domains, -1))
        self.header[at.PREVIOUS] = self.si.add(np.full(self.domains, -1))
        self.header[at.RESIDENTS] = self.si.add(np.zeros(self.hosts))
        self.header[at.MOVED] = self.si.add(np.zeros(1))
        self.header[at.COST] = self.sf.add(np.zeros(self.levels))
        self.header[at.DELTA] = self.sf.add(np.zeros(self.levels))

    # Sums over hosts ----------------------------------------------------------------------------------------------

    def _sums(self) -> None:
        rows = _Rows(self.domains)
        curves = sorted(self._curves(rows), key=lambda curve: (not curve.hard, curve.level))
        extremes = [
            (term, term.primitive)
            for term in self.of(Evenness)
            if isinstance(term.primitive, Evenness) and term.primitive.form in ("peak", "range")
        ]
        extreme_rows = [rows.row(evenness.demand) for _, evenness in extremes]
        failovers = self._failovers(rows)
        count = len(rows.demands)
        demand = np.array(rows.demands).reshape(count, self.domains)
        load = np.array([np.bincount(self.start, weights=row, minlength=self.hosts) for row in demand])
        load = load.reshape(count, self.hosts)
        self.header[at.ROWS] = count
        self.header[at.DEMAND] = self.cf.add(demand.T)
        self.header[at.LOAD] = self.sf.add(load.T)
        self.header[at.ROW_BOTH] = self.ci.add(rows.both)
        self.header[at.AWAY] = self.cf.add(self._away(curves, rows))
        self._add_curves(curves)
        self._add_extremes(extremes, extreme_rows)
        self._add_failovers(failovers)

    def _away(self, curves: list[_Curve], rows: _Rows) -> FloatArray:
        """float[D]: what a domain's move takes up on both of its hosts at once, 1 on average; 1 where nothing does."""
        away = np.zeros(self.domains)
        for curve in curves:
            if curve.hard and rows.both[curve.row]:
                finite = curve.limit[np.isfinite(curve.limit) & (curve.limit > 0)]
                away += rows.demands[curve.row] / (finite.mean() if len(finite) else 1.0)
        return away / away.mean() if away.any() else np.ones(self.domains)

    def _curves(self, rows: _Rows) -> Iterable[_Curve]:
        for term in self.problem.terms:
            level = term.tier + 1
            match term.primitive:
                case Capacity() as capacity:
                    yield self._capacity(term, capacity, rows)
                case Evenness(form="deviation" | "variance" | "excess") as evenness:
                    number = max(int(evenness.counted.sum()), 1)
                    kind, factor = {
                        "deviation": (at.EVEN_ROOT, 100.0),
                        "variance": (at.EVEN_SQUARE, 10_000.0 / number),
                        "excess": (at.ABOVE, 100.0),
                    }[evenness.form]
                    yield _Curve(
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
                    yield _Curve(
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
                    yield _Curve(
                        at.IN_USE,
                        rows.row(use.demand),
                        level,
                        term.weight,
                        np.where(use.capacity > 0, 1.0 / np.where(use.capacity > 0, use.capacity, 1.0), 0.0),
                        second=rows.row(np.ones(self.domains)),
                    )
                case _:
                    pass

    def _capacity(self, term: Term, capacity: Capacity, rows: _Rows) -> _Curve:
        limit = np.asarray(capacity.limit, dtype=np.float64)
        positive = limit[np.isfinite(limit) & (limit > 0)]
        mean = float(positive.mean()) if len(positive) else 1.0
        scale = mean if capacity.scale is None else capacity.scale
        whole = bool((np.mod(capacity.demand, 1) == 0).all()) and capacity.scale is not None
        load = np.bincount(self.start, weights=capacity.demand, minlength=self.hosts)
        self.broken |= bool(term.hard and (load - limit > 1e-9 * mean).any())
        return _Curve(
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

    def _add_curves(self, curves: list[_Curve]) -> None:
        hosts, count = self.hosts, len(curves)
        self.header[at.CURVES] = count
        self.header[at.HARD_CURVES] = sum(curve.hard for curve in curves)
        self.header[at.CURVE_KIND] = self.ci.add([curve.kind for curve in curves])
        self.header[at.CURVE_ROW] = self.ci.add([curve.row for curve in curves])
        self.header[at.CURVE_SECOND] = self.ci.add(
            [curve.row if curve.second < 0 else curve.second for curve in curves]
        )
        self.header[at.CURVE_LEVEL] = self.ci.add([curve.level for curve in curves])
        self.header[at.CURVE_NUMBER] = self.ci.add([curve.number for curve in curves])
        self.header[at.CURVE_WEIGHT] = self.cf.add([curve.weight for curve in curves])
        self.header[at.CURVE_SLACK] = self.cf.add([curve.slack for curve in curves])
        self.header[at.CURVE_TARGET] = self.cf.add([curve.target for curve in curves])
        self.header[at.CURVE_TOLERANCE] = self.cf.add([curve.tolerance for curve in curves])
        limits = np.array([curve.limit for curve in curves]).reshape(count, hosts)
        bounds = [np.zeros(hosts) if curve.bound is None else curve.bound for curve in curves]
        self.header[at.CURVE_LIMIT] = self.cf.add(limits.T)
        self.header[at.CURVE_BOUND] = self.cf.add(np.array(bounds).reshape(count, hosts).T)
        values = np.zeros((hosts, count))
        # The state at the start is filled in by ``start``, which knows the curves.
        self.header[at.CURVE_VALUE] = self.sf.add(values)
        self.header[at.CURVE_SUM] = self.sf.add(np.zeros(count))

    def _add_extremes(self, extremes: list[tuple[Term, Evenness]], rows: list[int]) -> None:
        self.header[at.EXTREMES] = len(extremes)
        self.header[at.EXTREME_ROW] = self.ci.add(rows)
        self.header[at.EXTREME_LEVEL] = self.ci.add([term.tier + 1 for term, _ in extremes])
        self.header[at.EXTREME_RANGE] = self.ci.add([evenness.form == "range" for _, evenness in extremes])
        self.header[at.EXTREME_NUMBERS] = self.cf.add(
            [(100.0 * term.weight, evenness.target, evenness.tolerance) for term, evenness in extremes]
        )
        self.header[at.EXTREME_SHARE] = self.cf.add(
            [np.where(e.counted, 1.0 / np.where(e.counted, e.capacity, 1.0), 0.0) for _, e in extremes]
        )
        self.header[at.EXTREME_HOSTS] = self.si.add(np.full(6 * len(extremes), -1))
        self.header[at.EXTREME_COST] = self.sf.add(np.zeros(len(extremes)))

    def _failovers(self, rows: _Rows) -> list[tuple[Term, Failover, list[int]]]:
        return [
            (term, term.primitive, [rows.row(demand) for demand in term.primitive.demand])
            for term in self.of(Failover)
            if isinstance(term.primitive, Failover)
        ]

    def _add_failovers(self, failovers: list[tuple[Term, Failover, list[int]]]) -> None:
        table = np.full((len(failovers), at.FAILOVER_WIDTH), -1, dtype=np.int64)
        for fields, (term, failover, rows) in zip(table, failovers, strict=True):
            zone = own_zones(failover.zone)
            zones = int(zone.max(initial=-1)) + 1
            positive = np.where(failover.limit > 0, failover.limit, np.nan)
            scale = [float(np.nanmean(row)) if np.isfinite(row).any() else 1.0 for row in positive]
            fields[[at.FAILOVER_LEVEL, at.RESOURCES, at.TOLERATE]] = term.tier + 1, len(rows), failover.tolerate
            fields[at.FAILOVER_ROWS] = self.ci.add(rows)
            fields[at.FAILOVER_ZONE] = self.ci.add(zone)
            fields[at.FAILOVER_ZONES] = zones
            fields[at.ZONE_FIRST] = self.ci.add(np.concatenate([[0], np.cumsum(np.bincount(zone, minlength=zones))]))
            fields[at.ZONE_HOST] = self.ci.add(np.argsort(zone, kind="stable"))
            fields[at.FAILOVER_LIMIT] = self.cf.add(failover.limit.T)
            fields[at.FAILOVER_SCALE] = self.cf.add(scale)
            fields[at.LARGEST] = self.cf.add(failover.demand.max(axis=1, initial=0.0))
            fields[at.TAKEN] = self.sf.add(np.zeros(zones * len(rows)))
            fields[at.FREE] = self.sf.add(np.zeros(len(rows)))
            fields[at.ROOMY] = self.si.add(np.zeros(zones))
            fields[at.ROOMY_ZONES] = self.si.add(np.zeros(1))
        self.header[at.FAILOVERS] = len(failovers)
        self.header[at.FAILOVER] = self.ci.add(table)
        self.header[at.FAILOVER_NUMBERS] = self.cf.add([(term.weight, 0.0) for term, _, _ in failovers])
        self.header[at.FAILOVER_COST] = self.sf.add(np.zeros(len(failovers)))

    # What a domain costs by itself ----------------------------------------------------------------------------------

    def _static(self) -> None:
        terms = self.of(AllowedHosts, AssignmentCost)
        choices, tables = self._static_choices(terms)
        kinds, row = np.unique(choices, axis=0, return_inverse=True) if terms else (choices[:1], np.zeros(self.domains))
        self.header[at.STATIC_ROW] = self.ci.add(row)
        levels = np.full(self.levels, -1, dtype=np.int64)
        forbidden = np.zeros((len(kinds), self.hosts), dtype=np.int64)
        for level in range(1, self.levels):
            here = [index for index, term in enumerate(terms) if term.tier + 1 == level]
            if here:
                total = sum(terms[index].weight * tables[index][kinds[:, index]] for index in here)
                levels[level] = self.cf.add(total)
        hard = [index for index, term in enumerate(terms) if term.hard and isinstance(term.primitive, AllowedHosts)]
        for index in hard:
            forbidden += tables[index][kinds[:, index]].astype(np.int64)
        self.broken |= bool(forbidden[row.astype(np.int64), self.start].any())
        self.header[at.STATIC_FORBIDDEN] = self.ci.add(forbidden) if hard else -1
        self.header[at.STATIC_TABLE] = self.ci.add(levels)
        costs = np.full(self.levels, -1, dtype=np.int64)
        for level in range(1, self.levels):
            moves = [
                term.weight * term.primitive.cost
                for term in self.of(MoveCost)
                if isinstance(term.primitive, MoveCost) and term.tier + 1 == level
            ]
            if moves:
                costs[level] = self.cf.add(sum(moves))
        self.header[at.MOVE_COST] = self.ci.add(costs)

    def _static_choices(self, terms: list[Term]) -> tuple[IntArray, list[FloatArray]]:
        """int[D, terms]: the row of each domain in each term's table; and the tables, each with a last row of zeros."""
        choices, tables = np.zeros((self.domains, len(terms)), dtype=np.int64), []
        for index, term in enumerate(terms):
            if isinstance(term.primitive, AllowedHosts):
                rows, choice = (~term.primitive.masks.astype(np.bool_)).astype(np.float64), term.primitive.mask
            else:
                assert isinstance(term.primitive, AssignmentCost)  # noqa: S101
                rows, choice = np.asarray(term.primitive.costs, dtype=np.float64), term.primitive.row
            tables.append(np.vstack([rows, np.zeros((1, self.hosts))]))
            choices[:, index] = np.where(choice < 0, len(rows), choice)
        return choices, tables

    def _distances(self) -> None:
        terms = [(term, term.primitive) for term in self.of(DistanceCost) if isinstance(term.primitive, DistanceCost)]
        self.header[at.DISTANCES] = len(terms)
        self.header[at.DISTANCE_LEVEL] = self.ci.add([term.tier + 1 for term, _ in terms])
        self.header[at.DISTANCE_TABLE] = self.ci.add([self.cf.add(distance.distance) for _, distance in terms])
        self.header[at.DISTANCE_WEIGHT] = self.cf.add([term.weight for term, _ in terms])

    # Groups -----------------------------------------------------------------------------------------------------------

    def _groups(self) -> None:
        terms = self.of(GroupMost, GroupSpan, GroupLeast, GroupSkew, GroupsApart, Near)
        terms.sort(key=lambda term: not term.hard)
        countings: dict[object, _Counting] = {}
        pairs = []
        for term in terms:
            fresh = _counting(term, self.start)
            counting = countings.setdefault(fresh.key, fresh)
            counting.take(term)
            pairs.append((term, counting))
        for index, counting in enumerate(countings.values()):
            counting.index = index
        table = np.array([counting.added(self) for counting in countings.values()], dtype=np.int64)
        fields = np.array([_term_fields(self, term, counting) for term, counting in pairs], dtype=np.int64)
        self.header[at.COUNTINGS] = len(countings)
        self.header[at.COUNTING] = self.ci.add(table)
        self.header[at.GROUP_TERMS] = len(terms)
        self.header[at.HARD_GROUP_TERMS] = sum(term.hard for term in terms)
        self.header[at.GROUP_TERM] = self.ci.add(fields)
        self.header[at.GROUP_WEIGHT] = self.cf.add([term.weight for term in terms])

    def _group_moves(self) -> None:
        fields = []
        terms = [(term, term.primitive) for term in self.of(GroupMoves) if isinstance(term.primitive, GroupMoves)]
        for term, moves in terms:
            groups = int(moves.group.max(initial=-1)) + 1
            histogram = np.zeros(self.domains + 2)
            histogram[0] = groups
            fields.append(
                (self.ci.add(moves.group), term.tier + 1, self.si.add(np.zeros(groups)), self.si.add(histogram))
            )
        self.header[at.GROUP_MOVES] = len(terms)
        self.header[at.GROUP_MOVE] = self.ci.add(fields)
        self.header[at.GROUP_MOVE_WEIGHT] = self.cf.add([term.weight for term, _ in terms])
        self.header[at.GROUP_MOVE_MOST] = self.si.add(np.zeros(len(terms)))

    def _pools(self) -> None:
        terms = [(term, term.primitive) for term in self.of(Pool) if isinstance(term.primitive, Pool)]
        fields, numbers = [], []
        for term, pool in terms:
            started = PoolEvaluator(pool, self.start)
            zones, groups = len(pool.most), len(started.presence)
            bounds = np.column_stack([started.most, started.least, started.upper, started.lower])
            values = {
                at.POOL_LEVEL: term.tier + 1,
                at.POOL_ZONE: self.ci.add(pool.zone),
                at.POOL_ZONES: zones,
                at.POOL_DEMAND: self.cf.add(pool.demand),
                at.POOL_GROUP: -1 if pool.group is None else self.ci.add(pool.group),
                at.POOL_PRESENCE: self.cf.add(started.presence),
                at.POOL_BOUNDS: self.cf.add(bounds),
                at.POOL_LOAD: self.sf.add(started.load),
                at.POOL_SUM: self.sf.add(started.sums[:, :zones].reshape(groups, zones)),
                at.POOL_COUNT: self.si.add(started.counts[:, :zones].reshape(groups, zones)),
            }
            fields.append([values[field] for field in range(at.POOL_WIDTH)])
            self.broken |= term.hard and started.cost() > 0
            numbers.append((term.weight / pool.scale, 1.0 / pool.scale, started.slack))
        self.header[at.POOLS] = len(terms)
        self.header[at.POOL] = self.ci.add(fields)
        self.header[at.POOL_NUMBERS] = self.cf.add(numbers)

    def _traffic(self) -> None:
        terms = [(term, term.primitive) for term in self.of(Traffic) if isinstance(term.primitive, Traffic)]
        fields = []
        for term, traffic in terms:
            ends = np.concatenate([traffic.pairs[:, 0], traffic.pairs[:, 1]]).astype(np.int64)
            others = np.concatenate([traffic.pairs[:, 1], traffic.pairs[:, 0]]).astype(np.int64)
            is_first = np.repeat([1, 0], len(traffic.pairs))
            order = np.argsort(ends, kind="stable")
            number = np.bincount(ends, minlength=self.domains)
            values = {
                at.TRAFFIC_LEVEL: term.tier + 1,
                at.TRAFFIC_FIRST: self.ci.add(np.concatenate([[0], np.cumsum(number)])),
                at.TRAFFIC_PARTNER: self.ci.add(np.column_stack([others[order], is_first[order]])),
                at.TRAFFIC_RATE: self.cf.add(np.tile(traffic.rate, 2)[order]),
                at.TRAFFIC_DISTANCE: self.cf.add(traffic.distance),
                at.TRAFFIC_WEIGHT: self.cf.add([term.weight]),
            }
            fields.append([values[field] for field in range(at.TRAFFIC_WIDTH)])
        self.header[at.TRAFFICS] = len(terms)
        self.header[at.TRAFFIC] = self.ci.add(fields)

    def _limits(self) -> None:
        limits = self.problem.limits
        self.header[at.MAX_MOVES] = -1 if self.problem.max_moves is None else self.problem.max_moves
        self.header[at.PER_HOST] = -1 if limits is None or limits.per_host is None else limits.per_host
        arrivals = None if limits is None else limits.arrivals_per_host
        self.header[at.ARRIVALS_PER_HOST] = -1 if arrivals is None else arrivals
        self.header[at.ARRIVED] = self.si.add(np.zeros(self.hosts))
        self.header[at.THROUGH] = self.si.add(np.zeros(self.hosts))
        budgets = () if limits is None else limits.budgets
        self.header[at.BUDGETS] = len(budgets)
        self.header[at.BUDGET] = self.ci.add(
            [
                (self.ci.add(budget.bucket), self.sf.add(np.zeros(int(budget.bucket.max(initial=-1)) + 1)))
                for budget in budgets
            ]
        )
        self.header[at.BUDGET_NUMBERS] = self.cf.add([(budget.most, budget.unit) for budget in budgets])
        self.header[at.BUDGET_AMOUNT] = self.cf.add([budget.amount for budget in budgets])

    def _search(self) -> None:
        self.header[at.RANDOM] = self.si.add(np.ones(1))
        self.header[at.BEST] = self.si.add(self.start)
        self.header[at.BEST_COST] = self.sf.add(np.zeros(self.levels))
        self.header[at.CONTROL] = self.si.add(np.zeros(32))
        self.header[at.SETTINGS] = self.sf.add(np.zeros(32))
        self.header[at.SCRATCH] = self.sf.add(np.zeros(4 * self.levels))
        self.header[at.STACK] = self.si.add(np.zeros(64))


@dataclass
class _Counting:
    """A grouping of domains over a zoning of hosts, with all rules that ask for its counts."""

    group: IntArray
    zone: IntArray
    groups: int
    start: IntArray
    fixed: IntArray | None = None
    key: object = None
    used: bool = False
    kinds: bool = False
    dense: bool = False
    bounded: set[int] = field(default_factory=set)
    index: int = -1
    row: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def zones(self) -> int:
        return int(self.zone.max(initial=-1)) + 1

    def count(self, groups: IntArray) -> IntArray:
        """int[len(groups), ZONES]: how many domains of these groups stand where at the start."""
        rows = np.full(self.groups + 1, -1, dtype=np.int64)
        rows[groups] = np.arange(len(groups))
        count = np.zeros((len(groups), self.zones), dtype=np.int64)
        if self.fixed is not None:
            known = groups[groups < len(self.fixed)]
            count[: len(known), : self.fixed.shape[1]] += self.fixed[known]
        row, place = rows[self.group], self.zone[self.start]
        member = (row >= 0) & (place >= 0)
        np.add.at(count, (row[member], place[member]), 1)
        return count

    def sparse(self) -> tuple[IntArray, IntArray, IntArray]:
        """Groups, zones and counts, where any domain of a group stands at the start."""
        place = self.zone[self.start]
        member = (self.group >= 0) & (place >= 0)
        found, count = np.unique(self.group[member] * max(self.zones, 1) + place[member], return_counts=True)
        return found // max(self.zones, 1), found % max(self.zones, 1), count

    def take(self, term: Term) -> None:
        match term.primitive:
            case GroupSpan() | GroupLeast():
                self.used = True
            case GroupsApart():
                self.kinds = True
            case GroupSkew():
                self.dense = True
            case GroupMost() as most:
                group, _, count = self.sparse()
                self.bounded |= set(group[count > most.most].tolist())
            case _:
                pass

    def added(self, packing: _Packing) -> list[int]:
        size = np.bincount(self.group[self.group >= 0], minlength=self.groups)
        kept = size > _SMALL_GROUP
        if self.dense or self.groups * self.zones <= _SMALL_TABLE:
            kept[:] = True
        kept[list(self.bounded)] = True
        if self.fixed is not None:
            kept[: len(self.fixed)] |= self.fixed.any(axis=1)
        groups = np.flatnonzero(kept)
        self.row = np.full(max(self.groups, 1), -1, dtype=np.int64)
        self.row[groups] = np.arange(len(groups))
        found, _, _ = self.sparse()
        order = np.argsort(self.group, kind="stable")
        members = order[self.group[order] >= 0]
        first = np.concatenate([[0], np.cumsum(size)])
        fields = [0] * at.COUNTING_WIDTH
        fields[at.GROUP] = packing.ci.add(self.group)
        fields[at.ZONE] = packing.ci.add(self.zone)
        fields[at.ZONES], fields[at.GROUPS] = self.zones, self.groups
        fields[at.DENSE] = packing.ci.add(self.row)
        fields[at.COUNT] = packing.si.add(self.count(groups))
        fields[at.MEMBER_FIRST] = packing.ci.add(first)
        fields[at.MEMBER] = packing.ci.add(members)
        fields[at.USED] = packing.si.add(np.bincount(found, minlength=self.groups)) if self.used else -1
        fields[at.KINDS] = packing.si.add(np.bincount(self.sparse()[1], minlength=self.zones)) if self.kinds else -1
        return fields


def _counting(term: Term, start: IntArray) -> _Counting:
    primitive = term.primitive
    assert isinstance(primitive, GroupMost | GroupSpan | GroupLeast | GroupSkew | GroupsApart | Near)  # noqa: S101
    raw = isinstance(primitive, GroupMost | GroupSkew) or (isinstance(primitive, GroupSpan) and not primitive.alone)
    zone = np.asarray(primitive.zone if raw else own_zones(primitive.zone), dtype=np.int64)
    groups = int(primitive.group.max(initial=-1)) + 1
    fixed = None
    match primitive:
        case GroupMost():
            groups = max(groups, len(primitive.fixed))
            fixed = primitive.fixed if primitive.fixed.any() else None
        case GroupLeast():
            groups = max(groups, len(primitive.least))
        case Near():
            groups = max(groups, int(primitive.pairs.max(initial=-1)) + 1)
        case _:
            pass
    group = np.asarray(primitive.group, dtype=np.int64)
    key = (group.tobytes(), zone.tobytes(), groups, None if fixed is None else fixed.tobytes())
    return _Counting(group, zone, groups, start, fixed, key)


def _term_fields(packing: _Packing, term: Term, counting: _Counting) -> list[int]:
    fields = [0] * at.TERM_WIDTH
    fields[at.TERM_COUNTING], fields[at.LEVEL] = counting.index, term.tier + 1
    found, zones, _ = counting.sparse()
    used = np.bincount(found, minlength=counting.groups)
    match term.primitive:
        case GroupMost() as most:
            fields[at.KIND], fields[at.MOST_ALLOWED] = at.MOST, most.most
            dense = np.flatnonzero(counting.row >= 0)
            fields[at.BOUND] = packing.ci.add(np.maximum(counting.count(dense), most.most)) if term.hard else 0
            packing.broken |= term.hard and bool((counting.count(dense) > most.most).any())
        case GroupSpan() as span:
            fields[at.KIND], fields[at.MOST_ALLOWED] = at.SPAN, span.most
            fields[at.BOUND] = packing.ci.add(np.maximum(used, span.most))
            packing.broken |= term.hard and bool((used > span.most).any())
        case GroupLeast() as least:
            fields[at.KIND] = at.LEAST
            wanted = np.zeros(counting.groups, dtype=np.int64)
            wanted[: len(least.least)] = least.least
            fields[at.LEAST_WANTED] = packing.ci.add(wanted)
            fields[at.BOUND] = packing.ci.add(np.minimum(used, wanted))
            packing.broken |= term.hard and bool(((used < wanted) & (used > 0)).any())
        case GroupSkew() as skew:
            fields[at.KIND], fields[at.MOST_ALLOWED] = at.SKEW, skew.most
            counts = counting.count(np.arange(counting.groups))
            spread = counts.max(axis=1) - counts.min(axis=1) if counts.shape[1] else np.zeros(len(counts))
            fields[at.BOUND] = packing.ci.add(np.maximum(spread, skew.most))
            packing.broken |= term.hard and bool((spread > skew.most).any())
        case GroupsApart() as apart:
            fields[at.KIND], fields[at.MOST_ALLOWED] = at.APART, apart.most
            kinds = np.bincount(zones, minlength=counting.zones)
            fields[at.BOUND] = packing.ci.add(np.maximum(kinds, apart.most))
            packing.broken |= term.hard and bool((kinds > apart.most).any())
        case Near() as near:
            fields[at.KIND] = at.NEAR
            lonely = _add_pairs(packing, near, counting, fields)
            packing.broken |= term.hard and lonely
        case _:
            pass
    return fields


def _add_pairs(packing: _Packing, near: Near, counting: _Counting, fields: list[int]) -> bool:
    """Whether any domain is lonely at the start."""
    pairs = near.pairs[near.pairs[:, 0] != near.pairs[:, 1]]
    group, zone, count = counting.sparse()
    at_zone: dict[int, dict[int, int]] = {}
    for g, z, n in zip(group.tolist(), zone.tolist(), count.tolist(), strict=True):
        at_zone.setdefault(g, {})[z] = n
    lonely = [
        sum(n for z, n in at_zone.get(first, {}).items() if z not in at_zone.get(second, {}))
        for first, second in pairs.tolist()
    ]
    fields[at.BOUND], fields[at.LONELY] = packing.ci.add(lonely), packing.si.add(lonely)
    for side, first, table in ((0, at.NEEDS_FIRST, at.NEEDS), (1, at.SERVES_FIRST, at.SERVES)):
        order = np.argsort(pairs[:, side], kind="stable")
        number = np.bincount(pairs[:, side], minlength=counting.groups)
        fields[first] = packing.ci.add(np.concatenate([[0], np.cumsum(number)]))
        fields[table] = packing.ci.add(np.column_stack([order, pairs[order, 1 - side]]))
    return any(lonely)


def pack(problem: Problem) -> Packed:
    """The problem as arrays for kernels."""
    return _Packing(problem).whole()
