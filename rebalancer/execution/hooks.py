"""Hooks: whom the inventory wants to be asked before a run or a step, and told after it.

The run's loop never waits for one: what is asked is answered later, and until then the step waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from rebalancer.cluster.units import Seconds
from rebalancer.drivers import Clock
from rebalancer.execution.calls import Caller, Pending, in_background
from rebalancer.execution.outcome import Outcome, RunResult, StepOutcome
from rebalancer.execution.record import Record
from rebalancer.inventory.safeguards import Hook, Moment
from rebalancer.plan.model import Plan, Step
from rebalancer.values import dataclass

__all__ = ["Hooks"]

PAUSE = Seconds(0.1)
"""Between two looks whether everybody has answered."""


@dataclass(frozen=True, slots=True)
class _Asked:
    hook: Hook
    pending: Pending


class Hooks:
    """``cluster``: its name; ``waiting``: somebody has been asked and has not answered yet."""

    def __init__(
        self, hooks: Iterable[Hook], cluster: str, record: Record, clock: Clock, caller: Caller = in_background
    ) -> None:
        self._hooks = tuple(hooks)
        self._cluster = cluster
        self._record = record
        self._clock = clock
        self._call = caller
        self._steps: dict[str, list[_Asked]] = {}
        self._unanswered: set[str] = set()
        self._told: list[tuple[_Asked, Step | None]] = []

    # Asking

    def before_run(self, plan: Plan) -> str | None:
        """Why the run must not start; waits for all answers, as nothing is under way yet."""
        message = {"steps": [_of_step(step) for step in plan.steps]}
        return self._wait(self._ask(Moment.BEFORE_RUN, message), None)

    def hindrance(self, step: Step) -> str | None:
        """What a step waits for; asks, the first time."""
        if self._all_answered(self._of(step)):
            return None
        self._unanswered.add(step.id)
        return "its hook is being asked"

    def veto(self, step: Step) -> str | None:
        """Why a step must not start, once :meth:`hindrance` has nothing to say."""
        return self._refusal(self._of(step), step)

    def forget(self, step: Step) -> None:
        """What was answered was for one start; the next is asked for anew."""
        self._steps.pop(step.id, None)

    def due(self) -> bool:
        """Whether somebody has answered since this was last asked."""
        waits = {key for key, asked in self._steps.items() if not self._all_answered(asked)}
        answered, self._unanswered = self._unanswered - waits, waits
        return bool(answered)

    @property
    def waiting(self) -> bool:
        # As of the last look: an answer that comes between two looks is news at the next one.
        return bool(self._unanswered)

    # Telling

    def after_step(self, step: Step, outcome: StepOutcome) -> None:
        """Of one that was started, or could not be."""
        if outcome.outcome in (Outcome.SKIPPED, Outcome.NOT_STARTED):
            return
        message = {"step": _of_step(step), "outcome": _of_outcome(outcome)}
        moments = [Moment.AFTER_STEP]
        if outcome.outcome in (Outcome.FAILED, Outcome.UNKNOWN):
            moments.append(Moment.ON_FAILURE)
        for moment in moments:
            self._told += [(each, step) for each in self._ask(moment, message)]

    def after_run(self, result: RunResult) -> None:
        """Once everybody has been told of the steps; waits for all, each for as long as its hook may take."""
        for each, step in self._told:
            self._wait([each], step)
        self._told = []
        outcomes = {key: _of_outcome(outcome) for key, outcome in result.outcomes.items()}
        message = {"complete": result.complete, "outcomes": outcomes}
        self._wait(self._ask(Moment.AFTER_RUN, message), None)

    # Inside

    def _of(self, step: Step) -> list[_Asked]:
        if step.id not in self._steps:
            self._steps[step.id] = self._ask(Moment.BEFORE_STEP, {"step": _of_step(step)})
        return self._steps[step.id]

    @staticmethod
    def _all_answered(asked: Iterable[_Asked]) -> bool:
        return all(each.pending.answer() is not None for each in asked)

    def _ask(self, moment: Moment, message: Mapping[str, object]) -> list[_Asked]:
        head = {"moment": moment.value, "run": self._record.run, "cluster": self._cluster}
        return [
            _Asked(hook, Pending(hook.call, self._call(hook.call, {**head, **message})))
            for hook in self._hooks
            if hook.moment is moment
        ]

    def _wait(self, asked: list[_Asked], step: Step | None) -> str | None:
        while not self._all_answered(asked):
            self._clock.sleep(PAUSE)
        return self._refusal(asked, step)

    def _refusal(self, asked: list[_Asked], step: Step | None) -> str | None:
        """Notes every answer; the first that forbids it, in words."""
        found = None
        for each in asked:
            answer = each.pending.answer()
            if answer is None:
                continue
            hook = each.hook
            kind = "hook" if answer.consents else "hook vetoed" if hook.veto else "hook failed"
            self._record.event(kind, step, moment=hook.moment.value, call=hook.call.name, said=answer.text)
            if not answer.consents and hook.veto and found is None:
                found = f"vetoed by the hook {hook.moment.value} ({hook.call.name}): {answer.text}"
        return found


def _of_step(step: Step) -> Mapping[str, object]:
    return {
        "id": step.id,
        "domain": step.domain,
        "uuid": step.uuid,
        "source": step.source,
        "destination": step.destination,
        "new_name": step.new_name,
        "live": step.settings.live,
        "predicted": asdict(step.predicted),
    }


def _of_outcome(outcome: StepOutcome) -> Mapping[str, object]:
    return {
        "outcome": outcome.outcome.value,
        "reason": outcome.reason,
        "host": outcome.place.host if outcome.place else None,
        "name": outcome.place.name if outcome.place else None,
        "measured": asdict(outcome.measured) if outcome.measured else None,
    }
