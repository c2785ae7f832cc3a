"""Rules on where domains stand, followed through a plan: kept whichever end each domain on the move is at."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import product
from random import Random

from rebalancer.checker.rules import Placement, amounts, concerned, is_followed
from rebalancer.checker.situation import Situation
from rebalancer.placement.primitives import AllowedHosts, GroupSpan, Near
from rebalancer.placement.problem import Term

__all__ = ["Standing"]

_MOST_COMBINATIONS = 256
_MOST_ORDERED = 8
"""Of how many moves of one group every order is tried."""


class Standing:
    """``broken`` says what is worse, at a moment of a plan, than it was at the start or has to be on the way."""

    def __init__(self, situation: Situation, random: Random) -> None:
        self._random = random
        index = {name: number for number, name in enumerate(situation.hosts)}
        target = [
            index[situation.target.get(u, situation.hosts[h])]
            for u, h in zip(situation.domains, situation.start, strict=True)
        ]
        terms = [term for term in situation.terms if is_followed(term.primitive)]
        self._rules = [_Followed(term, situation.start, target) for term in terms]

    def broken(self, ends: Sequence[tuple[int, ...]], moved: int | None, *, ended: bool = False) -> Iterator[str]:
        """``ends``: the host of each domain, or the two that it is between; ``moved``: only rules that this domain
        concerns. ``ended``: rules that need hold only at the end are asked, too."""
        for rule in self._rules:
            if (rule.term.continuous or ended) and (moved is None or concerned(rule.term.primitive, moved)):
                yield from rule.broken(ends, self._random, ended=ended)


class _Followed:
    def __init__(self, term: Term, start: Placement, target: Placement) -> None:
        self.term = term
        self._start = start
        self._at_start = amounts(term.primitive, start)
        self._eased: dict[Hashable, float] = {}
        if isinstance(term.primitive, GroupSpan | Near):
            self._ease(term.primitive, target)

    def broken(self, ends: Sequence[tuple[int, ...]], random: Random, *, ended: bool) -> Iterator[str]:
        rule = self.term.primitive
        if isinstance(rule, AllowedHosts):
            yield from self._out_of_place(rule, ends)
            return
        worst: dict[Hashable, int] = {}
        for placement in _imagined([e if concerned(rule, d) else e[:1] for d, e in enumerate(ends)], random):
            for element, amount in amounts(rule, placement).items():
                worst[element] = max(amount, worst.get(element, amount))
        for element, amount in worst.items():
            if amount > max(self._at_start.get(element, 0), 0.0 if ended else self._eased.get(element, 0.0), 0):
                yield f"{self.term.name}: broken by {amount} for {element}"

    def _out_of_place(self, rule: AllowedHosts, ends: Sequence[tuple[int, ...]]) -> Iterator[str]:
        """A domain that may not be where it is may pass over hosts where it may not be either, if they can run it."""
        for domain, hosts in enumerate(ends):
            row, home = int(rule.mask[domain]), self._start[domain]
            if row < 0 or (not self.term.physical and not rule.masks[row, home]):
                continue
            for host in hosts:
                if host != home and not rule.masks[row, host]:
                    yield f"{self.term.name}: domain {domain} may not be on host {host}"

    def _ease(self, rule: GroupSpan | Near, target: Placement) -> None:
        """Who is kept together and moves together is apart on the way: by as much as the mildest order needs."""
        if isinstance(rule, Near):
            members: Mapping[Hashable, set[int]] = {
                (first, second): {first, second} for first, second in rule.pairs.tolist()
            }
        else:
            members = {group: {group} for group in rule.group.tolist()}
        for element, groups in members.items():
            movers = [d for d, home in enumerate(self._start) if target[d] != home and int(rule.group[d]) in groups]
            if len(movers) > _MOST_ORDERED:
                self._eased[element] = float("inf")
            elif movers:
                self._eased[element] = _mildest(rule, element, self._start, target, movers)


def _imagined(ends: Sequence[tuple[int, ...]], random: Random) -> Iterator[Placement]:
    """Every combination of ends, or a few of many: all at their source, all at their destination, some at random."""
    number = 2 ** sum(len(hosts) > 1 for hosts in ends)
    if number <= _MOST_COMBINATIONS:
        yield from product(*ends)
        return
    yield [hosts[0] for hosts in ends]
    yield [hosts[-1] for hosts in ends]
    for _ in range(_MOST_COMBINATIONS):
        yield [random.choice(hosts) for hosts in ends]


def _mildest(
    rule: GroupSpan | Near, element: Hashable, start: Placement, target: Placement, movers: Sequence[int]
) -> int:
    """The least worst amount of an element over all orders in which its domains move one at a time."""
    peaks: Mapping[frozenset[int], int] = {frozenset(): _amount(rule, element, start)}
    for _ in movers:
        following: dict[frozenset[int], int] = {}
        for made, peak in peaks.items():
            for domain in set(movers) - made:
                after = made | {domain}
                placement = [target[d] if d in after else home for d, home in enumerate(start)]
                cost = max(peak, _amount(rule, element, placement))
                following[after] = min(cost, following.get(after, cost))
        peaks = following
    return min(peaks.values())


def _amount(rule: GroupSpan | Near, element: Hashable, placement: Placement) -> int:
    return amounts(rule, placement).get(element, 0)
