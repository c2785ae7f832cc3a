"""For every domain d with hints that the policy allows: host(d) is where d runs now, or a host that the hints leave.

A hint never makes anything move: what stands against it when a plan is made may stay as it is, and only must not get
worse. ``apart: g``: no more domains with the hint g on a host than stand there; ``together: g``: on no more hosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from rebalancer.placement.primitives import BoolArray, GroupMost, GroupSpan, IntArray
from rebalancer.placement.problem import Term
from rebalancer.policy.hints import Hinted, hinted
from rebalancer.policy.masks import Rows
from rebalancer.policy.model import Policy
from rebalancer.policy.view import View

__all__ = ["terms"]


def terms(view: View, policy: Policy) -> Iterable[Term]:
    if not policy.hints.allow:
        return
    found = [hinted(domain, policy.hints) for domain in view.domains]
    rows = Rows(len(view.domains), len(view.hosts))
    for d, hints in enumerate(found):
        if hints.stay or hints.avoid or hints.only:
            home = int(view.start[d])
            key = (home, hints.stay, hints.avoid, hints.only)
            rows.restrict(d, key, partial(_allowed, view, hints, home), partial(_reason, view, hints))
    primitive = rows.primitive()
    if primitive is not None:
        yield Term(name="hints", primitive=primitive)
    yield from _apart(view, [hints.apart for hints in found])
    yield from _together(view, [hints.together for hints in found])


def _allowed(view: View, hints: Hinted, home: int) -> BoolArray:
    names = np.array([host.name for host in view.hosts], dtype=object)
    left = np.array([name not in hints.avoid and not hints.stay for name in names], dtype=np.bool_)
    if hints.only:
        left &= np.array([name in hints.only for name in names], dtype=np.bool_)
    return np.asarray(left | view.only(home), dtype=np.bool_)


def _reason(view: View, hints: Hinted, host: int) -> str:
    if hints.stay:
        return "its owner wants it to stay"
    if view.hosts[host].name in hints.avoid:
        return f"its owner wants it to avoid {view.hosts[host].name}"
    return f"its owner wants it only on {', '.join(hints.only)}"


def _groups(names: Sequence[str | None]) -> IntArray:
    known: dict[str, int] = {}
    return np.array([-1 if name is None else known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def _apart(view: View, names: Sequence[str | None]) -> Iterator[Term]:
    group = _groups(names)
    if group.max(initial=-1) < 0:
        return
    zone = np.arange(len(view.hosts), dtype=np.int64)
    standing = np.zeros((int(group.max()) + 1, len(zone)), dtype=np.int64)
    members = group >= 0
    np.add.at(standing, (group[members], view.start[members]), 1)
    # Where several stand already, that many may: so nothing has to move.
    fixed = -np.maximum(standing - 1, 0)
    yield Term(name="hints: apart", primitive=GroupMost(group=group, zone=zone, most=1, fixed=fixed))


def _together(view: View, names: Sequence[str | None]) -> Iterator[Term]:
    group = _groups(names)
    spans = np.array([len(set(view.start[group == g])) for g in range(int(group.max(initial=-1)) + 1)], dtype=np.int64)
    for span in sorted(set(spans.tolist())):
        of_span = np.where((group >= 0) & (spans[group] == span), group, -1)
        zone = np.arange(len(view.hosts), dtype=np.int64)
        yield Term(name="hints: together", primitive=GroupSpan(group=of_span, zone=zone, most=int(span)))
