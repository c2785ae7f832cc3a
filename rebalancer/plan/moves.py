"""What is to be scheduled, and what of it no schedule can be found for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from rebalancer.cluster import Caps, Cluster, Domain, MigrationTraits
from rebalancer.cluster.network import DirectedLink
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.errors import PlanImpossible
from rebalancer.placement.primitives import IntArray
from rebalancer.placement.problem import Problem
from rebalancer.plan.experience import Experience
from rebalancer.plan.migration_model import switchover_burst
from rebalancer.plan.model import Deadline
from rebalancer.plan.precopy import HEADROOM, least_rate
from rebalancer.plan.rates import Flow
from rebalancer.policy.model import MigrationSettings, Names
from rebalancer.policy.steps import StepRules
from rebalancer.values import dataclass

__all__ = ["TOO_NARROW", "Moves", "StuckMovesError", "floor_of", "flow_of"]

TOO_NARROW = "there is less room on its way than any migration takes"
"""How the reason begins where that is so."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Moves:
    """What is to be scheduled. Indices of domains and hosts are the problem's.

    ``settings``: for each domain; ``slots``: how many may cross a link at once, in each direction; ``rules``: what a
    policy says about the order and the times of steps. ``domains`` send as much as ``experience`` says.
    """

    cluster: Cluster
    problem: Problem
    domains: tuple[Domain, ...]
    placement: IntArray
    settings: Sequence[MigrationSettings]
    names: Names
    caps: Caps
    slots: Mapping[str, int] = field(default_factory=dict)
    rules: StepRules = field(default_factory=StepRules)
    experience: Experience = field(default_factory=Experience)
    deadline: Deadline | None = None
    old_names: Mapping[int, str] = field(default_factory=dict)
    """Domain → the name that it had before it was renamed, where it is to get that back."""
    reluctant: frozenset[int] = frozenset()
    """Domains that step aside for nobody."""
    per_hour: int | None = None
    """How many migrations may start in any hour, ``moved_lately`` counted: others, so many seconds ago."""
    moved_lately: tuple[float, ...] = ()


class StuckMovesError(PlanImpossible):
    """The moves that no order, not even with detours, could make: domain (index) → what is missing, in words.

    ``proved``: every order was looked at, or it can be told without; else the search for one was broken off.
    ``knots``: sets of these domains whose destinations cannot be reached together, whatever the others do.
    """

    def __init__(
        self,
        stuck: Mapping[int, str],
        message: str,
        *,
        proved: bool = False,
        knots: tuple[frozenset[int], ...] = (),
    ) -> None:
        self.stuck = stuck
        self.proved = proved
        self.knots = knots
        super().__init__(message)


def floor_of(traits: MigrationTraits, settings: MigrationSettings) -> BytesPerSecond:
    """The rate that a migration needs to converge."""
    if not settings.live:
        return BytesPerSecond(0.0)
    least = least_rate(float(traits.memory), traits.writing, settings.max_downtime)
    written = traits.disk_writes if traits.disk else 0.0
    return BytesPerSecond(max(written + least, written * HEADROOM))


def flow_of(moves: Moves, domain: int, route: tuple[DirectedLink, ...], unit: int) -> Flow:
    """A migration of the domain as the links on its route see it."""
    settings = moves.settings[domain]
    return Flow(
        route=route,
        ceiling=BytesPerSecond(float("inf")) if settings.bandwidth is None else settings.bandwidth,
        max_downtime=settings.max_downtime,
        burst=switchover_burst(moves.domains[domain].migration) if settings.live else 0.0,
        unit=unit,
        floor=floor_of(moves.domains[domain].migration, settings),
        weight=settings.weight,
    )
