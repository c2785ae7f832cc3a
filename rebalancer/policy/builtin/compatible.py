"""For every domain d: whatever d needs (machine type, CPU model, networks, …) host(d) offers.

Where a domain runs now it evidently can run, whatever was read of that host.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from rebalancer.cluster import Domain, Host
from rebalancer.placement.primitives import BoolArray
from rebalancer.placement.problem import Term
from rebalancer.policy.masks import Rows
from rebalancer.policy.model import Policy
from rebalancer.policy.view import View

__all__ = ["terms"]


def terms(view: View, policy: Policy) -> Iterable[Term]:  # noqa: ARG001
    rows = Rows(len(view.domains), len(view.hosts))
    offered: dict[object, BoolArray] = {}
    for d, domain in enumerate(view.domains):
        needs = frozenset((kind, items) for kind, items in domain.needs.items() if items)
        if needs not in offered:
            offered[needs] = view.hosts_where(partial(_offers, domain))
        if offered[needs].all():
            continue
        home = int(view.start[d])
        own = home if not offered[needs][home] else None
        allowed = offered[needs] if own is None else offered[needs] | view.only(own)
        rows.restrict(d, (needs, own), allowed.copy, partial(_reason, view, domain))
    primitive = rows.primitive()
    return () if primitive is None else (Term(name="compatible", primitive=primitive, physical=True),)


def _offers(domain: Domain, host: Host) -> bool:
    return not domain.missing_on(host)


def _reason(view: View, domain: Domain, host: int) -> str:
    return f"{view.hosts[host].name} lacks {', '.join(domain.missing_on(view.hosts[host]))}"
