"""Who is on which host now, counting what arrives and what has not left yet: room and names, before each start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from rebalancer.cluster import Cluster, Domain
from rebalancer.cluster.units import format_bytes, format_number
from rebalancer.drivers import Entry
from rebalancer.plan.model import Step
from rebalancer.values import dataclass

__all__ = ["Ledger"]

SIZES = frozenset({"memory", "disk"})


@dataclass(slots=True, kw_only=True)
class _Resident:
    name: str
    active: bool
    uses: Mapping[str, float] = field(default_factory=dict)
    arriving: bool = False


class Ledger:
    """``limits``: resource → host → most that active domains may take together, in the resource's unit.

    A domain that moves counts as much as the plan says (``Step.uses``), any other as much as was read. A host that is
    over a limit from the start may be filled up to where it was: it is not made worse.
    """

    def __init__(self, cluster: Cluster, steps: Iterable[Step], limits: Mapping[str, Mapping[str, float]]) -> None:
        self._planned = {step.uuid: step.uses for step in steps}
        self._on: dict[str, dict[str, _Resident]] = {host.name: {} for host in cluster.hosts}
        for domain in cluster.domains:
            self._add(domain)
        self._limits = {
            resource: {host: max(limit, self._taken(host, resource)) for host, limit in of_hosts.items()}
            for resource, of_hosts in limits.items()
        }

    def shortage(self, step: Step, reserved: Mapping[str, float] | None = None) -> str | None:
        """What the destination lacks for this step, ``reserved`` being kept for others; None: there is room."""
        for resource, limits in self._limits.items():
            needed = step.uses.get(resource, 0.0)
            if step.destination not in limits or needed <= 0:
                continue
            free = limits[step.destination] - self._taken(step.destination, resource, step.uuid)
            free -= (reserved or {}).get(resource, 0.0)
            # Sums of fractions (cores) must not refuse what fits exactly.
            if needed > free + 1e-9 * abs(limits[step.destination]):
                amounts = f"{_amount(resource, needed)} needed, {_amount(resource, max(free, 0.0))} free"
                return f"no room on {step.destination}: {resource}: {amounts}"
        return None

    def reserved(self, waiting: Iterable[Step], leaving: Iterable[Step]) -> dict[str, float]:
        """Room on a host that ``waiting`` steps will take there, beyond what ``leaving`` ones will free for them."""
        arrivals, departures = list(waiting), list(leaving)
        return {
            resource: max(
                sum(step.uses.get(resource, 0.0) for step in arrivals)
                - sum(step.uses.get(resource, 0.0) for step in departures),
                0.0,
            )
            for resource in self._limits
        }

    def name_taken(self, step: Step) -> str | None:
        """Who else has the step's name on the destination; None: it is free."""
        for uuid, resident in self._on.get(step.destination, {}).items():
            if resident.name == step.name_after and uuid != step.uuid:
                return f"the name '{step.name_after}' is taken on {step.destination} by {uuid}"
        return None

    def arrive(self, step: Step) -> None:
        """The migration has begun: the domain counts on both hosts."""
        self._on.setdefault(step.destination, {})[step.uuid] = _Resident(
            name=step.name_after, active=True, uses=step.uses, arriving=True
        )

    def moved(self, step: Step) -> None:
        self._on[step.source].pop(step.uuid, None)
        self._on[step.destination][step.uuid].arriving = False

    def stayed(self, step: Step) -> None:
        self._on[step.destination].pop(step.uuid, None)

    def is_as_known(self, host: str, roster: Mapping[str, Entry]) -> bool:
        """Whether a host lists just what is booked there."""
        booked = {u: (r.name, r.active) for u, r in self._on.get(host, {}).items() if not r.arriving}
        arriving = {u for u, r in self._on.get(host, {}).items() if r.arriving}
        return booked == {u: (entry.name, entry.active) for u, entry in roster.items() if u not in arriving}

    def observe(self, host: str, domains: Iterable[Domain]) -> None:
        """Takes in what a host lists: newcomers count, what has gone does not; rates of the plan stay."""
        residents = self._on.setdefault(host, {})
        listed = {domain.uuid: domain for domain in domains}
        for uuid in [uuid for uuid, r in residents.items() if uuid not in listed and not r.arriving]:
            del residents[uuid]
        for uuid, domain in listed.items():
            resident = residents.get(uuid)
            if resident is None:
                self._add(domain)
            elif not resident.arriving:
                resident.name, resident.active = domain.name, domain.state.active

    def _add(self, domain: Domain) -> None:
        self._on.setdefault(domain.host, {})[domain.uuid] = _Resident(
            name=domain.name, active=domain.state.active, uses=self._planned.get(domain.uuid) or domain.uses
        )

    def _taken(self, host: str, resource: str, but: str | None = None) -> float:
        return sum(
            resident.uses.get(resource, 0.0)
            for uuid, resident in self._on.get(host, {}).items()
            if resident.active and uuid != but
        )


def _amount(resource: str, value: float) -> str:
    return format_bytes(value) if resource in SIZES else format_number(value)
