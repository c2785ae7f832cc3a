"""What a policy asks of hosts that they cannot do: refused before anything is planned, never found out by trying.

Only what a policy says itself is checked. A default that a host does not offer is left out or avoided instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rebalancer.cluster import Capabilities, Cluster, Domain, Host, Network
from rebalancer.errors import Unsupported
from rebalancer.policy.builtin.migratable import kept_by
from rebalancer.policy.builtin.names import shared_names
from rebalancer.policy.model import OnClash, Policy, Rung, Source
from rebalancer.policy.view import View

__all__ = ["check_capabilities"]


class _Lack(NamedTuple):
    host: str
    option: str
    detail: str


def check_capabilities(policy: Policy, cluster: Cluster) -> None:
    """Raises Unsupported, naming host and option, where the policy asks of a host what it cannot do.

    A host is asked what a migration of one of its domains, or to it, would need; hosts that were not read are not.
    """
    view = View(cluster)
    order = {host.name: index for index, host in enumerate(cluster.hosts)}
    lacks = [*_migration_options(policy, view), *_link_caps(policy, view), *_renaming(policy, view)]
    for lack in sorted(lacks, key=lambda lack: order[lack.host]):
        raise Unsupported(lack.host, lack.option, lack.detail)


class _Option(NamedTuple):
    """``needed``: whether the value asks for anything at all."""

    name: Callable[[Any], str]
    offered: Callable[[Capabilities, Any], bool]
    both_ends: bool
    needed: Callable[[Any], bool] = lambda _: True


def _rung(rung: Rung, name: str, *, both_ends: bool) -> _Option:
    return _Option(
        lambda _: name,
        lambda can, _: bool(getattr(can, rung.value)),
        both_ends,
        lambda rungs: rung in rungs,
    )


_OPTIONS: tuple[tuple[str, _Option], ...] = (
    ("live", _Option(lambda _: "live migration", lambda can, _: can.live, both_ends=True, needed=bool)),
    (
        "live",
        _Option(
            lambda _: "offline migration", lambda can, _: can.offline, both_ends=True, needed=lambda live: not live
        ),
    ),
    ("bandwidth", _Option(lambda _: "bandwidth", lambda can, _: can.bandwidth, both_ends=False)),
    ("max_downtime", _Option(lambda _: "max_downtime", lambda can, _: can.max_downtime, both_ends=False)),
    (
        "transport",
        _Option(lambda name: f"transport '{name}'", lambda can, name: name in can.transports, both_ends=True),
    ),
    ("when_not_converging", _rung(Rung.AUTO_CONVERGE, "auto_converge", both_ends=False)),
    ("when_not_converging", _rung(Rung.POST_COPY, "post_copy", both_ends=True)),
    ("when_not_converging", _rung(Rung.CANCEL, "cancel", both_ends=False)),
)


def _migration_options(policy: Policy, view: View) -> Iterator[_Lack]:
    destinations = [host for host, accepts in zip(view.hosts, view.accepting, strict=True) if accepts]
    checked: set[tuple[str, str, object]] = set()
    for source, asked in _asked(policy, view):
        for option, rule in _OPTIONS:
            if option not in asked or not rule.needed(asked[option][0]):
                continue
            value, written = asked[option]
            key = (source.name, rule.name(value), value)
            if key in checked:
                continue
            checked.add(key)
            for host in [source, *(destinations if rule.both_ends else ())]:
                if not rule.offered(host.migration, value):
                    yield _Lack(host.name, rule.name(value), _where(written, option))


def _asked(policy: Policy, view: View) -> Iterator[tuple[Host, dict[str, tuple[Any, Source]]]]:
    """For every domain that may be migrated: its host, and what the policy asks of the migration."""
    if not policy.migration and not any(override.migration for override in policy.overrides):
        return
    for domain in view.domains:
        host = view.cluster.host_by_name[domain.host]
        if _may_leave(domain, host):
            yield host, policy.asked_of_migration(domain)


def _may_leave(domain: Domain, host: Host) -> bool:
    return any(kept_by(domain, host, live=live) is None for live in (True, False)) or (
        # A host that can do neither is what the question is about.
        host.readable and domain.migration.allowed and not (host.migration.live or host.migration.offline)
    )


def _where(source: Source, *path: str) -> str:
    position = source.at(path)
    return f"asked for in {position}" if position else "asked for by the policy"


def _link_caps(policy: Policy, view: View) -> Iterator[_Lack]:
    """Caps on links are kept by capping each migration that crosses them."""
    unable = [host for host in view.hosts if host.readable and not host.migration.bandwidth]
    if not unable or not policy.links or not view.cluster.links:
        return
    capped = {
        directed: policy.link_entry(link)
        for link in view.cluster.links
        for directed, cap in policy.link_caps(link, view.cluster.host_by_name).items()
        if cap < link.capacity
    }
    network = Network(view.cluster.links)
    leaving = {domain.host for domain in view.domains}
    for host in unable:
        if host.name not in leaving:
            continue
        for other in view.hosts:
            crossed = next((link for link in network.route(host.name, other.name) if link in capped), None)
            entry = capped.get(crossed) if crossed is not None else None
            if entry is not None and crossed is not None:
                said = next(key for key in ("most", "inbound", "outbound") if getattr(entry.entry, key) is not None)
                place = _where(entry.source, said)
                yield _Lack(host.name, "bandwidth", f"needed to keep the cap of link '{crossed.link}', {place}")
                break


def _renaming(policy: Policy, view: View) -> Iterator[_Lack]:
    """A policy that says ``on_clash: rename`` itself means it; by default such hosts are avoided."""
    if not policy.names.asked or policy.names.on_clash is not OnClash.RENAME:
        return
    shared = shared_names(view)
    for domain in view.cluster.domains:
        host = view.cluster.host_by_name[domain.host]
        if domain.name in shared and host.readable and not host.migration.rename:
            yield _Lack(
                host.name,
                "rename",
                f"'{domain.name}' is several domains' name; without on_clash in the policy, clashes are avoided",
            )
