"""Which step may start now: what it waits for, slots, room, names and links, in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rebalancer.execution.candidate import Candidate
from rebalancer.execution.ledger import Ledger
from rebalancer.execution.outcome import Outcome, StepOutcome
from rebalancer.execution.running import Running
from rebalancer.execution.throttle import Throttle
from rebalancer.plan.model import Step

__all__ = ["Admission"]


class Admission:
    """Looks at the engine's own ``outcomes`` and ``running`` as they are at the moment; changes nothing."""

    def __init__(
        self,
        steps: Mapping[str, Step],
        candidates: Mapping[str, Candidate],
        outcomes: Mapping[str, StepOutcome],
        running: Mapping[str, Running],
        ledger: Ledger,
        throttle: Throttle,
    ) -> None:
        self._steps = steps
        self._candidates = candidates
        self._outcomes = outcomes
        self._running = running
        self._ledger = ledger
        self._throttle = throttle

    def lost(self, step: Step) -> str:
        """What a step waits for in vain, in words; empty: nothing."""
        return "it needs " + ", ".join(map(self._fate, lost)) if (lost := self._lost(step)) else ""

    def _lost(self, step: Step) -> list[str]:
        return [before for before in step.after if before in self._outcomes and not self._is_done(before)]

    def _fate(self, before: str) -> str:
        """``s3 of 'db' (skipped), which needs s1 of 'web' (failed)``: what it all goes back to is named."""
        said = f"{before} of '{self._steps[before].domain}' ({self._outcomes[before].outcome})"
        further = self._lost(self._steps[before])
        return f"{said}, which needs {self._fate(further[0])}" if further else said

    def hindrance(self, step: Step, waiting: Sequence[Step], asked: Sequence[Step] = ()) -> str | None:
        """Why a step cannot start now; ``waiting``: steps planned earlier that will arrive at the same host; ``asked``:
        steps that start as soon as somebody consents, so that slots and links are theirs."""
        undone = [before for before in step.after if not self._is_done(before)]
        if undone:
            return f"it waits for {', '.join(undone)}"
        freeing = {
            before: self._steps[before]
            for other in waiting
            for before in other.after
            if before not in self._outcomes and self._steps[before].source == step.destination
        }
        reserved = self._ledger.reserved(waiting, freeing.values())
        candidate = self._candidates[step.id]
        return (
            self._slots(step, asked)
            or self._ledger.shortage(step, reserved)
            or self._ledger.name_taken(step)
            or self._throttle.hindrance(
                step.id, candidate.sender, {other.id: self._candidates[other.id].sender for other in asked}
            )
        )

    def _is_done(self, step: str) -> bool:
        return step in self._outcomes and self._outcomes[step].outcome is Outcome.DONE

    def _slots(self, step: Step, asked: Sequence[Step]) -> str | None:
        everywhere = [*(running.step for running in self._running.values()), *asked]
        if len(everywhere) >= min([step.settings.total, *(other.settings.total for other in everywhere)]):
            return "as many migrations run as are allowed at once"
        for host in (step.source, step.destination):
            here = [other for other in everywhere if host in (other.source, other.destination)]
            if len(here) >= min([step.settings.per_host, *(other.settings.per_host for other in here)]):
                return f"as many migrations run on {host} as are allowed at once"
        return None
