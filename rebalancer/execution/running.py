"""One migration under way, as the run watches it, and how long it is waited for."""

from __future__ import annotations

from dataclasses import dataclass, field

from rebalancer.cluster import Capabilities, DomainState
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import Migration, MigrationOptions, MigrationOutcome
from rebalancer.execution.hosts import guarded
from rebalancer.execution.sharing import Sender
from rebalancer.plan.model import Step
from rebalancer.policy.model import MigrationSettings, Rung

__all__ = ["CANCEL_PATIENCE", "VERIFY_PATIENCE", "Running", "options_for", "patience"]

CANCEL_PATIENCE = 60.0
"""Seconds that a cancelled migration has to end."""
VERIFY_PATIENCE = 30.0
"""Seconds in which the hosts have to agree on where a domain is."""


def patience(step: Step) -> float:
    """Seconds after which a migration is taken not to converge.

    Three times the prediction, as a shared link or a busy guest may well double it.
    """
    return step.settings.timeout if step.settings.timeout is not None else 3 * step.predicted.duration + 60


def rungs(settings: MigrationSettings) -> list[Rung]:
    """What to do, deadline by deadline. Ends with cancelling, whatever the policy: nothing is waited for for ever."""
    ladder = [r for r in settings.when_not_converging if r not in (Rung.AUTO_CONVERGE, Rung.CANCEL)]
    return [*ladder, Rung.CANCEL]


def options_for(step: Step, offers: Capabilities, rate: BytesPerSecond | None) -> MigrationOptions:
    """What the step asks for, of what the source offers. ``auto_converge`` must be there from the start."""
    settings = step.settings
    ladder = settings.when_not_converging if settings.live else ()
    return MigrationOptions(
        live=settings.live,
        new_name=step.new_name,
        transport=settings.transport,
        bandwidth=rate if offers.bandwidth else None,
        max_downtime=settings.max_downtime if offers.max_downtime else None,
        auto_converge=offers.auto_converge and Rung.AUTO_CONVERGE in ladder,
        post_copy=offers.post_copy and Rung.POST_COPY in ladder,
    )


@dataclass(kw_only=True)
class Running:
    """Times are the clock's. ``migration``: None when the driver's call failed and only the hosts know."""

    step: Step
    migration: Migration | None
    sender: Sender
    rate: BytesPerSecond | None
    adjustable: bool
    expected: DomainState
    started: float
    deadline: float
    ladder: list[Rung] = field(default_factory=list)
    look_at: float = 0.0
    """Not to be asked again before this."""
    verify_until: float | None = None
    """Set once the migration is over: it only remains to be verified."""
    reported: MigrationOutcome | None = None
    failure: str = ""
    over: bool = False
    """The driver says that it has ended, so that it sends no more."""
    blind: bool = False
    """Its host does not answer."""

    @property
    def watched(self) -> bool:
        return self.verify_until is None

    def end(self, now: float, failure: str = "", reported: MigrationOutcome | None = None) -> None:
        """The migration is over, or is not watched any longer; what is true is asked from the hosts."""
        self.failure, self.reported = failure, reported
        self.verify_until, self.look_at = now + VERIFY_PATIENCE, now

    def climb(self, now: float) -> str | None:
        """The next rung: what was done, or None when nothing is left to do. Raises the driver's errors."""
        if not self.ladder or self.migration is None:
            return None
        rung, migration = self.ladder.pop(0), self.migration
        self.deadline = now + (CANCEL_PATIENCE if rung is Rung.CANCEL else patience(self.step))
        action = {Rung.POST_COPY: migration.start_post_copy, Rung.PAUSE: migration.pause}.get(rung, migration.cancel)
        guarded(self.step.source, action)
        return rung.value

    def cancel(self, now: float) -> None:
        """Raises the driver's errors."""
        self.ladder = []
        self.deadline = now + CANCEL_PATIENCE
        if self.migration is not None:
            guarded(self.step.source, self.migration.cancel)

    def since(self, start: float) -> Seconds:
        return Seconds(self.started - start)
