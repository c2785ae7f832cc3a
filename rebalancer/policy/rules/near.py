"""Domains that are kept close to others that they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from rebalancer.cluster.text import shown
from rebalancer.documents import Name
from rebalancer.placement.primitives import IntArray
from rebalancer.placement.primitives import Near as NearPrimitive
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import (
    Caution,
    Finding,
    Rule,
    across_findings,
    key_findings,
    selector_findings,
    short,
)
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.view import View

__all__ = ["Near"]

_Pair = Annotated[tuple[Name, ...], Field(min_length=2, max_length=2)]


class Near(Rule):
    """For every selected domain d: some domain that ``to`` selects runs in the zone of d's host; with a group, one of
    d's own group. With ``pairs``, for every pair (a, b): wherever a domain of group a runs, one of group b runs in the
    same zone.

    A zone is a host, or all hosts with the same value of a label (``within: rack``). A domain that ``to`` selects is
    near itself. Every domain that has none near counts, for each pair anew. While domains move, each is taken to be at
    whichever end is worse. Two groups that go to another zone one by one are apart on the way if no order of their
    moves avoids that.
    """

    word: ClassVar[str] = "near"

    group: DomainKey | None = None
    """Domains with the same text are one group, e.g. ``labels.app``; without the label: none."""
    select: DomainSelector = DomainSelector("true")
    """Which domains; with ``pairs``: which domains groups consist of."""
    to: DomainSelector | None = None
    """The domains to be near to."""
    pairs: tuple[_Pair, ...] | None = None
    """Pairs of groups: ``[[web, cache], [web, db]]`` keeps web near cache and near db, but neither near web."""
    within: Name = "host"
    """``host``, or the label of hosts whose values are the zones. A host without the label is a zone of its own."""

    @model_validator(mode="after")
    def _says_to_what(self) -> Self:
        if (self.to is None) == (self.pairs is None):
            raise ValueError("says not what to be near to; write either 'to' (a selector) or 'pairs' (with 'group')")
        if self.pairs is not None and self.group is None:
            raise ValueError("has pairs of groups, but no 'group'; add e.g. group: labels.app")
        return self

    @property
    def detail(self) -> str:
        if self.to is None:
            what = f"{len(self.pairs or ())} pairs of {short(self.group)}" if self.group is not None else ""
        else:
            what = f"{short(self.select)} to {short(self.to)}"
            what += f" by {short(self.group)}" if self.group is not None else ""
        return what + (f" within {self.within}" if self.within != "host" else "")

    def terms(self, view: View) -> Iterable[Term]:
        group, pairs = self._by_pairs(view) if self.to is None else self._by_selector(self.to, view)
        yield self.term(NearPrimitive(group=group, zone=view.zones(self.within), pairs=pairs))

    def _keys(self, view: View) -> list[str | None]:
        """Each domain's group; '' of all where there is no key."""
        return ["" if self.group is None else self.group.key(domain) for domain in view.domains]

    def _by_selector(self, to: DomainSelector, view: View) -> tuple[IntArray, IntArray]:
        """For every key two groups: those in need, and those that they need."""
        number: dict[str, int] = {}
        group = np.full(len(view.domains), -1, dtype=np.int64)
        for d, (domain, key) in enumerate(zip(view.domains, self._keys(view), strict=True)):
            if key is None:
                continue
            if to.matches(domain):
                group[d] = 2 * number.setdefault(key, len(number)) + 1
            elif self.select.matches(domain):
                group[d] = 2 * number.setdefault(key, len(number))
        return group, np.arange(2 * len(number), dtype=np.int64).reshape(-1, 2)

    def _by_pairs(self, view: View) -> tuple[IntArray, IntArray]:
        number: dict[str, int] = {}
        keys = [
            key if key is not None and self.select.matches(domain) else None
            for domain, key in zip(view.domains, self._keys(view), strict=True)
        ]
        group = [-1 if key is None else number.setdefault(key, len(number)) for key in keys]
        pairs = [
            [number.setdefault(name, len(number)) for name in pair]
            for pair in self.pairs or ()
            # What nobody is in needs nothing.
            if pair[0] in number
        ]
        return np.array(group, dtype=np.int64), np.array(pairs, dtype=np.int64).reshape(-1, 2)

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from key_findings(self.group, self.select, view)
        if self.to is not None:
            yield from selector_findings(self.to, view, "to")
        for path, problem in across_findings(self.within, view, "each such host is a zone of its own"):
            yield ("within", *path[1:]), problem
        known = {key for domain, key in zip(view.domains, self._keys(view), strict=True) if self.select.matches(domain)}
        for index, pair in enumerate(self.pairs or ()):
            for side, name in enumerate(pair):
                if name not in known:
                    yield ("pairs", index, side), Caution(f"no selected domain is in group {shown(name)}")
