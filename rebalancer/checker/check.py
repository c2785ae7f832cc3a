"""Replaying a plan: every invariant at every start and end of a step, in its predicted times and in others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from rebalancer.checker.hosts import Capacities, Inhabitants
from rebalancer.checker.limits import exceeded
from rebalancer.checker.situation import Situation
from rebalancer.checker.standing import Standing
from rebalancer.checker.timeline import Event, Span, disorder, events, perturbed, predicted
from rebalancer.checker.traffic import overcrowded, overloaded
from rebalancer.checker.violation import Violation
from rebalancer.plan.model import Plan, Step
from rebalancer.policy.model import Policy

__all__ = ["check_plan", "check_steps"]


def check_plan(plan: Plan, policy: Policy, *, runs: int = 3, seed: int = 0) -> tuple[Violation, ...]:
    """What does not hold in a plan under its policy; empty for a sound one. ``runs``: with other durations, each."""
    return check_steps(plan.steps, Situation.of(plan, policy), runs=runs, seed=seed)


def check_steps(steps: Sequence[Step], situation: Situation, *, runs: int = 3, seed: int = 0) -> tuple[Violation, ...]:
    """The same for steps that are in no plan yet.

    When they run with other durations, ``after`` alone orders them: the executor looks at hosts and links before each
    start, but a plan must not need that. How many run at once and what links carry is up to the executor then and is
    judged in the predicted times only.
    """
    random = Random(seed)  # noqa: S311 (nothing secret about it)
    found = [Violation(invariant="order", text=text) for text in disorder(steps)]
    if found:
        return tuple(found)
    found += [Violation(invariant="limit", text=text) for text in exceeded(steps, situation)]
    spans = predicted(steps)
    found += _late(spans)
    found += [Violation(invariant="concurrency", time=time, text=text) for time, text in overcrowded(spans)]
    traffic = overloaded(spans, situation.cluster.links, situation.caps, situation.slots)
    found += [Violation(invariant="link", time=time, text=text) for time, text in traffic]
    standing = Standing(situation, random)
    found += _Replay(situation, standing).run(events(spans))
    for _ in range(runs):
        found += _Replay(situation, standing).run(events(perturbed(steps, random)))
    return tuple(dict.fromkeys(found))


def _late(spans: Sequence[Span]) -> Iterator[Violation]:
    ends = {span.step.id: span.end for span in spans}
    for span in spans:
        for before in span.step.after:
            if ends[before] > span.start + 1e-6:
                yield Violation(invariant="order", text=f"{span.step.id} is to start before {before} has ended")


class _Replay:
    def __init__(self, situation: Situation, standing: Standing) -> None:
        self._hosts = {name: index for index, name in enumerate(situation.hosts)}
        self._domains = {uuid: index for index, uuid in enumerate(situation.domains)}
        self._inhabitants = Inhabitants(situation)
        self._capacities = Capacities(situation)
        self._standing = standing
        self._ends: list[tuple[int, ...]] = [(host,) for host in situation.start]

    def run(self, timeline: Sequence[Event]) -> Iterator[Violation]:
        for event in timeline:
            happens = self._finish if event.finishes else self._start
            for invariant, text in happens(event.step):
                yield Violation(invariant=invariant, time=event.time, text=text)
        for text in self._inhabitants.misplaced():
            yield Violation(invariant="place", text=text)
        for text in self._standing.broken(self._ends, None, ended=True):
            yield Violation(invariant="rule", text=f"at the end, {text}")

    def _start(self, step: Step) -> Iterator[tuple[str, str]]:
        yield from (("place", text) for text in self._inhabitants.start(step))
        yield from (("name", text) for text in self._inhabitants.name(step))
        yield from (("capacity", text) for text in self._capacities.start(step))
        yield from self._stands(step)

    def _finish(self, step: Step) -> Iterator[tuple[str, str]]:
        self._inhabitants.finish(step)
        self._capacities.finish(step)
        yield from self._stands(step)

    def _stands(self, step: Step) -> Iterator[tuple[str, str]]:
        domain = self._domains.get(step.uuid)
        if domain is None:
            return
        self._ends[domain] = tuple(self._hosts[host] for host in self._inhabitants.ends(step.uuid))
        yield from (("rule", f"{step.id}: {text}") for text in self._standing.broken(self._ends, domain))
