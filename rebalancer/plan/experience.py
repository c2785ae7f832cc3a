"""What earlier migrations have taught about hosts and domains, for the next prediction.

Each pair of hosts has its own setup and finish times and its own share of the rate that it is given which really gets
through; each domain its own share of the memory that it is said to have which really is sent (empty pages are not).
Dirty rates are sampled from few pages, so what was measured for earlier plans counts, too, as long as it says much the
same. Later migrations and measurements count more (an exponentially weighted mean).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from rebalancer.cluster import Domain, MigrationTraits, Writes
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.cluster.writes import Window, fit_writes
from rebalancer.plan.migration_model import ASSUMED_STREAM_RATE, FINISH_TIME, SETUP_TIME, forecast

__all__ = ["Basis", "Experience", "Finished", "Overheads", "learn"]

_NEW = 0.3
"""The weight of the latest migration."""
_LEAST_VOLUME, _MOST_VOLUME = 0.05, 20.0
_LEAST_EFFICIENCY = 0.1
_MUCH_LONGER = 1.6
_OLD, _ENOUGH, _SPREAD = 0.05, 5, 0.3
"""Of the line through all migrations: what each counts less than the next; how many there must be; and how much they
must differ in what they send, as a share of its mean."""
_LONG = 5.0
"""How many times as long as the short window of a measurement of writes the long one is."""
_SAME = 2.5
"""Measurements that differ by less than this are taken to be of one and the same."""
_SAMPLED = 8.0 * 2**20
"""Below so many bytes they are but a handful of sampled pages (QEMU samples 512 of each GiB)."""


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
    writes: Mapping[str, Writes] = field(default_factory=dict)
    """UUID → how the domain was measured to write."""

    def overheads(self, source: str, destination: str) -> Overheads:
        return self.pairs.get((source, destination), self.anywhere)

    def applied(self, domain: Domain) -> Domain:
        """The domain with as much to send as it had before, writing as it was measured now and before."""
        volume, known, traits = self.volumes.get(domain.uuid), self.writes.get(domain.uuid), domain.migration
        if volume is not None:
            traits = replace(traits, memory=Bytes(round(traits.memory * volume)))
        if known is not None and traits.writes is not None:
            traits = replace(traits, writes=_averaged(known, traits.writes))
        elif known is not None and traits.dirty_rate is None:
            traits = replace(traits, writes=known)
        return domain if traits is domain.migration else replace(domain, migration=traits)

    def basis(self, domain: Domain) -> Basis:
        """What is known of how the domain writes to its memory."""
        if domain.migration.dirty_rate is not None or domain.migration.writes is not None:
            return Basis.MEASURED
        return Basis.LEARNT if domain.uuid in self.volumes else Basis.ASSUMED


def learn(finished: Iterable[Finished], measured: Iterable[tuple[str, Writes]] = ()) -> Experience:
    """``finished``, ``measured`` (UUID, how it wrote): oldest first."""
    writes: dict[str, Writes] = {}
    for uuid, found_now in measured:
        writes[uuid] = _averaged(writes[uuid], found_now) if uuid in writes else found_now
    pairs: dict[tuple[str, str], Overheads] = {}
    anywhere: Overheads | None = None
    volumes: dict[str, float] = {}
    migrations = list(finished)
    line = _line(migrations)
    for each in migrations:
        found = _overheads(each, line)
        if found is None:
            continue
        pair = (each.source, each.destination)
        pairs[pair] = _mixed(pairs.get(pair), found)
        anywhere = _mixed(anywhere, found)
        volume = min(max(each.sent / _expected(each, writes.get(each.uuid)), _LEAST_VOLUME), _MOST_VOLUME)
        volumes[each.uuid] = _mean(volumes.get(each.uuid), volume)
    return Experience(pairs=pairs, anywhere=anywhere or Overheads(), volumes=volumes, writes=writes)


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


def _expected(each: Finished, known: Writes | None) -> float:
    """Bytes that the model has it send, with the memory that it is said to have, at the rate that it had."""
    rate, traits = BytesPerSecond(each.sent / each.copying), each.traits
    if known is not None and traits.writes is not None and _agree(known, traits.writes):
        traits = replace(traits, writes=known)
    return max(float(forecast(traits, rate, each.max_downtime).bytes), 1.0)


def _averaged(known: Writes, new: Writes) -> Writes:
    """What explains both, by what each has written within a short and a long window."""
    if not _agree(known, new):
        return new
    short, long = new.period, new.period * _LONG
    first, second = (_mean(known.within(time), new.within(time)) for time in (short, long))
    return fit_writes(Window(short, first / short), Window(long, second / long))


def _agree(known: Writes, new: Writes) -> bool:
    """Whether they may be the same, measured twice; otherwise the domain does something else than it did."""
    long = new.period * _LONG
    one, other = sorted((known.within(long), new.within(long)))
    return other <= max(one * _SAME, _SAMPLED)


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
