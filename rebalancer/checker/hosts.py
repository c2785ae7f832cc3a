"""What hosts hold while a plan runs: domains, each on one host or between two, their names, and what they use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rebalancer.checker.situation import Situation
from rebalancer.cluster.units import format_number
from rebalancer.placement.primitives import Capacity
from rebalancer.plan.model import Step
from rebalancer.policy.model import OnClash
from rebalancer.values import dataclass

__all__ = ["Capacities", "Inhabitants"]


@dataclass(slots=True)
class _Place:
    host: str
    name: str
    going: str | None = None
    """Where to, while it is on the move."""


class Inhabitants:
    """Who is where under which name. ``start`` and ``finish`` follow a step and yield what is wrong with it."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        cluster = situation.cluster
        self._places: dict[str, _Place] = {}
        for domain in cluster.active_domains:
            self._places.setdefault(domain.uuid, _Place(domain.host, domain.name))
        # A definition of a domain that runs elsewhere is taken up when that comes under its name, and by nobody else.
        self._left = {
            (domain.host, domain.uuid): domain.name
            for domain in cluster.domains
            if not domain.state.active and domain.uuid in self._places
        }
        self._kept = {(host, name): uuid for (host, uuid), name in self._left.items()}
        there = [domain for domain in cluster.domains if (domain.host, domain.uuid) not in self._left]
        self._names = Counter((domain.host, domain.name) for domain in there)
        self._seen = Counter((domain.host, domain.uuid) for domain in there)

    def start(self, step: Step) -> Iterator[str]:
        place = self._places.get(step.uuid)
        if place is None:
            yield f"{step.id}: no domain {step.uuid} runs"
            return
        if place.going is not None:
            yield f"{step.id}: '{step.domain}' is still on its way from {place.host} to {place.going}"
        if (place.host, place.name) != (step.source, step.domain):
            yield f"{step.id}: '{step.domain}' is '{place.name}' on {place.host}, not on {step.source}"
        if step.source == step.destination:
            yield f"{step.id}: leads from {step.source} to itself"
        if self._seen[step.destination, step.uuid]:
            yield f"{step.id}: {step.destination} has a domain with the UUID of '{step.domain}' already"
        if (left := self._left.get((step.destination, step.uuid), step.name_after)) != step.name_after:
            yield f"{step.id}: {step.destination} knows the UUID of '{step.domain}' as '{left}'"
        place.going = step.destination
        self._names[step.destination, step.name_after] += 1
        self._seen[step.destination, step.uuid] += 1

    def name(self, step: Step) -> Iterator[str]:
        """To be asked once the step has started."""
        place = (step.destination, step.name_after)
        if self._names[place] > 1 or self._kept.get(place, step.uuid) != step.uuid:
            yield f"{step.id}: '{step.name_after}' is on {step.destination} twice"
        if step.name_after == step.domain:
            return
        if self._situation.names.on_clash is not OnClash.RENAME:
            yield f"{step.id}: the policy lets no domain be renamed"
        if not self._situation.cluster.host_by_name[step.source].migration.rename:
            yield f"{step.id}: {step.source} cannot rename what leaves it"

    def finish(self, step: Step) -> None:
        place = self._places.get(step.uuid)
        if place is not None:
            place.host, place.name, place.going = step.destination, step.name_after, None
        self._names[step.source, step.domain] -= 1
        self._seen[step.source, step.uuid] -= 1

    def ends(self, uuid: str) -> tuple[str, ...]:
        """The host that has the domain, or the two that it is between."""
        place = self._places[uuid]
        return (place.host,) if place.going is None else (place.host, place.going)

    def misplaced(self) -> Iterator[str]:
        """Whose place at the end is not the one planned."""
        situation = self._situation
        for uuid, start in situation.standing:
            wanted = situation.target.get(uuid, situation.hosts[start])
            if self.ends(uuid) != (wanted,):
                yield f"'{self._places[uuid].name}' ends on {' and '.join(self.ends(uuid))}, not on {wanted}"


class Capacities:
    """The loads of hosts; a domain on the move counts on both ends. No host goes beyond its limit, or beyond where it
    stood at the start if that was more."""

    def __init__(self, situation: Situation) -> None:
        self._homes = {uuid: situation.hosts[host] for uuid, host in situation.standing}
        terms = (term for term in situation.terms if term.continuous)
        self._rules = [_Load(t.name, t.primitive, situation) for t in terms if isinstance(t.primitive, Capacity)]

    def start(self, step: Step) -> Iterator[str]:
        for rule in self._counting(step, step.destination):
            yield from rule.add(step)

    def finish(self, step: Step) -> None:
        for rule in self._counting(step, step.source):
            rule.load[step.source] -= rule.demand[step.uuid]

    def _counting(self, step: Step, host: str) -> Iterator[_Load]:
        """The rules by which the domain comes or goes there; where both ends count, it has never left its home."""
        home = self._homes.get(step.uuid)
        return (rule for rule in self._rules if home is not None and not (rule.both_ends and host == home))


class _Load:
    def __init__(self, name: str, rule: Capacity, situation: Situation) -> None:
        self.name = name
        self.both_ends = rule.both_ends
        self.demand = dict(zip(situation.domains, rule.demand.tolist(), strict=True))
        self.load = dict.fromkeys(situation.hosts, 0.0)
        for uuid, host in situation.standing:
            self.load[situation.hosts[host]] += self.demand[uuid]
        limits = zip(situation.hosts, rule.limit.tolist(), strict=True)
        self._bound = {host: max(limit, self.load[host]) for host, limit in limits}

    def add(self, step: Step) -> Iterator[str]:
        host, demand = step.destination, self.demand[step.uuid]
        self.load[host] += demand
        over = self.load[host] - self._bound[host]
        if demand > 0 and over > 1e-6 * max(abs(self._bound[host]), 1.0):
            yield f"{step.id}: {self.name}: {format_number(over)} too much on {host}"
