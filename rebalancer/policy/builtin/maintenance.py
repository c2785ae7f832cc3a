"""For every domain d: host(d) is up and not to be emptied.

A domain on a host that is down or cannot be reached stays out of it: nothing can be done about it from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np

from rebalancer.cluster import Host, HostState
from rebalancer.placement.primitives import BoolArray
from rebalancer.placement.problem import Term
from rebalancer.policy.masks import Rows
from rebalancer.policy.model import Policy
from rebalancer.policy.view import View

__all__ = ["terms"]


def terms(view: View, policy: Policy) -> Iterable[Term]:  # noqa: ARG001
    if view.accepting.all():
        return ()
    rows = Rows(len(view.domains), len(view.hosts))
    for d, home in enumerate(view.start):
        own = None if view.hosts[home].readable else int(home)
        rows.restrict(d, own, partial(_allowed, view, own), lambda host: _reason(view.hosts[host]))
    primitive = rows.primitive()
    return () if primitive is None else (Term(name="maintenance", primitive=primitive),)


def _allowed(view: View, own: int | None) -> BoolArray:
    allowed = view.accepting.copy()
    if own is not None:
        allowed |= view.only(own)
    return np.asarray(allowed, dtype=np.bool_)


def _reason(host: Host) -> str:
    words = "is in maintenance" if host.state is HostState.MAINTENANCE else f"is {host.state}"
    return f"{host.name} {words}" + (f": {host.reason}" if host.reason else "")
