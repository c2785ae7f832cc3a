"""For every domain d that cannot be migrated: host(d) is where d runs now; for every other d: host(d) can take it.

What keeps a domain: a device or disk that does not travel, a state that does not, a host that cannot be reached, or a
host that cannot migrate the way the policy wants it, live or paused.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from rebalancer.cluster import Domain, DomainState, Host
from rebalancer.placement.problem import Term
from rebalancer.policy.masks import Rows
from rebalancer.policy.model import Policy
from rebalancer.policy.view import View

__all__ = ["kept_by", "terms"]


def terms(view: View, policy: Policy) -> Iterable[Term]:
    rows = Rows(len(view.domains), len(view.hosts))
    able = {live: view.hosts_where(partial(_offers, live=live)) for live in (True, False)}
    for d, domain in enumerate(view.domains):
        home, live = int(view.start[d]), policy.migration_settings(domain).live
        reason = kept_by(domain, view.hosts[home], live=live)
        if reason is not None:
            rows.restrict(d, (home, reason), partial(view.only, home), reason)
        elif not able[live].all():
            rows.restrict(d, live, able[live].copy, partial(_cannot, view, live))
    primitive = rows.primitive()
    return () if primitive is None else (Term(name="migratable", primitive=primitive, physical=True),)


def kept_by(domain: Domain, host: Host, *, live: bool) -> str | None:
    """Why a domain cannot be migrated away from its host at all; None: it can."""
    if not domain.migration.allowed:
        return f"cannot be migrated: {domain.migration.reason or 'the host says so'}"
    if domain.state not in (DomainState.RUNNING, DomainState.PAUSED):
        return f"cannot be migrated while it is '{domain.state}'"
    if not host.readable:
        return f"cannot be migrated: {host.name} is {host.state}"
    return None if _offers(host, live=live) else f"cannot be migrated: {_lack(host, live=live)}"


def _offers(host: Host, *, live: bool) -> bool:
    # Nothing is known of a host that could not be read; that it takes no domains is maintenance's to say.
    return not host.readable or (host.migration.live if live else host.migration.offline)


def _lack(host: Host, *, live: bool) -> str:
    if not live:
        return f"{host.name} cannot migrate paused domains"
    hint = "; 'migration: [{live: false}]' allows to pause domains" if host.migration.offline else ""
    return f"{host.name} cannot migrate live{hint}"


def _cannot(view: View, live: bool, host: int) -> str:
    return _lack(view.hosts[host], live=live)
