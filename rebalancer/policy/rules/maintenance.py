"""Hosts that are emptied because the policy says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import ClassVar

from rebalancer.placement.primitives import BoolArray
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, HostsField, Rule, host_mask, hosts_findings, short
from rebalancer.policy.masks import Rows
from rebalancer.policy.view import View

__all__ = ["Maintenance"]


class Maintenance(Rule):
    """For every domain d: host(d) ∉ hosts.

    Adds to the hosts that are in maintenance by inventory or by their own word. A domain on a host that cannot be
    reached stays out of it: nothing can be done about it from here.
    """

    word: ClassVar[str] = "maintenance"

    hosts: HostsField
    """The hosts to empty: a CEL expression over hosts, or a list of names."""

    @property
    def detail(self) -> str:
        return ", ".join(self.hosts) if isinstance(self.hosts, tuple) else short(self.hosts)

    def terms(self, view: View) -> Iterable[Term]:
        kept = ~host_mask(self.hosts, view)
        if kept.all():
            return
        names = [host.name for host in view.hosts]
        rows = Rows(len(view.domains), len(view.hosts))
        for d, home in enumerate(view.start):
            own = None if view.hosts[home].readable else int(home)
            rows.restrict(d, own, partial(_allowed, view, kept, own), lambda host: f"{names[host]} is to be emptied")
        primitive = rows.primitive()
        if primitive is not None:
            yield self.term(primitive)

    def check(self, view: View) -> Iterator[Finding]:
        yield from hosts_findings(self.hosts, view)


def _allowed(view: View, kept: BoolArray, own: int | None) -> BoolArray:
    return kept.copy() if own is None else kept | view.only(own)
