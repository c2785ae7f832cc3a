"""When the steps of a plan start and end: as predicted, or as it may come when migrations take other times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from random import Random

from rebalancer.cluster.units import Seconds
from rebalancer.plan.model import Step
from rebalancer.values import dataclass

__all__ = ["Event", "Span", "disorder", "events", "perturbed", "predicted"]

_SAME = 1e-6
"""Seconds within which a finish and a start are taken to be one event, the finish first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    step: Step
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    time: Seconds
    step: Step
    finishes: bool


def disorder(steps: Sequence[Step]) -> Iterator[str]:
    """Why the steps cannot all be made in the order in which they wait for each other."""
    known = {step.id for step in steps}
    if len(known) < len(steps):
        yield "two steps have one id"
    for step in steps:
        for before in step.after:
            if before not in known:
                yield f"{step.id} waits for {before}, which is not in the plan"
    try:
        TopologicalSorter({step.id: step.after for step in steps}).prepare()
    except CycleError as error:
        yield f"steps wait for each other: {' → '.join(map(str, error.args[1]))}"


def predicted(steps: Sequence[Step]) -> list[Span]:
    return [Span(step=step, start=step.predicted.start, end=step.predicted.end) for step in steps]


def perturbed(steps: Sequence[Step], random: Random) -> list[Span]:
    """As nothing but ``after`` orders them: each starts at once when what it waits for has ended, or some time later,
    and takes between a tenth of and ten times what is predicted."""
    by_id: Mapping[str, Step] = {step.id: step for step in steps}
    ends: dict[str, float] = {}
    spans = []
    patience = random.choice([0.0, 0.3, 3.0])
    usual = sum(step.predicted.duration for step in steps) / max(len(steps), 1)
    for name in TopologicalSorter({step.id: step.after for step in steps}).static_order():
        step = by_id[name]
        start = max((ends[before] for before in step.after), default=0.0)
        start += random.expovariate(1.0) * patience * usual if random.random() < 0.5 else 0.0
        ends[name] = start + max(step.predicted.duration, _SAME) * 10 ** random.uniform(-1, 1)
        spans.append(Span(step=step, start=start, end=ends[name]))
    return spans


def events(spans: Sequence[Span]) -> list[Event]:
    """In the order in which they happen; what ends at a moment has ended before what starts then."""
    found = [(round(span.end / _SAME), 0, span.end, span.step) for span in spans]
    found += [(round(span.start / _SAME), 1, span.start, span.step) for span in spans]
    found.sort(key=lambda event: event[:2])
    return [Event(time=Seconds(time), step=step, finishes=kind == 0) for _, kind, time, step in found]
