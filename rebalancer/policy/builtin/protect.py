"""For every domain d that is selected by an entry of ``protect:``: host(d) is where d runs now, at every moment."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from rebalancer.placement.problem import Term
from rebalancer.policy.entries import ProtectEntry
from rebalancer.policy.masks import Rows
from rebalancer.policy.model import Located, Policy
from rebalancer.policy.view import View

__all__ = ["protected_by", "terms"]


def terms(view: View, policy: Policy) -> Iterable[Term]:
    rows = Rows(len(view.domains), len(view.hosts))
    for number, located in enumerate(policy.protect):
        for d in view.where(located.entry.select.matches).nonzero()[0]:
            home = int(view.start[d])
            rows.restrict(int(d), (number, home), partial(view.only, home), protected_by(located))
    primitive = rows.primitive()
    return () if primitive is None else (Term(name="protect", primitive=primitive, physical=True),)


def protected_by(located: Located[ProtectEntry]) -> str:
    """``protected by policy.yaml:9:5: its owner does not want it``"""
    position = located.source.at()
    reason = f": {located.entry.reason}" if located.entry.reason else ""
    return f"protected by {position or 'the policy'}{reason}"
