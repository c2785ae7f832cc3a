"""Scenarios: a small cluster, policies, and what a plan for it must come to. One file each; ``rebalance policy test``.

::

    apiVersion: rebalancer/v1
    kind: Scenario
    metadata: {description: a crowded host is relieved}
    policies: [balance]                        # names or paths; `policy: {rules: …}` adds what a policy file could say
    cluster:
      host: {capacity: {cpu: 8, memory: 64 GiB}}        # what all hosts have, unless they say otherwise
      domain: {uses: {cpu: 1, memory: 8 GiB}}
      hosts: [{name: h1}, {name: h2}]
      domains: [{name: web, count: 6, host: h1}]        # web1 … web6
    expect: {moves: 3, domains: {h1: 3, h2: 3}}

Whatever is expected, planning again for what the plan leads to must give an empty plan (unless the policy limits what
one plan may move).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any
from uuid import NAMESPACE_DNS, uuid5

from pydantic import Field

from rebalancer.cluster import Cluster
from rebalancer.cluster.snapshot import parse_snapshot
from rebalancer.cluster.text import shown
from rebalancer.cluster.units import Seconds
from rebalancer.documents import (
    API_VERSION,
    Document,
    DurationField,
    FileModel,
    Model,
    Name,
    PositiveField,
    RateField,
    header,
    parse_document,
    validate,
)
from rebalancer.errors import InvalidInput, Position, Problem, RebalancerError
from rebalancer.plan.make import make_plan
from rebalancer.plan.model import Plan, Step
from rebalancer.policy.check import check_policy
from rebalancer.policy.file import Layer
from rebalancer.policy.history import History
from rebalancer.policy.load import load_layers, merge, parse_layers
from rebalancer.policy.model import Policy

__all__ = [
    "ClusterPart",
    "Expect",
    "HistoryPart",
    "ScenarioFile",
    "cluster_of",
    "differences",
    "history_of",
    "run_scenario",
]

_ABLE = {"live": True, "offline": True, "rename": True, "bandwidth": True, "set_bandwidth": True, "max_downtime": True}
_ABLE |= {"cancel": True}
_MOST_DOMAINS = 1000
_EFFORT = 2
"""Less than a real plan gets: scenarios are small, and many."""


class Range(Model):
    """A number between two others."""

    least: int = 0
    most: int | None = None

    def has(self, number: int) -> bool:
        return self.least <= number and (self.most is None or number <= self.most)

    def __str__(self) -> str:
        return f"{self.least} or more" if self.most is None else f"{self.least} to {self.most}"


class ClusterPart(Model):
    """A cluster as in a snapshot, with less to write."""

    host: dict[str, Any] = Field(default_factory=dict)
    """Keys of all hosts, unless they say otherwise. A host can do all that a migration may need by default."""
    domain: dict[str, Any] = Field(default_factory=dict)
    """Keys of all domains, unless they say otherwise. A domain has a UUID of its name by default."""
    hosts: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    """Hosts as in a snapshot."""
    domains: tuple[dict[str, Any], ...] = ()
    """Domains as in a snapshot; ``count: 3`` makes three of one, numbered from 1."""
    links: tuple[dict[str, Any], ...] = ()
    """Links as in a snapshot."""
    taken_at: str = ""
    """When it was read, which is what ``windows`` go by: ``2026-11-22T18:00:00Z``."""


class HistoryPart(Model):
    """What happened before."""

    moved: Mapping[str, tuple[DurationField, ...]] = Field(default_factory=dict)
    """Domain → how long ago it moved, each time: ``{web1: [10 min, 2 h]}``."""
    advice: tuple[Mapping[str, Name], ...] | None = None
    """Placements that were advised before, oldest first: ``[{web1: h2}]``."""


class Expect(Model):
    """What the plan must come to; what is left out may be anything."""

    moves: int | Range | None = None
    """How many domains change their host."""
    placement: Mapping[str, Name | tuple[Name, ...]] = Field(default_factory=dict)
    """Domain → its host, or a list of hosts of which any will do."""
    stay: tuple[Name, ...] = ()
    """Domains that are not moved."""
    empty: tuple[Name, ...] = ()
    """Hosts that run nothing in the end."""
    domains: Mapping[str, int | Range] = Field(default_factory=dict)
    """Host → how many domains it runs in the end."""
    together: tuple[tuple[Name, ...], ...] = ()
    """Domains that share one host in the end."""
    apart: tuple[tuple[Name, ...], ...] = ()
    """Domains that are on different hosts in the end."""
    unplaced: tuple[Name, ...] | None = None
    """Domains that stand where they must not and could not be brought elsewhere."""
    violations: int | None = None
    """How many elements of hard rules are broken in the end."""
    notes: tuple[str, ...] = ()
    """What the plan's notes must contain."""
    order: tuple[tuple[Name, Name], ...] = ()
    """Pairs of domains: the first has moved before the second starts to."""
    at_once: tuple[tuple[Name, ...], ...] = ()
    """Domains whose moves start at the same moment."""
    bandwidth: Mapping[str, RateField] = Field(default_factory=dict)
    """Domain → the rate with which its move starts at most."""
    one_by_one: tuple[tuple[Name, ...], ...] = ()
    """Domains that all move, none while another does."""
    no_delay: tuple[Name, ...] = ()
    """Domains whose moves start when the plan does."""
    parallel: PositiveField | None = None
    """How many moves go on at once at most."""
    settings: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    """Domain → how it is migrated: ``{web1: {live: false, timeout: 1800}}``, in base units."""
    reason: Mapping[str, Name] = Field(default_factory=dict)
    """Domain that cannot be moved → what the reasons must contain."""
    refused: str | None = None
    """What the error must contain with which the policy is refused."""


class ScenarioFile(FileModel):
    """A cluster, policies, and what a plan must come to."""

    policies: tuple[Name, ...] = ()
    policy: dict[str, Any] = Field(default_factory=dict)
    cluster: ClusterPart
    history: HistoryPart | None = None
    expect: Expect


def run_scenario(text: str, file: str, read: Callable[[str], str]) -> tuple[str, ...]:
    """What is not as expected; nothing: the scenario holds. Raises InvalidInput where the file itself is wrong."""
    document = parse_document(text, file)
    header(document, "Scenario")
    scenario = validate(document, ScenarioFile)
    cluster = _cluster(document, scenario.cluster)
    expect = scenario.expect
    try:
        policy = _policy(document, scenario, read)
        errors, _ = check_policy(policy, cluster)
        if errors:
            raise InvalidInput(errors)
        plan = make_plan(cluster, policy, history=history_of(scenario.history, cluster), effort=_EFFORT)
    except RebalancerError as error:
        if expect.refused is not None and expect.refused in str(error):
            return ()
        return (f"is refused: {error}",)
    if expect.refused is not None:
        return (f"is not refused; expected: {expect.refused}",)
    return (*differences(cluster, plan, expect), *_unstable(cluster, policy, plan))


def _policy(document: Document, scenario: ScenarioFile, read: Callable[[str], str]) -> Policy:
    named = load_layers(scenario.policies, read, beside=document.file)
    layers: list[Layer] = [layer for each in named for layer in each]
    if scenario.policy or not layers:
        text = json.dumps({"apiVersion": API_VERSION, "kind": "Policy", **scenario.policy}, indent=1)
        layers += parse_layers(text, "policy", resolve=_no_extends)
    return merge(layers)


def _no_extends(spec: str, position: Position) -> tuple[str, str]:
    raise InvalidInput(f"write {shown(spec)} under 'policies' instead", position)


def cluster_of(part: ClusterPart, file: str = "") -> Cluster:
    """The cluster that is meant; raises InvalidInput, with positions in what a snapshot of it would be."""
    hosts = [{"migration": _ABLE, **part.host, **host} for host in part.hosts]
    domains = [item for domain in part.domains for item in _domains({**part.domain, **domain})]
    data: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "Cluster",
        "hosts": hosts,
        "domains": domains,
        "links": list(part.links),
    }
    if part.taken_at:
        data["metadata"] = {"taken_at": part.taken_at}
    return parse_snapshot(json.dumps(data), file)


def _cluster(document: Document, part: ClusterPart) -> Cluster:
    try:
        return cluster_of(part, document.file)
    except InvalidInput as error:
        position = document.position(["cluster"], key=True)
        raise InvalidInput([Problem(f"cluster: {each.message}", position) for each in error.problems]) from error


def _domains(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    count = entry.pop("count", None)
    name = str(entry.get("name", ""))
    if count is None:
        yield {"uuid": str(uuid5(NAMESPACE_DNS, name)), **entry}
        return
    for number in range(1, min(int(count), _MOST_DOMAINS) + 1 if isinstance(count, int) else 1):
        numbered = f"{name}{number}"
        yield {"uuid": str(uuid5(NAMESPACE_DNS, numbered)), **entry, "name": numbered}


def history_of(part: HistoryPart | None, cluster: Cluster) -> History | None:
    if part is None:
        return None
    uuids = {domain.name: domain.uuid for domain in cluster.domains}
    moves = {uuids.get(name, name): tuple(Seconds(-ago) for ago in times) for name, times in part.moved.items()}
    advice = part.advice and tuple({uuids.get(name, name): to for name, to in each.items()} for each in part.advice)
    return History(now=Seconds(0.0), moves=moves, advice=advice)


def differences(cluster: Cluster, plan: Plan, expect: Expect) -> Iterator[str]:
    """In what a plan is not as expected."""
    ends = {domain.name: plan.placement.get(domain.uuid, domain.host) for domain in cluster.active_domains}
    counts = Counter(ends.values())
    asked = [*expect.placement, *expect.stay, *(n for names in (*expect.together, *expect.apart) for n in names)]
    unknown = [name for name in asked if name not in ends]
    unknown += [name for name in (*expect.empty, *expect.domains) if name not in cluster.host_by_name]
    if unknown:
        yield f"there is no {', '.join(unknown)} in the cluster"
        return
    yield from _numbers(plan, expect, counts)
    for name, hosts in expect.placement.items():
        if ends[name] not in ([hosts] if isinstance(hosts, str) else hosts):
            yield f"{name} is on {ends[name]}, not on {hosts if isinstance(hosts, str) else ' or '.join(hosts)}"
    homes = {domain.name: domain.host for domain in cluster.active_domains}
    yield from (f"{name} moves to {ends[name]}" for name in expect.stay if ends[name] != homes[name])
    yield from (f"{host} still runs {counts[host]} domains" for host in expect.empty if counts[host])
    for names in expect.together:
        if len({ends[name] for name in names}) > 1:
            yield f"{', '.join(names)} are not together: {', '.join(ends[name] for name in names)}"
    for names in expect.apart:
        if len({ends[name] for name in names}) < len(names):
            yield f"{', '.join(names)} are not apart: {', '.join(ends[name] for name in names)}"
    yield from _of_steps(plan, expect)
    yield from (f"no note says {shown(words)}: {plan.notes}" for words in expect.notes if words not in str(plan.notes))


def _of_steps(plan: Plan, expect: Expect) -> Iterator[str]:
    names = {domain.uuid: domain.name for domain in plan.snapshot.active_domains}
    steps = [(names[step.uuid], step) for step in plan.steps]
    for name, step in steps:
        yield from _of_step(name, step, expect)
    moving = {name for name, _ in steps}
    yield from (f"{name} does not move" for name in (*expect.settings, *expect.bandwidth) if name not in moving)
    yield from _of_times(steps, expect)
    found = {each.domain: "; ".join(each.reasons.values()) for each in plan.unplaced}
    for name, words in expect.reason.items():
        if words not in found.get(name, ""):
            yield f"no reason for {name} says {shown(words)}: {found.get(name)}"


def _of_step(name: str, step: Step, expect: Expect) -> Iterator[str]:
    for key, wanted in expect.settings.get(name, {}).items():
        if getattr(step.settings, key, None) != wanted:
            yield f"{name} is migrated with {key}: {getattr(step.settings, key, None)}, not {wanted}"
    if step.bandwidth is not None and step.bandwidth > expect.bandwidth.get(name, step.bandwidth):
        yield f"{name} moves at {step.bandwidth} bytes per second"


def _of_times(steps: Sequence[tuple[str, Step]], expect: Expect) -> Iterator[str]:
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    for name, step in steps:
        starts.setdefault(name, step.predicted.start)
        ends[name] = step.predicted.end
    busy = [sum(o.predicted.start <= s.predicted.start < o.predicted.end for _, o in steps) for _, s in steps]
    if expect.parallel is not None and max(busy, default=0) > expect.parallel:
        yield f"{max(busy)} moves go on at once, not {expect.parallel}"
    for first, second in expect.order:
        if first not in ends or second not in starts or starts[second] < ends[first] - 1e-6:
            yield f"{second} does not wait for {first}"
    for alone in expect.one_by_one:
        times = sorted((starts[name], ends[name]) for name in alone if name in starts)
        if len(times) < len(alone) or any(after < end - 1e-6 for (_, end), (after, _) in pairwise(times)):
            yield f"{', '.join(alone)} do not move one by one"
    yield from (f"{name} does not start at once" for name in expect.no_delay if starts.get(name) != 0.0)
    for together in expect.at_once:
        if len({starts.get(name) for name in together}) != 1:
            yield f"{', '.join(together)} do not start at once"


def _numbers(plan: Plan, expect: Expect, counts: Mapping[str, int]) -> Iterator[str]:
    if expect.moves is not None and not _has(expect.moves, len(plan.placement)):
        yield f"{len(plan.placement)} moves, not {expect.moves}; notes: {list(plan.notes)}"
    for host, wanted in expect.domains.items():
        if not _has(wanted, counts.get(host, 0)):
            yield f"{host} runs {counts.get(host, 0)} domains, not {wanted}"
    unplaced = {each.domain for each in plan.unplaced}
    if expect.unplaced is not None and unplaced != set(expect.unplaced):
        yield f"unplaced: {_listed(unplaced)}, not {_listed(expect.unplaced)}"
    if expect.violations is not None and len(plan.violations_after) != expect.violations:
        broken = "; ".join(breach.text for breach in plan.violations_after)
        yield f"{len(plan.violations_after)} violations, not {expect.violations}: {broken}"


def _has(wanted: int | Range, number: int) -> bool:
    return wanted.has(number) if isinstance(wanted, Range) else wanted == number


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _unstable(cluster: Cluster, policy: Policy, plan: Plan) -> Iterator[str]:
    limits = policy.limits
    of_one_plan = (limits.max_moves, limits.max_bytes, limits.per_host, limits.arrivals_per_host, limits.per_group)
    if any(limit is not None for limit in of_one_plan):
        return  # What one plan may not do, the next one does.
    after = tuple(replace(domain, host=plan.placement.get(domain.uuid, domain.host)) for domain in cluster.domains)
    again = make_plan(replace(cluster, domains=after), policy, effort=_EFFORT)
    if again.placement:
        yield f"planning again moves {len(again.placement)} more"
