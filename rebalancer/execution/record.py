"""A run's words to its journal and its observer, so that neither can end the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rebalancer.cluster.units import BytesPerSecond
from rebalancer.drivers import Progress
from rebalancer.errors import RunError
from rebalancer.execution.journal import Journal, RunLostError
from rebalancer.execution.observer import Guarded, Observer
from rebalancer.execution.outcome import RunResult, StepOutcome
from rebalancer.plan.model import Plan, Step

__all__ = ["Record"]


class Record:
    """``broken``: why the journal cannot be written any more; nothing may be started then. ``lost``: why the run is
    another controller's now; nothing may be done any more. ``remarks``: what somebody has to look at though the run
    went on."""

    def __init__(self, journal: Journal, observer: Observer | None, run: int) -> None:
        self.run = run
        self.broken: str | None = None
        self.lost: str | None = None
        self.remarks: list[str] = []
        self._journal = journal
        self._observer = Guarded(observer)

    def begin(self, plan: Plan, done: int = 0) -> None:
        """``done``: steps that are so already."""
        self._tell(lambda observer: observer.run_started(plan, self.run, done))

    def lose(self, reason: str) -> None:
        self.lost = self.broken = reason

    def remark(self, text: str) -> None:
        """Once, however often it is said."""
        if text not in self.remarks:
            self.remarks.append(text)

    def intent(self, step: Step, detail: Mapping[str, object]) -> bool:
        """Whether it is durable."""
        self._try(lambda: self._journal.intent(self.run, step, detail))
        return self.broken is None

    def again(self, step: Step, reason: str) -> None:
        """A step is to be started once more."""
        self._try(lambda: self._journal.again(self.run, step.id, reason))

    def postponed(self, step: Step, reason: str) -> None:
        """The same, by a run under way, after it has failed."""
        self.again(step, reason)
        self._tell(lambda observer: observer.step_postponed(step, reason))

    def held(self, reasons: Sequence[str]) -> None:
        """Why steps are not started now; their own events are those of :meth:`waits`."""
        self._tell(lambda observer: observer.run_held(reasons))

    def event(self, kind: str, step: Step | None = None, **detail: object) -> None:
        """``host`` in ``detail``: the host that it is about; without one, a step's source."""
        host = detail.get("host") or (step.source if step else None)
        self._try(
            lambda: self._journal.event(
                self.run, kind, step.id if step else None, detail, host=str(host) if host else None
            )
        )

    def waits(self, step: Step, reason: str) -> None:
        """Why a step is not started now."""
        self._journal.note(self.run, "waits", step.id, {"reason": reason}, host=step.destination)

    def asked(self, host: str, command: str, answer: str) -> None:
        """What a driver asked of a host, and what that answered."""
        self._journal.note(self.run, "asked", None, {"command": command, "answer": answer}, host=host)

    def started(self, step: Step, rate: BytesPerSecond | None, behind: Sequence[str] = ()) -> None:
        self._tell(lambda observer: observer.step_started(step, rate, behind))

    def progress(self, step: Step, progress: Progress, rate: BytesPerSecond | None) -> None:
        self._tell(lambda observer: observer.step_progress(step, progress, rate))

    def outcome(self, step: Step, outcome: StepOutcome) -> None:
        self._try(lambda: self._journal.outcome(self.run, outcome))
        self._tell(lambda observer: observer.step_finished(step, outcome))

    def rates(self, rates: Mapping[str, BytesPerSecond | None]) -> None:
        self._try(lambda: self._journal.event(self.run, "rates", None, dict(rates)))
        self._tell(lambda observer: observer.rates_changed(rates))

    def finish(self, result: RunResult) -> None:
        self._try(lambda: self._journal.finish_run(self.run, complete=result.complete))
        self._tell(lambda observer: observer.run_finished(result))

    def _tell(self, event: Callable[[Observer], None]) -> None:
        failure = self._observer.tell(event)
        if failure is not None:
            self.event("observer failed", error=failure)

    def _try(self, write: Callable[[], None]) -> None:
        # Tried again each time: a disk that was full may have room for the outcomes.
        try:
            write()
        except RunLostError as error:
            self.lose(str(error))
        except RunError as error:
            self.broken = self.broken or str(error)
