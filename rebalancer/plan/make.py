"""From a cluster and a policy to a plan: compile, search, order; and back to the search with what cannot be ordered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from heapq import heappop, heappush
from typing import TypeAlias

import numpy as np

from rebalancer.cluster import Cluster, Domain, Network
from rebalancer.cluster.units import Seconds, format_duration
from rebalancer.placement import Placement, Problem, State, search
from rebalancer.placement.conflicts import conflicts
from rebalancer.placement.explain import Conflict
from rebalancer.placement.primitives import IntArray
from rebalancer.plan.budget import Budget
from rebalancer.plan.cuts import MOST_DESTINATIONS, Cut, forbidding, staying
from rebalancer.plan.describe import Decision, describe
from rebalancer.plan.experience import Experience
from rebalancer.plan.hourly import HOUR
from rebalancer.plan.migration_model import hindrance
from rebalancer.plan.model import LATE, Deadline, Plan, Step
from rebalancer.plan.schedule import Moves, Schedule, StuckMovesError, make_schedule
from rebalancer.plan.trips import Trips
from rebalancer.policy.compile import compile_problem
from rebalancer.policy.history import History
from rebalancer.policy.limits import reluctant
from rebalancer.policy.model import Policy
from rebalancer.policy.settings import Restore
from rebalancer.values import dataclass

__all__ = ["assess", "make_plan"]

_MOST_ROUNDS = 12
_MOST_WAYS_AROUND = 12
"""Searches that a knot of moves is worth, and how large a problem may be for that (domains times hosts):"""
_LARGE = 20_000
_MOST_MEMBERS = 6
"""Of a knot, how many are tried elsewhere, those first that send least."""


def make_plan(
    cluster: Cluster,
    policy: Policy,
    *,
    seed: int = 0,
    effort: int = 5,
    created_at: str = "",
    elapsed: Callable[[], float] = lambda: 0.0,
    history: History | None = None,
    experience: Experience | None = None,
    deadline: Deadline | None = None,
) -> Plan:
    """The plan for a cluster under a policy; the same input, seed and effort give the same plan.

    Raises :class:`~rebalancer.errors.Unsupported` where the policy asks of a host what it cannot do. What cannot be
    placed or reached is in the plan, with reasons; it never makes the rest fail. ``history``: what happened before;
    without it ``cooldown``, ``per_domain`` and ``confirmations`` are not asked for. ``experience``: what predictions
    go by besides what was measured. ``deadline``: by when hosts are to be empty; as many domains as can be found leave
    in time, those of higher priority first.
    """
    planning = _Planning(cluster, policy, history, experience or Experience(), deadline)
    placement, found = planning.decide(seed, effort, elapsed)
    if deadline is not None and deadline.strict:
        for _ in range(_MOST_ROUNDS):
            late = planning.late((placement, found))
            if not late:
                break
            planning.keep(late)
            placement, found = planning.decide(seed, effort, elapsed)
    decision = planning.decision(placement, found, planning.conflicts(placement, elapsed))
    return describe(decision, seed=seed, created_at=created_at)


def assess(cluster: Cluster, policy: Policy) -> Plan:
    """The plan that moves nothing: score and violations of what is there now."""
    planning = _Planning(cluster, policy)
    return describe(planning.decision(planning.problem.start, _NOTHING), seed=0, created_at="")


_NO_EXPERIENCE = Experience()
_NOTHING = Schedule(steps=(), bound=Seconds(0.0))

_Found: TypeAlias = tuple[IntArray, Schedule]
"""A placement, and how to get there."""


@dataclass(frozen=True, slots=True, order=True)
class _Way:
    """A placement in which somebody of a knot goes elsewhere: what it costs, tier by tier; a number of its own, which
    tells those apart that cost the same; and the destinations that it does without."""

    costs: tuple[float, ...]
    number: int
    cuts: list[Cut] = field(compare=False)
    placement: IntArray = field(compare=False)


class _Planning:
    def __init__(
        self,
        cluster: Cluster,
        policy: Policy,
        history: History | None = None,
        experience: Experience = _NO_EXPERIENCE,
        deadline: Deadline | None = None,
    ) -> None:
        compiled = compile_problem(policy, cluster, history=history)
        self.cluster = cluster
        self.policy = policy
        self.history = history
        self.compiled = compiled
        self.asked: Problem = compiled.problem
        """What the policy and a deadline ask for; ``problem``: less what was found to be out of reach."""
        self.problem: Problem = compiled.problem
        self.experience = experience
        self.deadline = deadline
        self.domains: tuple[Domain, ...] = tuple(map(experience.applied, compiled.view.domains))
        self.settings = compiled.settings
        self.network = Network(cluster.links)
        self.notes: list[str] = []
        self.advised: dict[str, str] = {}
        self.old_names = self._old_names()
        self.cuts: list[Cut] = []
        self.ways_around = _MOST_WAYS_AROUND
        self.optimal: IntArray | None = None
        """The placement found by trying all, if any was."""

    def _old_names(self) -> dict[int, str]:
        """Those that domains are to get back; a domain that somebody else has renamed since keeps its name."""
        if self.policy.names.restore is Restore.NEVER or self.history is None:
            return {}
        renamed = self.history.renamed
        return {
            d: renamed[domain.uuid].before
            for d, domain in enumerate(self.domains)
            if domain.uuid in renamed and renamed[domain.uuid].since == domain.name
        }

    def decide(self, seed: int, effort: int, elapsed: Callable[[], float]) -> _Found:
        """Where everything goes and how it gets there. Who would leave too late for a deadline is sent elsewhere where
        that helps."""
        found = best = self._decide(seed, effort, elapsed)
        cuts, problem = self.cuts, self.problem
        for _ in range(MOST_DESTINATIONS if self.deadline is not None else 0):
            late = self.late(found)
            if not late or elapsed() >= 1.0:
                break
            self._add([Cut(d, int(found[0][d]), why) for d, why in late.items()])
            found = self._decide(seed, effort, elapsed)
            if self._lateness(found) < self._lateness(best):
                best, cuts, problem = found, self.cuts, self.problem
        self.cuts, self.problem = cuts, problem
        return best

    def late(self, found: _Found) -> dict[int, str]:
        """Who would leave hosts of the deadline too late, and by how much in words."""
        late: dict[int, str] = {}
        if self.deadline is None:
            return late
        for step in found[1].steps:
            over = step.predicted.end - self.deadline.within
            if step.source in self.deadline.hosts and over > LATE:
                domain = self.problem.domains.index(step.uuid)
                late[domain] = f"would leave {step.source} {format_duration(over)} after the deadline"
        return late

    def _lateness(self, found: _Found) -> tuple[float, ...]:
        """The lower, the better: rules that are broken, then who is late, by priority."""
        late = [self.settings[domain].priority for domain in self.late(found)]
        priorities = sorted({settings.priority for settings in self.settings}, reverse=True)
        hard = State(self.asked, found[0]).costs()[:2]
        return (*(round(float(cost), 6) for cost in hard), *(late.count(priority) for priority in priorities))

    def _decide(self, seed: int, effort: int, elapsed: Callable[[], float]) -> _Found:
        def stop() -> bool:
            return elapsed() >= 1.0

        for left in reversed(range(_MOST_ROUNDS)):
            found = search(self.problem, seed=seed, effort=effort, elapsed=elapsed)
            self.notes += _limits_of(found)
            self.optimal = found.host if found.optimal and not self.cuts else self.optimal
            if not self._is_worth_it(found.host):
                break
            cuts = self._impossible(found.host)
            if not cuts:
                try:
                    made = make_schedule(self._moves(found.host), Budget(stop=stop), seed)
                except StuckMovesError as error:
                    around = self._around(found.host, error, seed, effort, elapsed)
                    if around is not None:
                        return around
                    cuts = [Cut(d, int(found.host[d]), reason) for d, reason in error.stuck.items()]
                else:
                    if self._is_worth_its_steps(found.host, made.steps):
                        return found.host, made
                    break
            if left == 0 or stop():
                return self._what_can_be_reached(found.host, cuts, seed, stop)
            self._add(cuts)
        return self.problem.start.copy(), _NOTHING

    def _around(
        self, placement: IntArray, stuck: StuckMovesError, seed: int, effort: int, elapsed: Callable[[], float]
    ) -> _Found | None:
        """The best placement found that can be reached and in which, of each set of destinations that cannot be reached
        together, somebody goes elsewhere. None: there is none, or the problem is too large to look for one.

        What is forbidden grows on the way down a tree, and with it the score: its leaves are looked at best first.
        """
        if len(self.domains) * len(self.problem.hosts) > _LARGE:
            return None
        cuts, problem = self.cuts, self.problem
        ways: list[_Way] = []
        options = self._one_elsewhere(placement, stuck)
        while True:
            for option in options[: self.ways_around]:
                heappush(ways, self._way(cuts, option, seed, effort, elapsed))
            # One that moves nothing is no worse than what forbids more.
            if not ways or elapsed() >= 1.0 or (ways[0].placement == self.problem.start).all():
                self.cuts, self.problem = cuts, problem
                return None
            way = heappop(ways)
            self._add_to(cuts, way.cuts)
            found, options = self._go(way, seed)
            if found is not None:
                self.notes.append(self._went_around(stuck))
                return found

    def _way(self, before: list[Cut], cuts: list[Cut], seed: int, effort: int, elapsed: Callable[[], float]) -> _Way:
        self._add_to(before, cuts)
        placement = search(self.problem, seed=seed, effort=effort, elapsed=elapsed).host
        self.ways_around -= 1
        return _Way(self._costs(placement), -self.ways_around, cuts, placement)

    def _go(self, way: _Way, seed: int) -> tuple[_Found | None, list[list[Cut]]]:
        """The way with its schedule, if it can be gone and is worth it; what it could do without besides, if not."""
        narrow = self._impossible(way.placement)
        if narrow:
            return None, [[*way.cuts, *narrow]]
        try:
            made = make_schedule(self._moves(way.placement), Budget(), seed)
        except StuckMovesError as error:
            return None, [[*way.cuts, *more] for more in self._one_elsewhere(way.placement, error)]
        if self._is_worth_it(way.placement) and self._is_worth_its_steps(way.placement, made.steps):
            return (way.placement, made), []
        return None, []

    def _went_around(self, stuck: StuckMovesError) -> str:
        names = " and ".join(f"'{self.domains[d].name}'" for d in sorted(stuck.stuck))
        return f"{names} cannot all be moved as would be best: they block each other; some go elsewhere or stay"

    def _one_elsewhere(self, placement: IntArray, stuck: StuckMovesError) -> list[list[Cut]]:
        """For each member of a knot, that it cannot have its destination; none where there is no knot of several."""
        knot = next((knot for knot in stuck.knots if len(knot) > 1), frozenset[int]())
        members = sorted(knot, key=lambda d: (self.domains[d].migration.memory, d))[:_MOST_MEMBERS]
        return [[Cut(d, int(placement[d]), stuck.stuck[d])] for d in members]

    def _costs(self, placement: IntArray) -> tuple[float, ...]:
        return tuple(round(float(cost), 9) for cost in State(self.asked, placement).costs())

    def _add_to(self, before: list[Cut], cuts: list[Cut]) -> None:
        self.cuts = before
        self._add(cuts)

    def _what_can_be_reached(
        self, placement: IntArray, cuts: Sequence[Cut], seed: int, stop: Callable[[], bool]
    ) -> _Found:
        """The same placement less the moves that cannot be made, once looking for others has taken long enough."""
        placement = placement.copy()
        while cuts:
            self.cuts += cuts
            for cut in cuts:
                placement[cut.domain] = self.problem.start[cut.domain]
            # A part of a placement may break what the whole would have kept.
            if State(self.problem, placement).costs()[0] > 0 or not self._is_worth_it(placement):
                break
            cuts = self._impossible(placement)
            try:
                made = _NOTHING if cuts else make_schedule(self._moves(placement), Budget(stop=stop), seed)
            except StuckMovesError as error:
                cuts = [Cut(d, int(placement[d]), reason) for d, reason in error.stuck.items()]
            else:
                if not cuts and self._is_worth_its_steps(placement, made.steps):
                    self.notes.append("not all moves could be ordered in time; this plan makes those that could")
                    return placement, made
        return self.problem.start.copy(), _NOTHING

    def _moves(self, placement: IntArray) -> Moves:
        return Moves(
            cluster=self.cluster,
            problem=self.problem,
            domains=self.domains,
            placement=placement,
            experience=self.experience,
            settings=self.settings,
            names=self.policy.names,
            caps=self.compiled.link_caps,
            slots=self.compiled.link_slots,
            rules=self.compiled.steps,
            deadline=self.deadline,
            old_names=self.old_names,
            per_hour=self.policy.limits.per_hour,
            moved_lately=() if self.history is None else self.history.lately(HOUR),
            reluctant=frozenset() if self._gain(placement)[0] else reluctant(self.problem.terms),
        )

    def _is_worth_it(self, placement: IntArray) -> bool:
        if (placement == self.problem.start).all():
            return False
        repairs, gain = self._gain(placement)
        if repairs or gain >= self.policy.limits.min_gain:
            return True
        self.notes.append(f"the best placement found betters the score by {100 * gain:.1f}%, less than min_gain")
        return False

    def _gain(self, placement: IntArray) -> tuple[bool, float]:
        """Whether it repairs a rule, and by what share it betters the first tier that changes."""
        before, after = State(self.problem).costs(), State(self.problem, placement).costs()
        for old, new in zip(before[2:], after[2:], strict=True):
            if abs(old - new) > 1e-9:
                return bool(after[1] < before[1] - 1e-9), float((old - new) / old) if old > 0 else 0.0
        return bool(after[1] < before[1] - 1e-9), 0.0

    def _is_worth_its_steps(self, placement: IntArray, steps: tuple[Step, ...]) -> bool:
        limits = self.policy.limits
        repairs, gain = self._gain(placement)
        if repairs:
            return True
        taken = sum(step.predicted.duration for step in steps)
        if limits.payback is not None and gain * limits.payback < taken:
            self.notes.append(
                f"the best placement found betters the score by {100 * gain:.1f}%, which within "
                f"{format_duration(limits.payback)} (payback) is worth {format_duration(gain * limits.payback)} of "
                f"migrations; they take {format_duration(taken)}"
            )
            return False
        return self._is_confirmed(placement)

    def _is_confirmed(self, placement: IntArray) -> bool:
        moved = np.flatnonzero(placement != self.problem.start)
        advice = {self.problem.domains[d]: self.problem.hosts[placement[d]] for d in moved}
        self.advised = advice
        if self.history is None or self.history.advice is None:
            return True
        times, wanted = 1 + self.history.times_advised(advice), self.policy.limits.confirmations
        if times < wanted:
            self.notes.append(
                f"{len(advice)} moves are advised for the {times}. time of {wanted} in a row (confirmations); not yet"
            )
            return False
        return True

    def _impossible(self, placement: IntArray) -> list[Cut]:
        """Moves over links too narrow for any migration, and moves that would never end, with nothing in the policy's
        ladder but to give up."""
        cuts: list[Cut] = []
        trips = Trips(self._moves(placement), self.network)
        for d in (int(d) for d in np.flatnonzero(placement != self.problem.start)):
            goal = int(placement[d])
            trip = trips.trip(d, int(self.problem.start[d]), goal)
            if not trip.best:
                # Too narrow for one is too narrow for most that share the way.
                home = int(self.problem.start[d])
                at_home = (int(other) for other in np.flatnonzero(self.problem.start == home))
                cuts += [
                    Cut(o, goal, trips.too_narrow(o, home, goal)) for o in at_home if not trips.trip(o, home, goal).best
                ]
            elif not trip.possible:
                why = hindrance(trip.traits, trip.best, trip.settings.max_downtime)
                cuts.append(Cut(d, goal, f"would never converge: {why}"))
        return cuts

    def keep(self, domains: Mapping[int, str]) -> None:
        """Domains stay where they are: domain → why."""
        self.asked = staying(self.asked, domains)
        self._add([])

    def _add(self, cuts: list[Cut]) -> None:
        """Forbids destinations that cannot be reached."""
        self.cuts = [*self.cuts, *cuts]
        self.problem = forbidding(self.asked, self.cuts)

    def conflicts(self, placement: IntArray, elapsed: Callable[[], float]) -> tuple[Conflict, ...]:
        if State(self.problem, placement).costs()[1] <= 1e-9:
            return ()
        return conflicts(self.problem, placement, elapsed)

    def decision(self, placement: IntArray, schedule: Schedule, conflicting: tuple[Conflict, ...] = ()) -> Decision:
        return Decision(
            cluster=self.cluster,
            policy=self.policy,
            compiled=self.compiled,
            domains=self.domains,
            asked=self.asked,
            problem=self.problem,
            placement=placement,
            schedule=schedule,
            cuts=self.cuts,
            conflicts=conflicting,
            notes=self.notes,
            advised=self.advised,
            deadline=self.deadline,
            is_best=self.optimal is not None and np.array_equal(placement, self.optimal),
        )


def _limits_of(found: Placement) -> Iterator[str]:
    """What kept a search from looking further; said once in a plan."""
    if not found.complete:
        yield "the search was stopped early; this is the best placement until then"
    if found.reduced:
        yield (
            "the search looked at less than it could: pip install 'cluster-rebalancer[fast]', "
            "and compile it once with python -m rebalancer.native"
        )
