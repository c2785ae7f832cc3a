"""Domains that share their hosts with nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import model_validator

from rebalancer.documents import Name
from rebalancer.placement.primitives import GroupsApart
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import (
    Finding,
    HostsField,
    Rule,
    across_findings,
    host_mask,
    hosts_findings,
    key_findings,
    selector_findings,
    short,
)
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.groups import groups_of, groups_title
from rebalancer.policy.masks import Rows
from rebalancer.policy.view import View

__all__ = ["Isolate"]


class Isolate(Rule):
    """For every zone that has a domain of a group: all domains in it are of that group. With ``hosts``: the selected
    domains run on these hosts, and all others do not.

    A zone is a host, or all hosts with the same value of a label (``across: rack``). Of every zone the kinds of domains
    too many count: the domains of no group are one kind together. A domain that moves counts on both ends.
    """

    word: ClassVar[str] = "isolate"

    group: DomainKey | None = None
    """Domains with the same text are one group, e.g. ``labels.tenant``; without the label: none. By default all
    selected domains are one group."""
    select: DomainSelector = DomainSelector("true")
    """Which domains are not to meet others."""
    across: Name = "host"
    """``host``, or the label of hosts whose values are the zones. A host without the label is a zone of its own."""
    hosts: HostsField | None = None
    """The hosts that are theirs alone: a CEL expression over hosts, or a list of names. By default any will do that
    nobody else is on."""

    @model_validator(mode="after")
    def _one_group_owns_hosts(self) -> Self:
        if self.hosts is not None and (self.group is not None or self.across != "host"):
            raise ValueError("says hosts and also group or across; hosts belong to the domains of one 'select'")
        if self.group is None and self.select.source == "true":
            raise ValueError("isolates all domains from no others; add 'select' or 'group'")
        return self

    @property
    def detail(self) -> str:
        return groups_title(self.group, self.select, self.across)

    def terms(self, view: View) -> Iterable[Term]:
        if self.hosts is None:
            # The domains of no group get the number 0.
            group = groups_of(self.group, self.select, view) + 1
            yield self.term(GroupsApart(group=group, zone=view.zones(self.across)))
            return
        own = host_mask(self.hosts, view)
        names, what = [host.name for host in view.hosts], short(self.select)
        rows = Rows(len(view.domains), len(view.hosts))
        for d, selected in enumerate(view.where(self.select.matches)):
            if selected:
                rows.restrict(d, "in", lambda: own, lambda host: f"{names[host]} is none of its own hosts")
            else:
                rows.restrict(d, "out", lambda: ~own, lambda host: f"{names[host]} is kept for {what}")
        primitive = rows.primitive()
        if primitive is not None:
            yield self.term(primitive)

    def check(self, view: View) -> Iterator[Finding]:
        yield from selector_findings(self.select, view)
        yield from key_findings(self.group, self.select, view)
        yield from across_findings(self.across, view, "each such host is a zone of its own")
        if self.hosts is not None:
            yield from hosts_findings(self.hosts, view)
