"""From moves to timed steps: a sequence that holds (``sequence``), put into time (``timeline``), as short as can be
found (``improve``)."""

from __future__ import annotations

from rebalancer.cluster.units import Seconds, format_duration
from rebalancer.plan.budget import Budget
from rebalancer.plan.improve import Attempt, breaches
from rebalancer.plan.model import Step
from rebalancer.plan.moves import Moves, StuckMovesError, flow_of
from rebalancer.plan.sequence import sequences
from rebalancer.plan.steps import steps_of
from rebalancer.plan.timeline import Timetable
from rebalancer.plan.trips import Trips
from rebalancer.values import dataclass

__all__ = ["Moves", "Schedule", "StuckMovesError", "flow_of", "make_schedule", "schedule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """``bound``: no order of these steps takes less."""

    steps: tuple[Step, ...]
    bound: Seconds


def schedule(moves: Moves, budget: Budget | None = None) -> tuple[Step, ...]:
    """Steps in the order of their predicted starts, with rates, names and dependencies.

    Raises :class:`StuckMovesError` where some moves cannot be made in any order that was found.
    """
    return make_schedule(moves, budget).steps


def make_schedule(moves: Moves, budget: Budget | None = None, seed: int = 0) -> Schedule:
    """As :func:`schedule`, with the bound."""
    budget = Budget() if budget is None else budget
    trips = Trips(moves)
    _refuse_too_narrow(moves, trips)
    best: Attempt | None = None
    for sequence in sequences(moves, trips, budget):
        attempt = Attempt(Timetable(moves, trips, sequence), budget)
        if best is None or attempt.cost < best.cost:
            best = attempt
    if best is None or not best.table.legs:
        return Schedule(steps=(), bound=Seconds(0.0))
    best.improve(seed)
    _refuse_late(moves, best)
    return Schedule(steps=steps_of(best.table, best.timeline), bound=best.bound)


def _refuse_late(moves: Moves, attempt: Attempt) -> None:
    late = dict(breaches(attempt.table, attempt.timeline))
    # Others may only be late because of those that would be by themselves.
    late = {domain: by for domain, by in late.items() if _is_late_alone(attempt.table, domain)} or late
    stuck = {domain: f"it would be {format_duration(by)} later than 'steps:' allows" for domain, by in late.items()}
    if stuck:
        names = "; ".join(f"'{moves.domains[domain].name}': {text}" for domain, text in stuck.items())
        raise StuckMovesError(stuck, f"not all can be moved in time: {names}")


def _is_late_alone(table: Timetable, domain: int) -> bool:
    least = sum(trip.duration for leg, trip in zip(table.legs, table.trips, strict=True) if leg.domain == domain)
    return least > table.stipulations.within.get(domain, float("inf"))


def _refuse_too_narrow(moves: Moves, trips: Trips) -> None:
    stuck = {
        domain: trips.too_narrow(domain, int(start), int(goal))
        for domain, (start, goal) in enumerate(zip(moves.problem.start, moves.placement, strict=True))
        if start != goal and not trips.trip(domain, int(start), int(goal)).best
    }
    if stuck:
        names = "; ".join(f"'{moves.domains[domain].name}': {text}" for domain, text in stuck.items())
        raise StuckMovesError(stuck, f"no order of moves, even with detours, leads there: {names}", proved=True)
