"""When each leg of a sequence starts and ends: event-driven list scheduling over a ledger of what every host holds.

At each event whatever may start is started, the most urgent first, unless it would take room without which the rest
could not all be made (``safety``), so that a schedule never ends in a deadlock.

A leg that cannot start waits for what it lacks (a slot, room, a link) and is looked at again only when some of that
becomes free, so the work grows with the number of legs and not with its square.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from heapq import heapify, heappop, heappush

from rebalancer.plan.hourly import HourlyStarts
from rebalancer.plan.ledger import Ledger, Leg
from rebalancer.plan.migration_model import Forecast
from rebalancer.plan.moves import Moves, StuckMovesError
from rebalancer.plan.naming import NamesOnTheWay
from rebalancer.plan.safety import Safety, kin
from rebalancer.plan.sequence import Sequence as LegSequence
from rebalancer.plan.stipulations import Stipulations
from rebalancer.plan.traffic import Sending, Traffic
from rebalancer.plan.trips import Trip, Trips
from rebalancer.values import dataclass

__all__ = ["Entry", "Timeline", "Timetable"]

_SAME = 1e-9
"""Seconds that count as the same moment."""
_LOOK_PAST = 8
"""Of those that wait for a link or a slot, how many that have to wait on are looked at when one becomes free."""

_RELEASE, _FINISH, _OPEN = 0, 1, 2
_NOBODY = -1
_Key = tuple[str, int]
_TOTAL: _Key = ("total", 0)
_HOUR: _Key = ("hour", 0)
_RULES: _Key = ("rules", 0)
_ORDER: _Key = ("order", 0)
_AT_ONCE = frozenset({"room", "rules", "total", "order"})
"""All that wait for one of these are looked at when some of it becomes free; of others one after another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A leg in time. ``rate``: that it starts with; ``forecast``: at the last rate it has, its bytes at all it had;
    ``turns``: the numbers of its start and its end among all starts and ends."""

    leg: Leg
    trip: Trip
    start: float
    end: float
    rate: float
    forecast: Forecast
    name_before: str
    name_after: str
    turns: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """``entries``: in the order of the sequence."""

    entries: tuple[Entry, ...]
    makespan: float


class Timetable:
    """Makes timelines of one sequence, each with other priorities. What all of them need is prepared once."""

    def __init__(self, moves: Moves, trips: Trips, sequence: LegSequence) -> None:
        self.moves = moves
        self.legs = sequence.legs
        self.renames = sequence.renames
        self.trips = trips.spread(self.legs)
        self.budgets, self.link_slots = trips.budgets, trips.slots
        crossed = Counter(link for trip in self.trips for link in trip.links)
        self.links = [sorted(trip.links, key=crossed.__getitem__) for trip in self.trips]
        """Of each leg, first those that few others cross: to wait for them is to stand in the shortest queue."""
        self.ledger = Ledger(moves.cluster, moves.problem, moves.placement)
        ruled = self.ledger.has_rules
        self.stipulations = Stipulations(moves.rules, self.legs)
        self.settled = Ledger(moves.cluster, moves.problem, moves.placement) if ruled else None
        self.kin = kin(self.ledger, self.legs) if ruled else []
        self.lead = min((trip.setup for trip in self.trips), default=0.0)
        """How long before a link is free the next may start."""
        self.totals_differ = len({trip.settings.total for trip in self.trips}) > 1
        self.slots_differ = len({trip.settings.per_host for trip in self.trips}) > 1
        self.yielding = len({trip.settings.weight for trip in self.trips}) > 1 or self.stipulations.largest > 1
        self.next_leg: dict[int, int] = {}
        """Leg → the next one of the same domain."""
        last: dict[int, int] = {}
        for index, leg in enumerate(self.legs):
            if leg.domain in last:
                self.next_leg[last[leg.domain]] = index
            last[leg.domain] = index
        self.departures = self._departures()
        self.first = sorted(set(range(len(self.legs))) - set(self.next_leg.values()))
        self._slower: dict[float, list[Trip]] = {1.0: self.trips}

    def _departures(self) -> frozenset[int]:
        """The legs with which domains leave the hosts of the deadline for good."""
        deadline, hosts = self.moves.deadline, self.moves.problem.hosts
        if deadline is None:
            return frozenset()
        last = {leg.domain: i for i, leg in enumerate(self.legs) if hosts[leg.source] in deadline.hosts}
        return frozenset(last.values())

    def priority(self, leg: int) -> int:
        return self.trips[leg].settings.priority

    def _limited(self, limit: float) -> list[Trip]:
        if limit not in self._slower:
            self._slower[limit] = [trip.slower(limit) for trip in self.trips]
        return self._slower[limit]

    def run(self, rank: Sequence[float], share: float = 1.0, limit: float = 1.0) -> Timeline:
        """``rank``: of each leg, the lowest first. ``limit``: the part of its best rate that a leg gets at most;
        ``share``: the part of that which it must get to start.

        Raises StuckMovesError where the links have no room for some leg even alone.
        """
        run = _Run(self, rank, share, self._limited(limit))
        try:
            return run.run()
        finally:
            run.undo()


@dataclass(slots=True, kw_only=True)
class _Started:
    time: float
    name_before: str
    name_after: str
    turn: int
    sending: Sending
    """As it was when it started; from its last byte on, as it was then."""
    version: int = 0
    changed: Mapping[int, Sending] = field(default_factory=dict)
    """Those whose rates were changed for it, as they were before."""


class _Run:
    def __init__(self, table: Timetable, rank: Sequence[float], share: float, trips: Sequence[Trip]) -> None:
        self.table = table
        self.stipulations = table.stipulations or None
        self.trips = trips
        self.rank = rank
        self.share = share
        self.ledger = table.ledger
        self.traffic = Traffic(table.budgets, table.link_slots, yielding=table.yielding)
        self.names = NamesOnTheWay(table.moves, table.legs, table.renames)
        self.safety = Safety(table.ledger, table.legs, table.settled, table.kin)
        self.hourly = HourlyStarts(table.moves.per_hour, table.moves.moved_lately)
        self.time = 0.0
        self.turn = 0
        self.events: list[tuple[float, int, int, int]] = []
        """(time, kind, leg, version)"""
        self.started: dict[int, _Started] = {}
        self.under_way: dict[int, None] = {}
        self.on_host: dict[int, dict[int, None]] = {}
        self.ready: list[tuple[float, int, _Key | None]] = []
        self.waiting: dict[_Key, list[tuple[float, int]]] = {}
        self.entries: dict[int, Entry] = {}
        self.hindered: dict[int, tuple[int, _Key]] = {}
        """Leg → who would have to start with it, and what that one lacked last."""

    def run(self) -> Timeline:
        self.ready = [(self.rank[index], index, None) for index in self.table.first]
        heapify(self.ready)
        self._expect_opening()
        while len(self.entries) < len(self.table.legs):
            self._start_ready()
            if not self.events and not self._start_any():
                raise self._stuck()
            self._advance()
        entries = tuple(self.entries[index] for index in range(len(self.table.legs)))
        return Timeline(entries=entries, makespan=self.time)

    def undo(self) -> None:
        """Leaves the ledgers as they were."""
        for index, started in self.started.items():
            leg = self.table.legs[index]
            if index in self.entries:
                self.ledger.arrive(leg.domain, leg.source, started.name_before)
            self.ledger.depart(leg.domain, leg.destination, started.name_after)
        self.safety.undo()

    # What may start

    def _start_ready(self) -> None:
        blocked: list[tuple[_Key, int]] = []
        past: dict[_Key, int] = {}
        while self.ready:
            rank, index, key = heappop(self.ready)
            if index in self.started:
                continue
            lacks = self._lacks(index)
            if lacks == _HOUR or (lacks == _TOTAL and not self.table.totals_differ):
                # Nothing can start before something has ended, or an hour has.
                heappush(self.ready, (rank, index, key))
                break
            if lacks is None:
                lacks = self._start_with_partners(index)
            if lacks is not None:
                blocked.append((lacks, index))
            if key is not None and key[0] not in _AT_ONCE:
                past[key] = past.get(key, 0) + (lacks is not None)
                if past[key] <= _LOOK_PAST:
                    self._wake(key)
        for key, index in blocked:
            heappush(self.waiting.setdefault(key, []), (self.rank[index], index))

    def _start_any(self) -> bool:
        """Looks at everything once more; whether anything was started. Only then it is sure that nothing can be."""
        for key in list(self.waiting):
            self.ready += [(rank, index, None) for rank, index in self.waiting.pop(key)]
        heapify(self.ready)
        self._start_ready()
        return bool(self.events)

    def _wake(self, key: _Key) -> None:
        queue = self.waiting.get(key)
        while queue:
            rank, index = heappop(queue)
            heappush(self.ready, (rank, index, key))
            if key[0] not in _AT_ONCE:
                break

    def _lacks(self, index: int) -> _Key | None:
        """What a leg has to wait for; None: it may start now."""
        leg, trip = self.table.legs[index], self.trips[index]
        lacks = self._slot_lacking(leg, trip)
        if lacks is not None:
            return lacks
        if self.stipulations and self.stipulations.hinders(index, tuple(self.under_way), self.entries):
            return _ORDER
        room: _Key = ("room", leg.destination)
        if not self.ledger.has_room(leg.domain, leg.destination):
            return room
        if self.ledger.is_ruled(leg.domain) and not self.ledger.keeps_rules(leg.domain, leg.destination):
            return _RULES
        link = self.traffic.lacking(trip, trip.enough(self.share), self.table.links[index], self._partners(index))
        if link is not None:
            return ("link", link)
        if self.names.on_arrival(index, self.ledger) is None:
            return room
        if not self.safety.admits(index):
            return _RULES if self.ledger.is_ruled(leg.domain) else room
        return None

    def _slot_lacking(self, leg: Leg, trip: Trip) -> _Key | None:
        if self.hourly.opens(self.time) > self.time + _SAME:
            return _HOUR
        trips = self.trips
        total = trip.settings.total
        if self.table.totals_differ:
            total = min([total, *(trips[other].settings.total for other in self.under_way)])
        if len(self.under_way) >= total:
            return _TOTAL
        for host in (leg.source, leg.destination):
            here = self.on_host.get(host)
            if here and len(here) >= trip.settings.per_host:
                return ("slot", host)
            if here and self.table.slots_differ and len(here) >= min(trips[o].settings.per_host for o in here):
                return ("slot", host)
        return None

    # What happens

    def _start_with_partners(self, index: int) -> _Key | None:
        """Starts a leg, and all that must start with it; if any of them cannot, none, and what that one lacks."""
        if self.stipulations is None or not self.stipulations.together:
            self._start(index)
            return None
        partners = self.stipulations.partners(index)
        if self.table.moves.per_hour is not None and len(partners) > self.table.moves.per_hour:
            self.hindered[index] = index, _HOUR
            return _ORDER
        made: list[int] = []
        for partner in partners:
            lacks = self._lacks(partner)
            if lacks is not None:
                self.hindered[index] = partner, lacks
                for other in reversed(made):
                    self._take_back(other)
                # Whatever frees it may concern another host than this leg's own.
                return _ORDER
            self._start(partner)
            made.append(partner)
        return None

    def _partners(self, index: int) -> list[int]:
        """Those that have started at this very moment and share the links with it."""
        if self.stipulations is None:
            return []
        sharers = self.stipulations.sharers(index)
        return [other for other in sharers if other in self.under_way and self.started[other].time == self.time]

    def _take_back(self, index: int) -> None:
        """Undoes a start of this very moment."""
        leg, started = self.table.legs[index], self.started.pop(index)
        self.traffic.take_back(index, started.changed)
        self.ledger.depart(leg.domain, leg.destination, started.name_after)
        self.names.give_back(index, started.name_before)
        self.safety.take_back(index)
        self.hourly.take_back()
        del self.under_way[index]
        for host in (leg.source, leg.destination):
            del self.on_host[host][index]
        self.events = [event for event in self.events if event[2] != index]
        heapify(self.events)
        self._expect_changed(started.changed)

    def _start(self, index: int) -> None:
        leg, trip = self.table.legs[index], self.trips[index]
        name = self.names.on_arrival(index, self.ledger) or ""
        changed = self.traffic.enter(index, trip, trip.enough(self.share), self.time, self._partners(index))
        self.started[index] = _Started(
            time=self.time,
            name_before=self.names.now(leg.domain),
            name_after=name,
            turn=self._next_turn(),
            sending=self.traffic[index],
            changed=changed,
        )
        self.safety.start(index)
        self.hourly.start(self.time)
        self._expect_opening()
        self.names.take(index, name)
        self.ledger.arrive(leg.domain, leg.destination, name)
        self.under_way[index] = None
        for host in (leg.source, leg.destination):
            self.on_host.setdefault(host, {})[index] = None
        self._expect(index)
        self._expect_changed(changed)
        # Those for whom it is not safe yet may go as soon as it is certain that somebody leaves.
        self._wake(("room", leg.source))

    def _expect(self, index: int) -> None:
        """The events to come of a leg, at its present rate."""
        started, trip = self.started[index], self.trips[index]
        end = self.traffic[index].end
        heappush(self.events, (max(end - self.table.lead, self.time), _RELEASE, index, started.version))
        heappush(self.events, (end + trip.finish, _FINISH, index, started.version))

    def _expect_opening(self) -> None:
        """The event that the hour has room again, where it has none."""
        opens = self.hourly.opens(self.time)
        if opens > self.time + _SAME:
            heappush(self.events, (opens, _OPEN, _NOBODY, 0))

    def _expect_changed(self, keys: Iterable[int]) -> None:
        for index in keys:
            self.started[index].version += 1
            self._expect(index)

    def _advance(self) -> None:
        """To the next event, and all others at the same moment."""
        self.time = self.events[0][0]
        while self.events and self.events[0][0] <= self.time + _SAME:
            _, kind, index, version = heappop(self.events)
            if kind == _OPEN:
                # Those that start together may have waited for that of one of them.
                self._wake(_ORDER)
                continue
            if version != self.started[index].version:
                continue
            if kind == _RELEASE:
                self._release(index)
            else:
                self._finish(index)

    def _release(self, index: int) -> None:
        """Its transfer is as good as over, so that another may begin its setup."""
        self.started[index].sending = self.traffic[index]
        self._expect_changed(self.traffic.leave(index))
        for link in self.trips[index].links:
            self._wake(("link", link))

    def _finish(self, index: int) -> None:
        leg, trip, started = self.table.legs[index], self.trips[index], self.started[index]
        self.ledger.depart(leg.domain, leg.source, started.name_before)
        del self.under_way[index]
        for host in (leg.source, leg.destination):
            del self.on_host[host][index]
            self._wake(("slot", host))
        self.entries[index] = Entry(
            leg=leg,
            trip=trip,
            start=started.time,
            end=self.time,
            rate=started.sending.first,
            forecast=started.sending.forecast,
            name_before=started.name_before,
            name_after=started.name_after,
            turns=(started.turn, self._next_turn()),
        )
        self._wake(("room", leg.source))
        self._wake(_TOTAL)
        self._wake(_RULES)
        self._wake(_ORDER)
        following = self.table.next_leg.get(index)
        if following is not None:
            heappush(self.ready, (self.rank[following], following, None))

    def _next_turn(self) -> int:
        self.turn += 1
        return self.turn

    def _stuck(self) -> StuckMovesError:
        waiting = [index for queue in self.waiting.values() for _, index in queue]
        stuck = {self.table.legs[index].domain: self._hindrance(index) for index in waiting}
        return StuckMovesError(stuck, "no migration can be started any more")

    def _hindrance(self, index: int) -> str:
        moves = self.table.moves
        if index not in self.hindered:
            awaited = sorted(self.table.stipulations.awaited.get(self.table.legs[index].domain, ()))
            names = " and ".join(f"'{moves.domains[domain].name}'" for domain in awaited)
            return f"has to wait for {names} (steps: precedence)" if names else "nothing lets it start"
        partner, (kind, number) = self.hindered[index]
        settings = self.trips[partner].settings
        domains = sorted({self.table.legs[leg].domain for leg in self.table.stipulations.partners(index)})
        names = " and ".join(f"'{moves.domains[d].name}'" for d in domains if d != self.table.legs[index].domain)
        match kind:
            case "total":
                why = f"no more than {settings.total} at once are allowed (concurrency: total)"
            case "hour":
                why = f"no more than {moves.per_hour} may start in an hour (limits: per_hour)"
            case "slot":
                host = moves.problem.hosts[number]
                why = f"no more than {settings.per_host} at once are allowed on {host} (concurrency: per_host)"
            case "link":
                why = "a link on their way has not enough for all of them at once"
            case "room":
                why = f"{moves.problem.hosts[number]} has no room for all of them at once"
            case _:
                why = "a rule keeps them from that"
        return f"has to start together with {names} (steps: sync), but {why}"
