"""What earlier migrations have taught about hosts and domains, for the next prediction.

Each pair of hosts has its own setup and finish times and its own share of the rate that it is given which really gets
through. What is said of a domain's memory is what its hypervisor's process has in use: some of that is the hypervisor's
own, about the same for all its domains, and of the rest each domain has its own share that is not empty. Where the
hypervisor tells how much was not empty, all that was sent besides has been written meanwhile, which says how fast the
domain writes: better than samples of few pages do. Samples that were taken for earlier plans and such findings count
together, by what each is worth, as long as they say much the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from statistics import median
from typing import NamedTuple

from rebalancer.cluster import Domain, MigrationTraits, Writes
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.plan.migration_model import ASSUMED_STREAM_RATE, FINISH_TIME, SETUP_TIME, forecast
from rebalancer.plan.writing import Known, counted, sampled, together
from rebalancer.values import dataclass

__all__ = ["Basis", "Experience", "Finished", "Measured", "Overheads", "Volume", "learn"]

_NEW = 0.3
"""The weight of the latest migration."""
_LEAST_VOLUME, _MOST_VOLUME = 0.05, 20.0
_LEAST_EFFICIENCY = 0.1
_MUCH_LONGER = 1.6
_OLD, _ENOUGH, _SPREAD = 0.05, 5, 0.3
"""Of the line through all migrations: what each counts less than the next; how many there must be; and how much they
must differ in what they send, as a share of its mean."""
_MOST_OWN = 128.0 * 2**20
"""Bytes of a domain's process that may be the hypervisor's own; more is memory that is empty."""


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
    memory: Bytes | None = None
    """What of its memory was not empty, as the hypervisor counted it; None: it did not."""


class Measured(NamedTuple):
    """How a domain was found to write, for a plan."""

    uuid: str
    writes: Writes


class Volume(NamedTuple):
    """What a domain sends at least once of the memory that it is said to have."""

    own: float = 0.0
    """Bytes that are the hypervisor's own."""
    share: float = 1.0
    """Of the rest, what is not empty."""

    def of(self, memory: float) -> Bytes:
        return Bytes(round(max(memory - self.own, memory * _LEAST_VOLUME) * self.share))


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
    ``volumes``: UUID → what of its memory is sent; ``volume``: of a domain that was never seen to migrate."""

    pairs: Mapping[tuple[str, str], Overheads] = field(default_factory=dict)
    anywhere: Overheads = field(default_factory=Overheads)
    volume: Volume = field(default_factory=Volume)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    writes: Mapping[str, Known] = field(default_factory=dict)
    """By UUID."""

    def overheads(self, source: str, destination: str) -> Overheads:
        return self.pairs.get((source, destination), self.anywhere)

    def applied(self, domain: Domain) -> Domain:
        """The domain with as much to send as it had before, writing as it was measured now and before."""
        volume, known = self.volumes.get(domain.uuid, self.volume), self.writes.get(domain.uuid)
        traits = domain.migration
        if volume != Volume():
            traits = replace(traits, memory=volume.of(traits.memory))
        if known is not None and traits.writes is not None:
            traits = replace(traits, writes=together(known, sampled(traits.writes, known)).writes)
        elif known is not None and traits.dirty_rate is None:
            traits = replace(traits, writes=known.writes)
        return domain if traits is domain.migration else replace(domain, migration=traits)

    def basis(self, domain: Domain) -> Basis:
        """What is known of how the domain writes to its memory."""
        if domain.migration.dirty_rate is not None or domain.migration.writes is not None:
            return Basis.MEASURED
        return Basis.LEARNT if domain.uuid in self.volumes else Basis.ASSUMED


def learn(lessons: Iterable[Finished | Measured]) -> Experience:
    """``lessons``: oldest first."""
    lessons = list(lessons)
    finished = [each for each in lessons if isinstance(each, Finished)]
    line, volume = _line(finished), _volume_of_all(finished)
    pairs: dict[tuple[str, str], Overheads] = {}
    anywhere: Overheads | None = None
    volumes: dict[str, Volume] = {}
    writes: dict[str, Known] = {}
    for each in lessons:
        if isinstance(each, Measured):
            known = writes.get(each.uuid)
            writes[each.uuid] = together(known, sampled(each.writes, known))
            continue
        found = _overheads(each, line)
        if found is None:
            continue
        pair = (each.source, each.destination)
        pairs[pair] = _mixed(pairs.get(pair), found)
        anywhere = _mixed(anywhere, found)
        known = writes.get(each.uuid)
        if each.memory is None:
            volumes[each.uuid] = _inferred(each, volumes.get(each.uuid), known)
            continue
        volumes[each.uuid] = _counted(each, each.memory) or volume
        if each.traits.disk:  # of what was sent, some was written to that
            continue
        shape = each.traits.writing if known is None else known.writes
        written = counted(shape, each.memory, each.sent, _sending_rate(each, line), each.max_downtime)
        if written is not None:
            writes[each.uuid] = together(known, written)
    return Experience(pairs=pairs, anywhere=anywhere or Overheads(), volume=volume, volumes=volumes, writes=writes)


# Memory


def _counted(each: Finished, memory: float) -> Volume | None:
    """None: it has grown since it was said how much it has."""
    more = each.traits.memory - memory
    if more < 0:
        return None
    own = min(more, _MOST_OWN)
    return Volume(own, memory / (each.traits.memory - own) if more > own else 1.0)


def _volume_of_all(finished: Iterable[Finished]) -> Volume:
    """What is the hypervisor's own is much the same for all."""
    latest = {each.uuid: _counted(each, each.memory) for each in finished if each.memory is not None}
    found = [volume.own for volume in latest.values() if volume is not None]
    return Volume(own=median(found)) if found else Volume()


def _inferred(each: Finished, before: Volume | None, known: Known | None) -> Volume:
    """From what was sent, and what the model has it send with the memory that it is said to have, at the rate that it
    had."""
    rate, traits = BytesPerSecond(each.sent / each.copying), each.traits
    if known is not None and traits.writes is not None:
        traits = replace(traits, writes=known.writes)
    share = each.sent / max(float(forecast(traits, rate, each.max_downtime).bytes), 1.0)
    share = min(max(share, _LEAST_VOLUME), _MOST_VOLUME)
    return Volume(share=_mean(None if before is None else before.share, share))


# Times and rates


class _Line(NamedTuple):
    """Migrations last ``besides`` seconds and what they send at ``through`` of their rates."""

    besides: float
    through: float

    def lasts(self, sending: float) -> float:
        return self.besides + sending / self.through


def _line(finished: Sequence[Finished]) -> _Line | None:
    """By how much longer those take that send more (weighted least squares): so what each takes besides, whatever it
    sends, is not taken for a lower rate. None: they are too much alike."""
    limited = [(each.sent / each.rate, each.lasted) for each in finished if each.rate and _fits_together(each)]
    if len(limited) < _ENOUGH:
        return None
    weights = [(1 - _OLD) ** age for age in reversed(range(len(limited)))]
    total = sum(weights)
    mean = [sum(w * pair[k] for w, pair in zip(weights, limited, strict=True)) / total for k in (0, 1)]
    spread = sum(w * (x - mean[0]) ** 2 for w, (x, _) in zip(weights, limited, strict=True))
    together = sum(w * (x - mean[0]) * (y - mean[1]) for w, (x, y) in zip(weights, limited, strict=True))
    if spread / total < (_SPREAD * mean[0]) ** 2 or together <= 0:
        return None
    through = min(max(spread / together, _LEAST_EFFICIENCY), 1.0)
    return _Line(max(mean[1] - mean[0] / through, 0.0), through)


def _fits_together(each: Finished) -> bool:
    """A simulated clock is another than the hypervisor's."""
    return 0 < each.copying <= each.lasted and each.sent > 0


def _sending_rate(each: Finished, line: _Line | None) -> float:
    """Bytes per second, as a prediction will take it."""
    return each.sent / each.copying if each.rate is None or line is None else each.rate * line.through


def _overheads(each: Finished, line: _Line | None) -> Overheads | None:
    """What one migration says; None where its times do not fit together. ``line``: what all together say; one that took
    much longer is believed."""
    if not _fits_together(each):
        return None
    extra, rate = each.lasted - each.copying, each.sent / each.copying
    efficiency = 1.0 if each.rate is None else min(max(rate / each.rate, _LEAST_EFFICIENCY), 1.0)
    if each.rate is not None and line is not None:
        sending = each.sent / each.rate
        if each.lasted <= _MUCH_LONGER * line.lasts(sending):
            efficiency, extra = line.through, max(each.lasted - sending / line.through, 0.0)
    return Overheads(
        setup=Seconds(extra * SETUP_TIME / (SETUP_TIME + FINISH_TIME)),
        finish=Seconds(extra * FINISH_TIME / (SETUP_TIME + FINISH_TIME)),
        stream=BytesPerSecond(rate) if each.rate is None else ASSUMED_STREAM_RATE,
        efficiency=efficiency,
        basis=Basis.LEARNT,
    )


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
