"""What happened before: what limits that look beyond one plan need to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from rebalancer.cluster.units import Seconds
from rebalancer.values import dataclass

__all__ = ["History", "Renamed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """The name that a domain had, and the one that it was given."""

    before: str
    since: str

    @staticmethod
    def follow(known: Renamed | None, before: str, after: str) -> Renamed | None:
        """What is known after a migration that found the domain with one name and left it with another; None: it has
        its own name. A name that somebody else has given it in the meantime is its own."""
        own = known.before if known is not None and known.since == before else before
        return None if own == after else Renamed(before=own, since=after)


@dataclass(frozen=True, kw_only=True)
class History:
    """Times are seconds on any one clock.

    >>> History(now=Seconds(100.0), moves={"7d0e…": (Seconds(40.0), Seconds(90.0))}).since_move("7d0e…")
    10.0
    """

    now: Seconds
    moves: Mapping[str, tuple[Seconds, ...]] = field(default_factory=dict)
    """UUID → when the domain moved."""
    advice: tuple[Mapping[str, str], ...] | None = None
    """The placements (UUID → host) of the plans made since the last run, oldest first; None: they are not recorded,
    and ``confirmations`` is not asked for."""
    renamed: Mapping[str, Renamed] = field(default_factory=dict)
    """UUID → what became of the name of a domain that was renamed for a clash."""

    def since_move(self, uuid: str) -> Seconds | None:
        """How long ago a domain moved last; None: not that anyone knows."""
        times = self.moves.get(uuid)
        return Seconds(self.now - max(times)) if times else None

    def lately(self, time: Seconds) -> tuple[Seconds, ...]:
        """How long ago domains moved, of all moves within the last so many seconds."""
        ago = (Seconds(self.now - moved) for times in self.moves.values() for moved in times)
        return tuple(sorted(each for each in ago if each < time))

    def moves_within(self, uuid: str, time: Seconds) -> int:
        """How often a domain has moved in the last so many seconds."""
        return sum(self.now - moved < time for moved in self.moves.get(uuid, ()))

    def times_advised(self, placement: Mapping[str, str]) -> int:
        """How many of the latest plans had this placement, one after another."""
        count = 0
        for earlier in reversed(self.advice or ()):
            if dict(earlier) != dict(placement):
                break
            count += 1
        return count
