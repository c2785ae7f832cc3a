"""From legs in time to the steps of a plan."""

from __future__ import annotations

from collections.abc import Mapping

from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.plan.dependencies import Dependencies
from rebalancer.plan.model import Prediction, Step
from rebalancer.plan.moves import Moves
from rebalancer.plan.timeline import Entry, Timeline, Timetable

__all__ = ["steps_of"]


def steps_of(table: Timetable, timeline: Timeline) -> tuple[Step, ...]:
    """In the order of their starts."""
    moves = table.moves
    dependencies = Dependencies(table.ledger, (int(host) for host in moves.problem.start))
    turns = [(turn, end, entry) for entry in timeline.entries for end, turn in enumerate(entry.turns)]
    ids: dict[int, str] = {}
    after: dict[int, tuple[str, ...]] = {}
    starts: list[Entry] = []
    for _, end, entry in sorted(turns, key=lambda each: each[0]):
        leg = entry.leg
        if end:
            dependencies.finish(ids[id(entry)], leg.domain, leg.source, leg.destination, entry.name_before)
        else:
            ids[id(entry)] = f"s{len(ids) + 1}"
            starts.append(entry)
            after[id(entry)] = dependencies.start(leg.domain, leg.source, leg.destination, entry.name_after)
    if table.stipulations:
        _add_stipulated(table, timeline, ids, after)
    return tuple(_step(moves, entry, ids[id(entry)], after[id(entry)]) for entry in starts)


def _add_stipulated(
    table: Timetable, timeline: Timeline, ids: Mapping[int, str], after: dict[int, tuple[str, ...]]
) -> None:
    """What steps wait for because a policy says so; those that start together wait for the same."""
    entries, stipulations = timeline.entries, table.stipulations
    found = {index: set(after[id(entry)]) for index, entry in enumerate(entries)}
    for before, later in stipulations.edges([entry.start for entry in entries]):
        found[later].add(ids[id(entries[before])])
    for index in range(len(entries)) if stipulations.together else ():
        everything = set().union(*(found[partner] for partner in stipulations.partners(index)))
        for partner in stipulations.partners(index):
            found[partner] = everything
    for index, entry in enumerate(entries):
        after[id(entry)] = tuple(sorted(found[index], key=lambda step: (len(step), step)))


def _step(moves: Moves, entry: Entry, name: str, after: tuple[str, ...]) -> Step:
    leg, hosts = entry.leg, moves.problem.hosts
    domain = moves.domains[leg.domain]
    renamed = entry.name_after != entry.name_before
    return Step(
        id=name,
        domain=entry.name_before,
        uuid=domain.uuid,
        source=hosts[leg.source],
        destination=hosts[leg.destination],
        new_name=entry.name_after if renamed else None,
        links=tuple(link.link for link in entry.trip.route),
        bandwidth=BytesPerSecond(entry.rate) if entry.trip.capped else None,
        after=after,
        uses=domain.uses,
        settings=moves.settings[leg.domain],
        predicted=Prediction(
            start=Seconds(entry.start),
            duration=Seconds(entry.end - entry.start),
            downtime=entry.forecast.downtime,
            bytes=entry.forecast.bytes,
            converges=entry.forecast.converges,
            rung=entry.forecast.rung,
            writes=moves.experience.basis(domain),
            overheads=entry.trip.overheads.basis,
            setup=Seconds(entry.trip.setup),
            finish=Seconds(entry.trip.finish),
            burst=entry.trip.switchover,
            floor=BytesPerSecond(entry.trip.floor),
        ),
    )
