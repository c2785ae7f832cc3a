"""What the section ``steps:`` comes to for a cluster, and what in it does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from rebalancer.cluster.text import shown
from rebalancer.errors import InvalidInput, Problem
from rebalancer.policy.clause import Caution, Finding, key_findings, selector_findings, short
from rebalancer.policy.expressions import DomainKey, DomainSelector
from rebalancer.policy.groups import groups_title
from rebalancer.policy.model import Located, Policy
from rebalancer.policy.steps import GroupEntry, Order, PrecedenceEntry, StepGroup, StepRules, TimeLimit
from rebalancer.policy.view import View

__all__ = ["step_findings", "step_rules"]


def step_rules(policy: Policy, view: View) -> StepRules:
    """Raises InvalidInput where one of the selectors fails for a domain."""
    steps = policy.steps
    return StepRules(
        precedence=tuple(order for located in steps.precedence for order in _orders(located.entry, view)),
        serialize=tuple(group for located in steps.serialize for group in _groups("serialize", located.entry, view)),
        sync=tuple(group for located in steps.sync for group in _groups("sync", located.entry, view)),
        deadline=tuple(
            TimeLimit(
                name=f"deadline: {short(located.entry.select)}",
                domains=_selected(located.entry.select, view),
                within=located.entry.within,
            )
            for located in steps.deadline
        ),
        no_delay=tuple(
            StepGroup(name=f"no_delay: {short(located.entry.select)}", domains=_selected(located.entry.select, view))
            for located in steps.no_delay
        ),
    )


def _selected(select: DomainSelector, view: View) -> frozenset[int]:
    return frozenset(np.flatnonzero(view.where(select.matches)).tolist())


def _by_group(domains: Iterable[int], group: DomainKey | None, view: View) -> Mapping[str, frozenset[int]]:
    """The domains by their group's text; all under '' where there is no key."""
    found: dict[str, set[int]] = {}
    for domain in sorted(domains):
        key = "" if group is None else group.key(view.domains[domain])
        if key is not None:
            found.setdefault(key, set()).add(domain)
    return {key: frozenset(members) for key, members in found.items()}


def _orders(entry: PrecedenceEntry, view: View) -> Iterator[Order]:
    waiting = _by_group(_selected(entry.select, view), entry.group, view)
    awaited = _by_group(_selected(entry.after, view), entry.group, view)
    name = f"precedence: {short(entry.select)} after {short(entry.after)}"
    for key, domains in waiting.items():
        if key in awaited:
            yield Order(name=f"{name} ({shown(key)})" if key else name, first=awaited[key], then=domains)


def _groups(word: str, entry: GroupEntry, view: View) -> Iterator[StepGroup]:
    name = f"{word}: {groups_title(entry.group, entry.select, 'host')}"
    for key, domains in _by_group(_selected(entry.select, view), entry.group, view).items():
        yield StepGroup(name=f"{name} ({shown(key)})" if key else name, domains=domains)


def step_findings(policy: Policy, view: View) -> Iterator[Problem]:
    """Selectors that select nothing; domains that would have to wait for themselves, or to start together and one
    after another."""
    if not policy.steps:
        return
    for word, located in policy.steps.entries():
        yield from _entry_findings(word, located, view)
    try:
        rules = step_rules(policy, view)
    except InvalidInput:
        return  # It has been reported with its position.
    yield from _circular(policy, rules, view)
    yield from _opposed(policy, view)


def _entry_findings(word: str, located: Located[object], view: View) -> Iterator[Problem]:
    entry = located.entry
    try:
        findings: list[Finding] = []
        for key in ("select", "after"):
            if isinstance(select := getattr(entry, key, None), DomainSelector):
                findings += selector_findings(select, view, key)
        if isinstance(entry, PrecedenceEntry | GroupEntry):
            findings += key_findings(entry.group, entry.select, view)
    except InvalidInput as error:
        findings = [((), problem) for problem in error.problems]
    for path, problem in findings:
        yield type(problem)(f"steps: {word}: {problem.message}", problem.position or located.source.at(path))


def _circular(policy: Policy, rules: StepRules, view: View) -> Iterator[Problem]:
    if not rules.precedence:
        return
    loop = _loop(rules.precedence)
    if loop:
        names = [shown(view.domains[domain].name) for domain in loop]
        words = " for ".join((f"{names[0]} waits", *names[1:], names[0]))
        position = policy.steps.precedence[-1].source.at()
        yield Problem(f"steps: precedence: nobody would ever start: {words}", position)


def _loop(orders: Sequence[Order]) -> list[int]:
    """Domains each of which waits for the next and the last for the first; none where there is no such loop."""
    import networkx as nx  # slow to load, and nearly no policy needs it

    graph: nx.DiGraph[tuple[str, int]] = nx.DiGraph()
    for number, order in enumerate(orders):
        # By way of the rule, so that all waiting for all is not all pairs.
        graph.add_edges_from((("domain", domain), ("rule", number)) for domain in sorted(order.then))
        graph.add_edges_from((("rule", number), ("domain", domain)) for domain in sorted(order.first))
    try:
        found = nx.find_cycle(graph)
    except nx.NetworkXNoCycle:
        return []
    return [tail[1] for tail, *_ in found if tail[0] == "domain"]


def _opposed(policy: Policy, view: View) -> Iterator[Problem]:
    """Two domains that are to start together and one at a time, or one that starts at once and waits."""
    alone = [(g, located) for located in policy.steps.serialize for g in _groups("serialize", located.entry, view)]
    for located in policy.steps.sync:
        for together in _groups("sync", located.entry, view):
            for group, other in alone:
                both = sorted(together.domains & group.domains)
                if len(both) > 1:
                    names = " and ".join(shown(view.domains[domain].name) for domain in both[:2])
                    yield Problem(
                        f"steps: sync: {names} cannot start together, as serialize"
                        f"{f' in {place}' if (place := other.source.at()) else ''} wants one at a time",
                        located.source.at(),
                    )
    waiting = frozenset(d for located in policy.steps.precedence for o in _orders(located.entry, view) for d in o.then)
    for at_once in policy.steps.no_delay:
        both = sorted(_selected(at_once.entry.select, view) & waiting)
        if both:
            yield Caution(
                f"steps: no_delay: {shown(view.domains[both[0]].name)} has to wait by precedence; where what it waits "
                "for moves, it stays where it is",
                at_once.source.at(),
            )
