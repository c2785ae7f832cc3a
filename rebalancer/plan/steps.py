"""From legs in time to the steps of a plan."""

from __future__ import annotations

from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.plan.dependencies import Dependencies
from rebalancer.plan.ledger import Ledger
from rebalancer.plan.model import Prediction, Step
from rebalancer.plan.moves import Moves
from rebalancer.plan.timeline import Entry, Timeline

__all__ = ["steps_of"]


def steps_of(moves: Moves, timeline: Timeline, ledger: Ledger) -> tuple[Step, ...]:
    """In the order of their starts. ``ledger``: as things stand at the start; it is not changed."""
    dependencies = Dependencies(ledger, (int(host) for host in moves.problem.start))
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
    return tuple(_step(moves, entry, ids[id(entry)], after[id(entry)]) for entry in starts)


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
        ),
    )
