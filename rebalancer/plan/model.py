"""A plan: steps, in which order, at which rate, under which name, and what the planner expects of them.

A plan is complete: the executor carries it out without policy or planner. It may be saved, reviewed and applied later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

from rebalancer.cluster import Caps, Cluster
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.placement.explain import Breach, Conflict
from rebalancer.plan.experience import Basis
from rebalancer.policy.model import MigrationSettings, Rung
from rebalancer.policy.windows import WindowEntry
from rebalancer.values import dataclass

if TYPE_CHECKING:
    import networkx as nx

__all__ = [
    "LATE",
    "NO_WAY",
    "Deadline",
    "Guards",
    "Pace",
    "Plan",
    "Prediction",
    "Reason",
    "Score",
    "Step",
    "Unplaced",
]

LATE = 1e-6
"""Seconds after a deadline that do not count."""

NO_WAY = "cannot be brought there"
"""What it is called, where rules are told by their names, that no migrations lead somewhere; no rule of a policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """When a step starts (seconds after the run's start), and what it takes."""

    start: Seconds
    duration: Seconds
    downtime: Seconds
    bytes: Bytes
    converges: bool = True
    rung: Rung | None = None
    """What of the policy's ladder it needs to end."""
    writes: Basis = Basis.ASSUMED
    """What is known of how the domain writes to its memory."""
    overheads: Basis = Basis.ASSUMED
    """What is known of how long its hosts take besides sending."""
    setup: Seconds = Seconds(0.0)
    """How long before the first byte, from the start; part of ``duration``."""
    finish: Seconds = Seconds(0.0)
    """How long after the last, to the end."""
    burst: Bytes | None = None
    """What is to be kept free of its links for its switchover; None: the plan does not say."""
    floor: BytesPerSecond | None = None
    """The rate that it needs to converge; None: the plan does not say."""

    @property
    def end(self) -> Seconds:
        return Seconds(self.start + self.duration)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A rule or goal that a step betters (or, for a step in between, serves): its cost without and with the move."""

    rule: str
    before: float
    after: float
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One migration. ``after``: ids of the steps that must have succeeded before this one may start."""

    id: str
    domain: str
    """The name that the domain has on the source when the step starts."""
    uuid: str
    source: str
    destination: str
    new_name: str | None = None
    links: tuple[str, ...] = ()
    bandwidth: BytesPerSecond | None = None
    """The rate it is started with; the executor shares links anew as others start and end."""
    after: tuple[str, ...] = ()
    uses: Mapping[str, float] = field(default_factory=dict)
    """What it takes of the destination, from its start on, and of the source, to its end."""
    settings: MigrationSettings = field(default_factory=MigrationSettings)
    predicted: Prediction
    why: tuple[Reason, ...] = ()
    action: str = "migrate"

    @property
    def name_after(self) -> str:
        return self.new_name or self.domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The cost of a placement by tier (tier 0: hard rules) and by rule or goal, weighted."""

    total: float
    """Of the soft tiers together."""
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """A domain that should move and cannot, and why: the reason for each host that was refused."""

    domain: str
    uuid: str
    host: str
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast domains may be moved, all runs together; counted again when the plan is carried out.

    ``per_domain``: so many times within so many seconds; ``cooldown``: seconds between two moves of a domain. What a
    domain had done when the plan was made, the plan has weighed; what counts is what has been done since.
    """

    per_hour: int | None = None
    per_domain: tuple[int, Seconds] | None = None
    cooldown: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What must hold at every moment of the run; the executor checks it again before each start.

    ``links``: the caps of links; ``slots``: how many migrations may cross a link at once, in each direction, where that
    is limited; ``ends``: what each link connects; ``hosts``: resource → host → limit.
    """

    links: Caps = field(default_factory=dict)
    slots: Mapping[str, int] = field(default_factory=dict)
    ends: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Hosts that are to be empty ``within`` so many seconds from the plan's start, as it is predicted.

    ``strict``: who would leave too late stays, instead of leaving late.
    """

    hosts: frozenset[str]
    within: Seconds
    strict: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a run needs, and all that a reader needs to judge it. Times in seconds from the start of the run."""

    snapshot: Cluster
    """The cluster it was made for."""
    fingerprint: str
    """Of what it relies on in that cluster."""
    policy: str
    """The digest of the policy."""
    seed: int
    created_at: str
    version: str
    steps: tuple[Step, ...] = ()
    placement: Mapping[str, str] = field(default_factory=dict)
    """UUID → host, of every domain that moves."""
    before: Score
    after: Score
    bound: float = 0.0
    """No placement has a lower score."""
    violations_before: tuple[Breach, ...] = ()
    violations_after: tuple[Breach, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    """Why rules stay broken: smallest sets that cannot be kept together."""
    notes: tuple[str, ...] = ()
    makespan_bound: Seconds = Seconds(0.0)
    """No order of these steps takes less."""
    guards: Guards = field(default_factory=Guards)
    windows: tuple[WindowEntry, ...] = ()
    """When it may be carried out; always, where there are none."""
    deadline: Deadline | None = None
    advised: Mapping[str, str] = field(default_factory=dict, compare=False)
    """UUID → host, of the best placement found, carried out or still to be confirmed; not in the plan file."""

    @cached_property
    def makespan(self) -> Seconds:
        return Seconds(max((step.predicted.end for step in self.steps), default=0.0))

    @cached_property
    def departures(self) -> Mapping[str, Step]:
        """UUID → the step after which a domain is no more on any host of the deadline."""
        hosts = self.deadline.hosts if self.deadline is not None else frozenset[str]()
        return {step.uuid: step for step in self.steps if step.source in hosts}

    @cached_property
    def late(self) -> Mapping[str, Seconds]:
        """UUID → how long after the deadline a domain leaves, of those that leave too late."""
        if self.deadline is None:
            return {}
        over = {uuid: step.predicted.end - self.deadline.within for uuid, step in self.departures.items()}
        return {uuid: Seconds(time) for uuid, time in over.items() if time > LATE}

    @cached_property
    def in_time(self) -> tuple[str, ...]:
        """UUIDs of the domains that leave by the deadline."""
        return tuple(uuid for uuid in self.departures if uuid not in self.late)

    @cached_property
    def gap(self) -> float:
        """At most this share of the score could still be gained (0: proved optimal)."""
        return (self.after.total - self.bound) / self.after.total if self.after.total > 0 else 0.0

    @cached_property
    def step_by_id(self) -> Mapping[str, Step]:
        return {step.id: step for step in self.steps}

    @cached_property
    def graph(self) -> nx.DiGraph[str]:
        """Steps by id; an edge leads from a step to each that waits for it."""
        from networkx import DiGraph  # takes longer to import than to plan a small cluster

        graph: nx.DiGraph[str] = DiGraph()
        graph.add_nodes_from(step.id for step in self.steps)
        graph.add_edges_from((before, step.id) for step in self.steps for before in step.after)
        return graph
