"""From a problem to the four flat arrays that kernels run over (see ``kernels.layout``)."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.evaluators.groups import own_zones
from rebalancer.placement.evaluators.pools import PoolEvaluator
from rebalancer.placement.kernels import layout as at
from rebalancer.placement.packing.curves import Curve, away, curves_of
from rebalancer.placement.packing.groups import Counting, counting_of, term_fields
from rebalancer.placement.packing.reach import reachable
from rebalancer.placement.packing.tables import Rows, Tables
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
    IntArray,
    MoveCost,
    Near,
    Pool,
    Traffic,
)
from rebalancer.placement.problem import Problem, Term
from rebalancer.values import dataclass

__all__ = ["Packed", "pack"]

_RULES = (AllowedHosts, Capacity, Failover, GroupLeast, GroupMost, GroupsApart, GroupSkew, GroupSpan, Near, Pool)
"""The primitives that have bounds, and of which to be worse than at the start means something."""
_PLACES = 8
"""How finely the table is divided from which domains are drawn by their size, for each domain."""
_SECTION_DOMAINS = 2_000
"""How many a section has, about: few enough for a cache, and with fewer the search ends worse."""
_SECTION_HOSTS = 20
"""At least."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packed:
    """``ci``, ``cf``: constant; ``si``, ``sf``: the state at the start, of which each search takes a copy."""

    ci: IntArray
    cf: FloatArray
    si: IntArray
    sf: FloatArray


class _Packing(Tables):
    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem
        self.hosts, self.domains = len(problem.hosts), len(problem.domains)
        self.levels = problem.tiers + 1
        self.header = np.full(at.HEADER, -1, dtype=np.int64)
        self.ci.add(self.header)
        self.start = np.asarray(problem.start, dtype=np.int64)
        self.broken = any(term.hard and not isinstance(term.primitive, _RULES) for term in problem.terms)

    def of(self, *kinds: type) -> list[Term]:
        return [term for term in self.problem.terms if isinstance(term.primitive, kinds)]

    def whole(self) -> Packed:
        self._sizes()
        self._placement()
        self._sums()
        self._static()
        self._reach()
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
        payload = np.zeros(self.domains) if self.problem.payload is None else self.problem.payload
        self.header[at.PAYLOAD] = self.ci.add(payload.astype(np.int64) + 1)
        self.header[at.PLACE] = self.si.add(self.start)
        self.header[at.FIRST] = self.si.add(np.full(self.hosts, -1))
        self.header[at.NEXT] = self.si.add(np.full(self.domains, -1))
        self.header[at.PREVIOUS] = self.si.add(np.full(self.domains, -1))
        self.header[at.RESIDENTS] = self.si.add(np.zeros(self.hosts))
        self.header[at.MOVED] = self.si.add(np.zeros(1))
        self.header[at.MOVED_DOMAIN] = self.si.add(np.zeros(self.domains))
        self.header[at.MOVED_AT] = self.si.add(np.full(self.domains, -1))
        self.header[at.COST] = self.sf.add(np.zeros(self.levels))
        self.header[at.DELTA] = self.sf.add(np.zeros(self.levels))

    # Sums over hosts ----------------------------------------------------------------------------------------------

    def _sums(self) -> None:
        rows = Rows(self.domains)
        curves = sorted(curves_of(self.problem, rows), key=lambda curve: (not curve.hard, curve.level))
        self.broken |= any(curve.is_broken for curve in curves)
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
        self.header[at.AWAY] = self.cf.add(away(curves, rows))
        totals = np.abs(demand).sum(axis=1)
        self.size = (np.abs(demand[totals > 0]) / totals[totals > 0, None]).sum(axis=0)
        self._add_curves(curves)
        self._add_rooms(curves, rows, demand, load)
        self._add_extremes(extremes, extreme_rows)
        self._add_failovers(failovers)

    def _add_curves(self, curves: list[Curve]) -> None:
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

    def _add_rooms(self, curves: list[Curve], rows: Rows, demand: FloatArray, load: FloatArray) -> None:
        """``demand``: float[K, D]; ``load``: float[K, H], at the start."""
        bounds = {j: c.bound for j, c in enumerate(curves) if c.hard and c.bound is not None}
        used = {j: float(demand[curves[j].row].sum() / max(bound.sum(), 1e-300)) for j, bound in bounds.items()}
        order = sorted(bounds, key=lambda j: (not rows.both[curves[j].row], -used[j]))
        self.need = demand[[curves[j].row for j in order]].T
        # Where moved domains count where they started, too, what is taken up at the start is so for good.
        most = [bounds[j] + curves[j].slack - load[curves[j].row] * rows.both[curves[j].row] for j in order]
        self.most_room = np.array(most).reshape(len(order), self.hosts).T
        self.header[at.ROOMS] = len(order)
        self.header[at.ROOM_BOTHS] = sum(rows.both[curves[j].row] for j in order)
        self.header[at.ROOM_CURVE] = self.ci.add(order)
        self.header[at.ROOM] = self.sf.add(np.zeros((self.hosts, len(order))))
        self.header[at.NEED] = self.cf.add(self.need)

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

    def _failovers(self, rows: Rows) -> list[tuple[Term, Failover, list[int]]]:
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
        self.static_row, self.forbidden = row.astype(np.int64), forbidden > 0
        self.broken |= bool(forbidden[self.static_row, self.start].any())
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

    def _reach(self) -> None:
        """Needs the rooms and what is forbidden."""
        lists, found, movable = reachable(self.start, self.static_row, self.forbidden, self.need, self.most_room)
        found[found[:, 1] >= 0, 0] += self.ci.add(lists)
        self.header[at.REACH] = self.ci.add(found)
        self._by_size(np.flatnonzero(movable) if movable.any() else np.arange(self.domains))

    def _by_size(self, movers: IntArray) -> None:
        """``movers``: the domains that can go anywhere at all."""
        size = self.size[movers] if self.size[movers].any() else np.ones(len(movers))
        order = np.argsort(size, kind="stable")
        places = _PLACES * len(movers)
        large = np.searchsorted(np.cumsum(size[order]) / size.sum(), (np.arange(places) + 0.5) / max(places, 1))
        self.header[at.MOVERS] = len(movers)
        self.header[at.BY_SIZE] = self.ci.add(movers[order])
        large = np.minimum(large, len(movers) - 1)
        self.header[at.LARGE_FIRST] = self.ci.add(np.searchsorted(large, np.arange(len(movers) + 1)))
        self.header[at.LARGES] = places
        self.header[at.SECTION] = self._section(len(movers))
        self.header[at.SECTION_HOST] = self.si.add(np.arange(self.hosts))
        self.header[at.IN_SECTION] = self.si.add(np.zeros(self.hosts))
        self.header[at.SECTION_DOMAIN] = self.si.add(movers[order])
        self.header[at.SECTION_LARGE] = self.si.add(large)

    def _section(self, movers: int) -> int:
        """How many hosts a section has."""
        few = max(_SECTION_HOSTS, _SECTION_DOMAINS * self.hosts // max(movers, 1))
        return few if few <= self.hosts // 2 else self.hosts

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
        countings: dict[object, Counting] = {}
        pairs = []
        for term in terms:
            fresh = counting_of(term, self.start)
            counting = countings.setdefault(fresh.key, fresh)
            counting.take(term)
            pairs.append((term, counting))
        for index, counting in enumerate(countings.values()):
            counting.index = index
        table = np.array([counting.added(self) for counting in countings.values()], dtype=np.int64)
        fields = np.array([term_fields(self, term, counting) for term, counting in pairs], dtype=np.int64)
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
        control = np.zeros(32)
        control[at.SECTION_DOMAINS], control[at.SECTION_LARGES] = self.header[[at.MOVERS, at.LARGES]]
        self.header[at.CONTROL] = self.si.add(control)
        self.header[at.SETTINGS] = self.sf.add(np.zeros(32))
        self.header[at.SCRATCH] = self.sf.add(np.zeros(4 * self.levels))
        self.header[at.STACK] = self.si.add(np.zeros(64))


def pack(problem: Problem) -> Packed:
    """The problem as arrays for kernels."""
    return _Packing(problem).whole()
