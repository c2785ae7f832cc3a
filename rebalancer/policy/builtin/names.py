"""For every host h and name n: at most one domain called n is on h, where renaming is not wanted or not possible.

With ``on_clash: rename`` that concerns only domains whose host, and destinations that, cannot rename; elsewhere each
domain called n on h beyond the first costs ``rename_cost``. A name that is only defined counts, too. Waiting for the
other to leave (``order``) is up to the plan: in the end the names differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from rebalancer.placement.primitives import BoolArray, GroupMost
from rebalancer.placement.problem import Term
from rebalancer.policy.model import OnClash, Policy
from rebalancer.policy.view import View

__all__ = ["NAMES", "taken_names", "terms"]

NAMES = "names"
"""What the rule is called."""


def terms(view: View, policy: Policy) -> Iterable[Term]:
    shared = shared_names(view)
    if not shared:
        return
    everywhere = np.ones(len(view.hosts), dtype=np.bool_)
    if policy.names.on_clash is not OnClash.RENAME:
        yield _term(view, shared, everywhere)
        return
    renames = view.hosts_where(lambda host: host.migration.rename)
    bound = _bound(view, renames) & shared
    if bound:
        yield _term(view, bound, everywhere)
    if shared - bound and not renames.all():
        yield _term(view, shared - bound, ~renames)


def taken_names(view: View) -> GroupMost | None:
    """The domains that need a new name where they stand: those of a name beyond one, on hosts that can rename; None:
    there are no names to which that may happen."""
    renames = view.hosts_where(lambda host: host.migration.rename)
    names = shared_names(view) - _bound(view, renames)
    return _one_each(view, names, renames) if names and renames.any() else None


def _bound(view: View, renames: BoolArray) -> set[str]:
    """Names that must not meet anywhere: a domain that its own host cannot rename has them."""
    return {domain.name for domain, home in zip(view.domains, view.start, strict=True) if not renames[home]}


def shared_names(view: View) -> set[str]:
    """Names that domains of different identity have, running or only defined."""
    identities: dict[str, set[str]] = {}
    for domain in view.cluster.domains:
        identities.setdefault(domain.name, set()).add(domain.uuid)
    return {name for name, uuids in identities.items() if len(uuids) > 1}


def _term(view: View, names: set[str], where: BoolArray) -> Term:
    return Term(name=NAMES, primitive=_one_each(view, names, where), refusal="its name is taken there")


def _one_each(view: View, names: set[str], where: BoolArray) -> GroupMost:
    index = {name: number for number, name in enumerate(sorted(names))}
    group = np.array([index.get(domain.name, -1) for domain in view.domains], dtype=np.int64)
    zone = np.where(where, np.cumsum(where) - 1, -1).astype(np.int64)
    fixed = np.zeros((len(index), int(where.sum())), dtype=np.int64)
    for (name, host), number in _standing(view, index).items():
        # Two definitions of one name cannot be on a host; more than one would be an unreadable mess, not a demand.
        if where[view.host_index[host]]:
            fixed[index[name], zone[view.host_index[host]]] = min(number, 1)
    return GroupMost(group=group, zone=zone, most=1, fixed=fixed)


def _standing(view: View, names: Mapping[str, int]) -> Counter[tuple[str, str]]:
    """What has one of the names and is not moved: definitions, and second sightings of a UUID."""
    moving = set(map(id, view.domains))
    return Counter(
        (domain.name, domain.host)
        for domain in view.cluster.domains
        if domain.name in names and id(domain) not in moving
    )
