"""What earlier migrations have taught about hosts and domains, for the next prediction.

Each pair of hosts has its own setup and finish times and its own share of the rate that it is given which really gets
through; each domain its own share of the memory that it is said to have which really is sent (empty pages are not).
Later migrations count more (an exponentially weighted mean).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from rebalancer.cluster import Domain, MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.plan.migration_model import ASSUMED_STREAM_RATE, FINISH_TIME, SETUP_TIME, forecast

__all__ = ["Basis", "Experience", "Finished", "Overheads", "learn"]

_NEW = 0.3
"""The weight of the latest migration."""
_LEAST_VOLUME, _MOST_VOLUME = 0.05, 20.0
_LEAST_EFFICIENCY = 0.1


class Basis(StrEnum):
    """What a prediction goes by."""

    MEASURED = "measured"
    LEARNT = "learnt"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A migration that is over. ``lasted``: from the request to its end as the run saw it; ``copying``: as the
    hypervisor counted it; ``rate``: what it was given, None where nothing limited it."""

    source: str
    destination: str
    uuid: str
    traits: MigrationTraits
    max_downtime: Seconds
    lasted: Seconds
    copying: Seconds
    sent: Bytes
    rate: BytesPerSecond | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheads:
    """``stream``: what one migration can send where nothing limits it; ``efficiency``: the share that gets through of
    the rate that it is given."""

    setup: Seconds = SETUP_TIME
    finish: Seconds = FINISH_TIME
    stream: BytesPerSecond = ASSUMED_STREAM_RATE
    efficiency: float = 1.0
    basis: Basis = Basis.ASSUMED


@dataclass(frozen=True, kw_only=True)
class Experience:
    """``pairs``: (source, destination) → what was learnt there; ``anywhere``: on all hosts together;
    ``volumes``: UUID → the share of its memory that is sent."""

    pairs: Mapping[tuple[str, str], Overheads] = field(default_factory=dict)
    anywhere: Overheads = field(default_factory=Overheads)
    volumes: Mapping[str, float] = field(default_factory=dict)

    def overheads(self, source: str, destination: str) -> Overheads:
        return self.pairs.get((source, destination), self.anywhere)

    def applied(self, domain: Domain) -> Domain:
        """The domain with as much to send as it had before."""
        volume = self.volumes.get(domain.uuid)
        if volume is None:
            return domain
        memory = Bytes(round(domain.migration.memory * volume))
        return replace(domain, migration=replace(domain.migration, memory=memory))

    def basis(self, domain: Domain) -> Basis:
        """What is known of how the domain writes to its memory."""
        if domain.migration.dirty_rate is not None or domain.migration.writes is not None:
            return Basis.MEASURED
        return Basis.LEARNT if domain.uuid in self.volumes else Basis.ASSUMED


def learn(finished: Iterable[Finished]) -> Experience:
    """``finished``: oldest first."""
    pairs: dict[tuple[str, str], Overheads] = {}
    anywhere: Overheads | None = None
    volumes: dict[str, float] = {}
    for each in finished:
        found = _overheads(each)
        if found is None:
            continue
        pair = (each.source, each.destination)
        pairs[pair] = _mixed(pairs.get(pair), found)
        anywhere = _mixed(anywhere, found)
        volume = min(max(each.sent / _expected(each), _LEAST_VOLUME), _MOST_VOLUME)
        volumes[each.uuid] = _mean(volumes.get(each.uuid), volume)
    return Experience(pairs=pairs, anywhere=anywhere or Overheads(), volumes=volumes)


def _overheads(each: Finished) -> Overheads | None:
    """What one migration says; None where its times do not fit together (a simulated clock)."""
    if not 0 < each.copying <= each.lasted or each.sent <= 0:
        return None
    extra, rate = each.lasted - each.copying, each.sent / each.copying
    return Overheads(
        setup=Seconds(extra * SETUP_TIME / (SETUP_TIME + FINISH_TIME)),
        finish=Seconds(extra * FINISH_TIME / (SETUP_TIME + FINISH_TIME)),
        stream=BytesPerSecond(rate) if each.rate is None else ASSUMED_STREAM_RATE,
        efficiency=1.0 if each.rate is None else min(max(rate / each.rate, _LEAST_EFFICIENCY), 1.0),
        basis=Basis.LEARNT,
    )


def _expected(each: Finished) -> float:
    """Bytes that the model has it send, with the memory that it is said to have, at the rate that it had."""
    rate = BytesPerSecond(each.sent / each.copying)
    return max(float(forecast(each.traits, rate, each.max_downtime).bytes), 1.0)


def _mixed(known: Overheads | None, new: Overheads) -> Overheads:
    if known is None:
        return new
    return Overheads(
        setup=Seconds(_mean(known.setup, new.setup)),
        finish=Seconds(_mean(known.finish, new.finish)),
        stream=known.stream if new.stream == ASSUMED_STREAM_RATE else BytesPerSecond(_stream(known, new)),
        efficiency=_mean(known.efficiency, new.efficiency),
        basis=Basis.LEARNT,
    )


def _stream(known: Overheads, new: Overheads) -> float:
    return new.stream if known.stream == ASSUMED_STREAM_RATE else _mean(known.stream, new.stream)


def _mean(known: float | None, new: float) -> float:
    return new if known is None else (1 - _NEW) * known + _NEW * new
