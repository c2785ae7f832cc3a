"""Groups of domains, as affinity and anti-affinity form them."""

from __future__ import annotations

import numpy as np

from rebalancer.placement.primitives import IntArray
from rebalancer.policy.clause import short
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.view import View

__all__ = ["groups_of", "groups_title"]


def groups_of(group: DomainKey | None, select: DomainSelector, view: View) -> IntArray:
    """int[D]: each selected domain's group, all one group where no key is given; -1 for the others."""
    selected = view.where(select.matches)
    if group is None:
        return np.where(selected, 0, -1).astype(np.int64)
    chosen = dict(zip(map(id, view.domains), selected, strict=True))
    return view.groups(lambda domain: group.key(domain) if chosen[id(domain)] else None)


def groups_title(group: DomainKey | None, select: DomainSelector, across: str) -> str:
    """``labels.app where name.startsWith('db') across rack``"""
    parts = [] if group is None else [short(group)]
    if select.source != "true":
        parts.append(f"where {short(select)}" if parts else short(select))
    if across != "host":
        parts.append(f"across {across}")
    return " ".join(parts)
