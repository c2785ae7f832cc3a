"""Whoever looks on while a run goes: progress bars, metrics. An observer that fails is not asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from rebalancer.cluster.units import BytesPerSecond
from rebalancer.drivers import Progress
from rebalancer.execution.outcome import RunResult, StepOutcome
from rebalancer.plan.model import Plan, Step

__all__ = ["Guarded", "Observer", "Silent"]


class Observer(Protocol):
    """Called from the run's thread; must return at once. Rates are caps in bytes per second, None: uncapped."""

    def run_started(self, plan: Plan, run_id: int, done: int = 0) -> None:
        """``done``: steps that earlier attempts have done, which are not told again."""

    def run_held(self, reasons: Sequence[str]) -> None:
        """Why steps are not started though hosts and links could bear it; none: nothing holds them any more."""

    def step_started(self, step: Step, rate: BytesPerSecond | None, behind: Sequence[str] = ()) -> None:
        """``behind``: steps of which something is still to be sent; until that has been, this one is only set up, and
        ``rate`` is next to nothing."""

    def step_progress(self, step: Step, progress: Progress, rate: BytesPerSecond | None) -> None: ...

    def step_postponed(self, step: Step, reason: str) -> None:
        """It failed, and is started once more later; ``reason`` says when."""

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        """Also for steps that were skipped or not started."""

    def rates_changed(self, rates: Mapping[str, BytesPerSecond | None]) -> None:
        """The caps of all running steps, by step id."""

    def run_finished(self, result: RunResult) -> None: ...


class Silent:
    """Sees everything and says nothing; a base for observers that care for some events only."""

    def run_started(self, plan: Plan, run_id: int, done: int = 0) -> None: ...

    def run_held(self, reasons: Sequence[str]) -> None: ...

    def step_started(self, step: Step, rate: BytesPerSecond | None, behind: Sequence[str] = ()) -> None: ...

    def step_progress(self, step: Step, progress: Progress, rate: BytesPerSecond | None) -> None: ...

    def step_postponed(self, step: Step, reason: str) -> None: ...

    def step_finished(self, step: Step, outcome: StepOutcome) -> None: ...

    def rates_changed(self, rates: Mapping[str, BytesPerSecond | None]) -> None: ...

    def run_finished(self, result: RunResult) -> None: ...


class Guarded:
    """Tells an observer until it fails: a closed terminal must not end a run while migrations are under way."""

    def __init__(self, observer: Observer | None) -> None:
        self._observer: Observer | None = observer

    def tell(self, event: Callable[[Observer], None]) -> str | None:
        """What the observer failed of, the one time that it does."""
        if self._observer is None:
            return None
        try:
            event(self._observer)
        except Exception as error:  # noqa: BLE001 (whatever it is, it must not reach the run)
            self._observer = None
            return repr(error)
        return None
