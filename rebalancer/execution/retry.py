"""Steps that are tried again later, but not for ever.

Soon where a host was out of reach for a moment, so that nothing was begun; and as the policy says where a migration
failed or was given up and its domain is safe where it was.
"""

from __future__ import annotations

import random
from collections import Counter

from rebalancer.drivers import Clock
from rebalancer.plan.model import Step

__all__ = ["LONGEST", "MOST", "SPREAD", "Retries"]

MOST = 5
"""Times that one step is tried again because its host was out of reach."""
FIRST_DELAY = 1.0
"""Seconds; each further one is twice as long: half a minute in all."""
LONGEST = 3600.0
"""Seconds between two attempts, whatever the policy."""
SPREAD = 0.25
"""What a policy's waits are longer by, at random, so that not everything is tried at once; as a share."""


class Retries:
    """A gate of the run (see :mod:`~rebalancer.execution.gates`). ``seed``: equal ones wait for equal times."""

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self._clock = clock
        self._seed = seed
        self._tried: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._at: dict[str, float] = {}

    @property
    def waiting(self) -> bool:
        return bool(self._at)

    def postpone(self, step: Step) -> float | None:
        """Seconds until a step whose host was out of reach may be tried again; None: it was tried often enough."""
        if self._tried[step.id] >= MOST:
            return None
        delay = FIRST_DELAY * 2.0 ** self._tried[step.id]
        self._tried[step.id] += 1
        return self._wait(step, delay)

    def put_off(self, step: Step) -> float | None:
        """Seconds until a step that failed may be tried again; None: the policy allows no more attempts."""
        attempt = self._failed[step.id]
        if attempt >= step.settings.retries:
            return None
        self._failed[step.id] += 1
        # Not for secrecy: the same plan waits for the same times.
        jitter = random.Random(f"{self._seed}:{step.id}:{attempt}").uniform(1.0, 1.0 + SPREAD)  # noqa: S311
        return self._wait(step, min(step.settings.retry_after * 2.0**attempt * jitter, LONGEST))

    def due(self) -> bool:
        """Whether the time has come for one; it does not wait any longer then."""
        now = self._clock.now()
        due = [step for step, at in self._at.items() if at <= now]
        for step in due:
            del self._at[step]
        return bool(due)

    def hindrance(self, step: Step) -> str | None:
        return "it is tried again later" if step.id in self._at else None

    def _wait(self, step: Step, delay: float) -> float:
        self._at[step.id] = self._clock.now() + delay
        return delay
