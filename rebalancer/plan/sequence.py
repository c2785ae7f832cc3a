"""Which moves it takes to get there, and one order in which each of them holds: with as few detours as can be found,
then with as few new names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from rebalancer.cluster.units import format_bytes, format_number
from rebalancer.plan.budget import Budget
from rebalancer.plan.detours import by_and_by, every_way
from rebalancer.plan.knots import knots
from rebalancer.plan.ledger import Ledger, Leg
from rebalancer.plan.moves import Moves, StuckMovesError
from rebalancer.plan.order import arrange, parts
from rebalancer.plan.trips import Trips
from rebalancer.plan.walk import Walk
from rebalancer.policy.builtin.names import NAMES
from rebalancer.policy.model import OnClash
from rebalancer.values import dataclass

__all__ = ["Sequence", "sequences"]

_FEW_MOVES = 10
"""Of how many moves every way is looked at."""
_FEW_HOSTS = 12
_LOOKS = 100_000
"""What may be looked at for that."""
_REMEDIES = 12
"""How many are tried where nothing else helps, and how long each."""
_REMEDY_LOOKS = 1_000
_MOST_CLASHES = 20
"""Of how many names it is found out one by one which ones can be kept by waiting."""
_Amounts: TypeAlias = tuple[tuple[str, float], ...]
"""Resources, and how much of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """``renames``: the indices of the legs on which a domain may take another name."""

    legs: tuple[Leg, ...]
    renames: frozenset[int]


def sequences(moves: Moves, trips: Trips, budget: Budget) -> list[Sequence]:
    """Some sequences with the fewest legs found, at least one. Raises StuckMovesError where there is none."""
    search = _Sequences(moves, trips, budget)
    patient = frozenset(_wait_for_names(moves))
    found = search.run(patient)
    if not patient or (found and len(found[0].legs) == len(search.movers)):
        return search.checked(found)
    # A new name costs less than a detour.
    renamed = search.run(frozenset())
    if renamed and (not found or len(renamed[0].legs) < len(found[0].legs)):
        found = _keep_names(search, renamed, patient)
    return search.checked(found)


def _keep_names(search: _Sequences, found: list[Sequence], clashing: frozenset[int]) -> list[Sequence]:
    """The same with fewer new names, if possible: as many domains as can wait for their own."""
    patient: frozenset[int] = frozenset()
    for domain in sorted(clashing)[:_MOST_CLASHES]:
        tried = search.run(patient | {domain})
        if tried and len(tried[0].legs) <= len(found[0].legs):
            patient, found = patient | {domain}, tried
    return found


def _wait_for_names(moves: Moves) -> Iterator[int]:
    """Domains whose name somebody has where they go who leaves."""
    if moves.names.on_clash is not OnClash.RENAME:
        return
    leaving: dict[tuple[str, int], int] = {}
    staying: set[tuple[str, int]] = set()
    index = {name: host for host, name in enumerate(moves.problem.hosts)}
    known = {domain.uuid: number for number, domain in enumerate(moves.domains)}
    for domain in moves.cluster.domains:
        number = known.get(domain.uuid)
        place = (domain.name, index[domain.host])
        if number is None or moves.placement[number] == moves.problem.start[number] or moves.domains[number] != domain:
            staying.add(place)
        else:
            leaving[place] = number
    for number, domain in enumerate(moves.domains):
        place = (domain.name, int(moves.placement[number]))
        if moves.placement[number] != moves.problem.start[number] and place in leaving and place not in staying:
            yield number


class _Sequences:
    def __init__(self, moves: Moves, trips: Trips, budget: Budget) -> None:
        self.moves = moves
        self.trips = trips
        self.budget = budget
        self.ledger = Ledger(moves.cluster, moves.problem, moves.placement)
        self.movers = Walk(moves, self.ledger).misplaced
        self._costs: dict[tuple[int, int, int], float] = {}
        self._stuck: Mapping[int, str] = {}
        self._proved = False
        self._knots: tuple[frozenset[int], ...] = ()

    def run(self, patient: frozenset[int]) -> list[Sequence]:
        """Sequences in which these domains wait for their names; none where none was found."""
        walk = Walk(self.moves, self.ledger, patient)
        found = self._run(walk)
        walk.back(0)
        return [
            Sequence(legs=legs, renames=frozenset(i for i, leg in enumerate(legs) if walk.may_rename(leg)))
            for legs in found
        ]

    def checked(self, found: list[Sequence]) -> list[Sequence]:
        if found:
            return found
        names = "; ".join(f"'{self.moves.domains[domain].name}': {text}" for domain, text in self._stuck.items())
        raise StuckMovesError(
            self._stuck,
            f"no order of moves, even with detours, leads there: {names}",
            proved=self._proved,
            knots=self._knots,
        )

    def _run(self, walk: Walk) -> list[tuple[Leg, ...]]:
        crowded = self._crowded_in_the_end(walk)
        if crowded:
            self._explain(walk, crowded, proved=True)
            return []
        left = arrange(walk, self.movers, self.budget)
        if not left:
            return [tuple(walk.legs)]
        if len(self.movers) <= _FEW_MOVES and len(walk.on) <= _FEW_HOSTS:
            return self._every_way(walk, left)
        for lenient in (False, True):
            for core_first in (False, True):
                remain = self._by_parts(walk, left, lenient=lenient, core_first=core_first)
                if not remain:
                    return [tuple(walk.legs)]
        walk.back(0)
        self._explain(walk, arrange(walk, self.movers, self.budget))
        return []

    def _crowded_in_the_end(self, walk: Walk) -> list[int]:
        """Those who go to hosts that cannot hold all who are to be there in the end."""
        ledger = walk.ledger
        total: dict[int, list[float]] = {}
        for domain in self.movers:
            here, goal = walk.at[domain], walk.goal[domain]
            for host, sign in ((here, -1.0), (goal, 1.0)):
                load = total.setdefault(host, list(ledger.load[host]))
                for row, taken in enumerate(ledger.taken(domain, host)):
                    load[row] += sign * taken
        crowded = {
            host
            for host, load in total.items()
            if any(have > most for have, most in zip(load, ledger.bound[host], strict=True))
        }
        return [domain for domain in self.movers if walk.goal[domain] in crowded]

    def _every_way(self, walk: Walk, left: list[int]) -> list[tuple[Leg, ...]]:
        """For few moves: every way is looked at; beyond the budget, one that is found quickly."""
        reached = walk.length
        made = walk.legs
        complete = True
        for lenient in (False, True):
            walk.back(0)
            share = Budget(looks=min(self.budget.looks, _LOOKS), stop=self.budget.stop)
            ways = every_way(walk, self.movers, self._cost, share, lenient=lenient)
            self.budget.look(_LOOKS - share.looks)
            if ways.found:
                return sorted(ways.found, key=lambda legs: sum(self._cost(*_ends(leg)) for leg in legs))
            complete = complete and ways.complete
            if not ways.complete and not by_and_by(walk, self.movers, self._cost, self.budget, lenient=lenient):
                return [tuple(walk.legs)]
        walk.back(0)
        for leg in made[:reached]:
            walk.go(leg.domain, leg.destination)
        self._explain(walk, left, proved=complete)
        return []

    def _by_parts(self, walk: Walk, left: list[int], *, lenient: bool, core_first: bool) -> list[int]:
        """Detours part by part; ``core_first``: before the moves that harm nobody take the room for them."""
        walk.back(0)
        if core_first:
            remain = self._detour(walk, left, lenient)
            return remain or arrange(walk, walk.misplaced, self.budget)
        remain = []
        for part in parts(walk, arrange(walk, self.movers, self.budget)):
            remain += self._detour(walk, part, lenient)
        return remain

    def _detour(self, walk: Walk, part: list[int], lenient: bool) -> list[int]:
        if len(part) <= _FEW_MOVES:
            share = Budget(looks=min(self.budget.looks, 3_000), stop=self.budget.stop)
            ways = every_way(walk, part, self._cost, share, lenient=lenient)
            self.budget.look(3_000 - share.looks)
            if ways.found:
                for leg in min(ways.found, key=lambda legs: sum(self._cost(*_ends(leg)) for leg in legs)):
                    walk.go(leg.domain, leg.destination)
                return []
        return by_and_by(walk, part, self._cost, self.budget, lenient=lenient)

    def _cost(self, domain: int, source: int, destination: int) -> float:
        """Seconds that a leg takes with all links to itself; infinite where it cannot be made."""
        if source == destination:
            return 0.0
        key = (domain, source, destination)
        if key not in self._costs:
            trip = self.trips.trip(domain, source, destination)
            self._costs[key] = trip.duration if trip.possible else float("inf")
        return self._costs[key]

    def _explain(self, walk: Walk, left: Iterable[int], *, proved: bool = False) -> None:
        left = list(left)
        self._stuck = {domain: self._lack(walk, domain) for domain in left}
        self._proved = proved
        self._knots = knots(walk, left)
        remedy = self._remedy(walk, left)
        if remedy:
            self._stuck = {domain: f"{text}; {remedy}" for domain, text in self._stuck.items()}

    def _remedy(self, walk: Walk, left: list[int]) -> str:
        """The least room more on one host, of what is tried, with which an order is found; empty where none is."""
        ledger, hosts = walk.ledger, self.moves.problem.hosts
        most = {resource: max(bound[row] for bound in ledger.bound) for row, resource in enumerate(ledger.resources)}
        lacks: set[tuple[float, int, _Amounts]] = set()
        for domain in left:
            for host in {walk.goal[domain], *walk.parking} if len(left) <= _FEW_MOVES else {walk.goal[domain]}:
                missing = tuple(ledger.missing(domain, host)) if ledger.allows(domain, host) else ()
                if missing:
                    lacks.add((sum(amount / max(most[resource], 1.0) for resource, amount in missing), host, missing))
        walk.back(0)
        for words, looser in self._looser():
            if self._all_can_go(Walk(looser, Ledger(looser.cluster, looser.problem, looser.placement))):
                return words
        for _, host, missing in sorted(lacks)[:_REMEDIES]:
            if self._would_do(walk, host, missing):
                return f"with {_words(missing, 'more ')} on {hosts[host]} all could be moved"
        return ""

    def _looser(self) -> Iterator[tuple[str, Moves]]:
        """What of the policy may be in the way, and the moves without it."""
        moves, problem = self.moves, self.moves.problem
        if moves.names.on_clash is not OnClash.RENAME:
            terms = tuple(term for term in problem.terms if term.name != NAMES)
            renaming = replace(moves, names=replace(moves.names, on_clash=OnClash.RENAME))
            yield (
                "with 'names: {on_clash: rename}' all could be moved",
                replace(renaming, problem=replace(problem, terms=terms)),
            )
        if problem.max_moves is not None or problem.limits is not None:
            unlimited = replace(moves, problem=replace(problem, max_moves=None, limits=None))
            yield "'limits:' let no more domains make room", unlimited
        if moves.reluctant:
            yield "those that could make room have moved too lately", replace(moves, reluctant=frozenset())

    def _would_do(self, walk: Walk, host: int, amounts: _Amounts) -> bool:
        """Whether all could be moved if a host had so much more room."""
        ledger, before = walk.ledger, walk.ledger.bound[host]
        more = dict(amounts)
        ledger.bound[host] = [
            bound + more.get(resource, 0.0) * (1 + 1e-9)
            for resource, bound in zip(ledger.resources, before, strict=True)
        ]
        helps = self._all_can_go(walk)
        ledger.bound[host] = before
        return helps

    def _all_can_go(self, walk: Walk) -> bool:
        """Whether some order is found without much looking. The walk is at its beginning, and is again afterwards."""
        budget = Budget(looks=_REMEDY_LOOKS, stop=self.budget.stop)
        helps = False
        for lenient in (False, True):
            left = arrange(walk, self.movers, budget)
            helps = helps or not left or not by_and_by(walk, left, self._cost, budget, lenient=lenient)
            walk.back(0)
        return helps

    def _lack(self, walk: Walk, domain: int) -> str:
        goal = walk.goal[domain]
        host, name = self.moves.problem.hosts[goal], self.moves.domains[domain].name
        if not self.trips.trip(domain, walk.at[domain], goal).best:
            return self.trips.too_narrow(domain, walk.at[domain], goal)
        missing = _words(walk.ledger.missing(domain, goal), "of ")
        if missing:
            return f"{host} lacks {missing} until others have left it, and no other host can help"
        if not walk.ledger.name_is_free(name, goal, domain):
            return f"the name '{name}' is taken on {host}"
        return f"a rule keeps it from {host} until others have left it"


def _words(amounts: Iterable[tuple[str, float]], word: str) -> str:
    return " and ".join(
        f"{format_bytes(amount) if resource in ('memory', 'disk') else format_number(amount)} {word}{resource}"
        for resource, amount in amounts
    )


def _ends(leg: Leg) -> tuple[int, int, int]:
    return leg.domain, leg.source, leg.destination
