"""A rule or goal against its definition, on thousands of small random clusters: for tests of one's own, with pytest.

A test file says how to draw a clause at random and what a placement costs by the clause's documentation, in plain
Python over hosts and domains; :func:`compare` does the rest::

    from rebalancer.policy.conformance import Placed, compare, some_domains, some_hosts

    def draw(random: Random, view: View) -> Ban:
        return Ban(select=some_domains(random), hosts=some_hosts(random, view))

    def definition(rule: Ban, placed: Placed) -> float:
        banned = placed.chosen_hosts(rule.hosts)
        return sum(placed.host(domain) in banned for domain in placed.selected(rule.select))

    def test_it_costs_what_it_says() -> None:
        compare(draw, definition)

For each case the clause is compiled, a few domains are moved at random, and after each move

* the compiled cost equals the definition,
* what each host would change for a domain (what the search goes by) equals the difference of two definitions,
* costs that were kept up to date equal those computed from nothing, hard rules' "made worse" included.

A definition is without a rule's ``soft``: the harness draws that, too, and multiplies. A goal's definition has all
its weights in. ``REBALANCE_CASES=2000 pytest tests/policy`` runs so many cases of each clause (200 by default);
a failure names its case, and ``compare(…, only=17)`` runs that one alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import lru_cache
from random import Random
from typing import TypeVar

import pytest

from rebalancer.cluster import Capabilities, Cluster, Domain, DomainState, Host, HostState, Link, MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond
from rebalancer.placement.primitives import IntArray
from rebalancer.placement.problem import Problem
from rebalancer.placement.state import State
from rebalancer.policy.clause import During, Goal, Rule
from rebalancer.policy.expressions import DomainKey, DomainSelector, HostSelector
from rebalancer.policy.view import View
from rebalancer.values import dataclass

__all__ = [
    "Placed",
    "compare",
    "counts",
    "random_cluster",
    "some_domains",
    "some_hosts",
    "some_key",
    "some_zones",
    "with_loads",
]

_GIB = 2**30
_ABLE = Capabilities(live=True, offline=True, rename=True, bandwidth=True, max_downtime=True, cancel=True)
_MOVES = 3

C = TypeVar("C", bound=Rule | Goal)


@dataclass(frozen=True)
class Placed:
    """A placement as a definition sees it: domains on hosts, nothing else."""

    view: View
    at: Mapping[str, Host]
    """UUID → host"""

    @property
    def hosts(self) -> tuple[Host, ...]:
        return self.view.hosts

    @property
    def domains(self) -> tuple[Domain, ...]:
        """Those that occupy a host."""
        return self.view.domains

    def host(self, domain: Domain) -> Host:
        """Where the placement has it."""
        return self.at[domain.uuid]

    def home(self, domain: Domain) -> Host:
        """Where it stands now, before any move."""
        return self.view.cluster.host_by_name[domain.host]

    def moved(self, domain: Domain) -> bool:
        return self.host(domain) is not self.home(domain)

    def on(self, host: Host) -> tuple[Domain, ...]:
        return tuple(domain for domain in self.domains if self.host(domain) is host)

    def load(self, host: Host, resource: str) -> float:
        return sum(domain.uses.get(resource, 0.0) for domain in self.on(host))

    def selected(self, select: DomainSelector) -> tuple[Domain, ...]:
        return _selected(self.view, select)

    def chosen_hosts(self, hosts: HostSelector | tuple[str, ...]) -> tuple[Host, ...]:
        return _chosen(self.view, hosts)

    def zone(self, host: Host, across: str, *, alone: bool) -> Hashable | None:
        """A host's zone. ``alone``: whether a host without the label is a zone of its own; otherwise it has none."""
        if across == "host":
            return host.name
        return host.labels.get(across, ("alone", host.name) if alone else None)

    def groups(self, group: DomainKey | None, select: DomainSelector) -> dict[str | None, list[Domain]]:
        """The selected domains by group; all in one (None) where there is no key."""
        return _groups(self.view, group, select)


@lru_cache(maxsize=16)
def _selected(view: View, select: DomainSelector) -> tuple[Domain, ...]:
    return tuple(item for item in view.domains if select.matches(item))


@lru_cache(maxsize=16)
def _chosen(view: View, hosts: HostSelector | tuple[str, ...]) -> tuple[Host, ...]:
    return tuple(
        item for item in view.hosts if (item.name in hosts if isinstance(hosts, tuple) else hosts.matches(item))
    )


@lru_cache(maxsize=16)
def _groups(view: View, group: DomainKey | None, select: DomainSelector) -> dict[str | None, list[Domain]]:
    found: dict[str | None, list[Domain]] = {}
    for item in _selected(view, select):
        key = None if group is None else group.key(item)
        if group is None or key is not None:
            found.setdefault(key, []).append(item)
    return found


def compare(
    draw: Callable[[Random, View], C],
    definition: Callable[[C, Placed], float],
    *,
    clusters: Callable[[Random], Cluster] | None = None,
    cases: int = 200,
    only: int | None = None,
) -> None:
    """Raises AssertionError at the first of so many cases in which a clause does not cost what its definition says."""
    for case in range(cases) if only is None else (only,):
        random = Random(f"{definition.__module__}.{definition.__qualname__} {case}")
        view = View((clusters or random_cluster)(random))
        clause = _with_common_keys(draw(random, view), random)
        _walk(clause, definition, view, random, case)


def _with_common_keys(clause: C, random: Random) -> C:
    if not isinstance(clause, Rule):
        return clause
    update: dict[str, object] = {"during": random.choice(list(During))}
    if clause.soft is None and random.random() < 0.3:
        update["soft"] = random.choice([0.5, 3.0])
    return clause.model_copy(update=update)


def _walk(clause: C, definition: Callable[[C, Placed], float], view: View, random: Random, case: int) -> None:
    terms = tuple(clause.terms(view))
    factor = 1.0
    if isinstance(clause, Rule):
        factor = 1.0 if clause.soft is None else clause.soft
        assert all(term.hard is (clause.soft is None) for term in terms), f"case {case}: {clause!r}"
        assert all(term.continuous is (clause.during is During.CONTINUOUS) for term in terms), f"case {case}"
    problem = Problem(
        hosts=tuple(item.name for item in view.hosts),
        domains=tuple(item.uuid for item in view.domains),
        start=view.start,
        terms=terms,
    )

    def defined(placement: IntArray) -> float:
        at = {item.uuid: view.hosts[h] for item, h in zip(view.domains, placement, strict=True)}
        return factor * definition(clause, Placed(view, at))

    state = State(problem)
    for move in range(_MOVES + 1):
        where = f"case {case} after {move} moves, {clause!r}, placement {state.placement.tolist()}"
        expected = defined(state.placement)
        assert state.costs()[1:].sum() == pytest.approx(expected, rel=1e-9, abs=1e-7), where
        fresh = State(problem, state.placement)
        assert state.costs() == pytest.approx(fresh.costs(), rel=1e-9, abs=1e-7), where
        if not len(view.domains):
            return
        chosen = random.randrange(len(view.domains))
        change = state.shifts(chosen)
        for h in range(len(view.hosts)):
            placement = state.placement.copy()
            placement[chosen] = h
            there = f"{where}: domain {chosen} to host {h}"
            assert change[1:, h].sum() == pytest.approx(defined(placement) - expected, rel=1e-9, abs=1e-7), there
        destination = random.randrange(len(view.hosts))
        before, foreseen = state.costs(), change[:, destination]
        state.apply(chosen, destination)
        assert state.costs() - before == pytest.approx(foreseen, rel=1e-9, abs=1e-7), where


def random_cluster(random: Random) -> Cluster:
    """2 to 5 hosts and 1 to 8 domains, with whatever clauses look at, present or missing.

    Hosts: labels ``rack`` (r1 to r3), ``zone`` (z1, z2) and ``disk`` (ssd, hdd); capacities ``cpu``, ``memory`` and
    ``slots``, whole numbers or not, now and then 0. Domains: labels ``app`` (a to c), ``tier`` (web, db) and
    ``spread`` (1 to 3); uses of the same resources; memory and dirty rates to migrate. Now and then a host is in
    maintenance or cannot be reached, a domain is paused or only defined. Some are linked, over a switch a rack.
    """
    names = [f"h{number}" for number in range(1, random.randint(2, 5) + 1)]
    hosts = [
        Host(
            name=name,
            labels=_some(random, rack=["r1", "r2", "r3"], zone=["z1", "z2"], disk=["ssd", "hdd"]),
            capacity=_amounts(random, 0.93, 12),
            state=random.choices([HostState.UP, HostState.MAINTENANCE, HostState.UNREACHABLE], [10, 1, 1])[0],
            migration=_ABLE,
        )
        for name in names
    ]
    domains = [
        Domain(
            name=f"d{number}",
            uuid=f"uuid-d{number}",
            host=random.choice(names),
            labels=_some(random, app=["a", "b", "c"], tier=["web", "db"], spread=["1", "2", "3"]),
            uses=_amounts(random, 0.93, 5),
            state=random.choices([DomainState.RUNNING, DomainState.PAUSED, DomainState.SHUT_OFF], [8, 1, 1])[0],
            migration=MigrationTraits(
                memory=Bytes(random.randrange(5) * _GIB),
                dirty_rate=random.choice([None, BytesPerSecond(random.randrange(200) * 2.0**20)]),
            ),
        )
        for number in range(random.randint(1, 8))
    ]
    links = [
        Link(name=f"{item.name}-nic", connects=(item.name, item.labels.get("rack", "r1")), capacity=BytesPerSecond(1e9))
        for item in hosts
    ]
    links += [Link(name=f"{rack}-up", connects=(rack, "core"), capacity=BytesPerSecond(1e8)) for rack in _racks(hosts)]
    return Cluster(
        name="random", hosts=tuple(hosts), domains=tuple(domains), links=tuple(links) if random.random() < 0.5 else ()
    )


def with_loads(random: Random) -> Cluster:
    """:func:`random_cluster`, with a figure besides ``uses`` (``p95``) for most domains and resources."""
    found = random_cluster(random)
    domains = tuple(
        replace(item, loads={"p95": _amounts(random, 0.8, 6)} if random.random() < 0.8 else {})
        for item in found.domains
    )
    return replace(found, domains=domains)


def counts(domain: Domain, resource: str, load: str | None) -> float:
    """What a domain of :func:`with_loads` counts by a figure, or by what it uses where that is not known."""
    used = domain.uses.get(resource, 0.0)
    return used if load is None else domain.loads.get(load, {}).get(resource, used)


def _racks(hosts: list[Host]) -> list[str]:
    return sorted({item.labels.get("rack", "r1") for item in hosts})


def _some(random: Random, **labels: list[str]) -> dict[str, str]:
    return {name: random.choice(values) for name, values in labels.items() if random.random() < 0.85}


def _amounts(random: Random, present: float, most: int) -> dict[str, float]:
    whole = random.random() < 0.7
    amounts: dict[str, float] = {}
    for resource, unit in (("cpu", 1.0), ("memory", float(_GIB)), ("slots", 1.0)):
        if random.random() < present:
            amount = float(random.randint(0, most)) if whole else random.uniform(0, most)
            amounts[resource] = amount * unit
    return amounts


def some_domains(random: Random) -> DomainSelector:
    """A selector; most select a few of :func:`random_cluster`'s domains."""
    return DomainSelector(
        random.choice(
            ["true", "labels.app == 'a'", "labels.app != 'b'", "labels.tier == 'db'", "uses.cpu > 2.0", "name == 'd1'"]
        )
    )


def some_key(random: Random) -> DomainKey | None:
    """A group key of :func:`random_cluster`'s domains, or none."""
    key = random.choice(["labels.app", "labels.app", "labels.app + labels.tier", None])
    return None if key is None else DomainKey(key)


def some_zones(random: Random) -> str:
    """``host``, or a label of :func:`random_cluster`'s hosts."""
    return random.choice(["host", "rack", "zone"])


def some_hosts(random: Random, view: View) -> HostSelector | tuple[str, ...]:
    """Hosts by an expression or by name."""
    if random.random() < 0.5:
        return HostSelector(random.choice(["true", "labels.rack == 'r1'", "labels.disk == 'ssd'", "name == 'h2'"]))
    names = [item.name for item in view.hosts]
    return tuple(random.sample(names, random.randint(1, len(names))))
