"""One migration under way, as the run watches it, and how long it is waited for."""

from __future__ import annotations

from dataclasses import field

from rebalancer.cluster import Capabilities, DomainState
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import Migration, MigrationOptions, MigrationOutcome
from rebalancer.execution.convergence import Trend
from rebalancer.execution.hosts import guarded
from rebalancer.execution.sharing import Sender
from rebalancer.plan.model import Step
from rebalancer.policy.model import MigrationSettings, Rung
from rebalancer.values import dataclass

__all__ = ["CANCEL_PATIENCE", "VERIFY_PATIENCE", "Running", "options_for", "patience", "rungs"]

CANCEL_PATIENCE = 60.0
"""Seconds that a cancelled migration has to end."""
VERIFY_PATIENCE = 30.0
"""Seconds in which the hosts have to agree on where a domain is."""
SLACK = 2.0
"""What is predicted from progress may take this many times as long, as a link that is shared anew may double it."""
MARGIN = 30.0
"""Seconds on top: the beginning and the end of a migration are not in its progress."""


def patience(step: Step) -> float:
    """Seconds after which a migration that says nothing of its progress is taken not to converge.

    Three times the prediction, as a shared link or a busy guest may well double it.
    """
    return step.settings.timeout if step.settings.timeout is not None else 3 * step.predicted.duration + 60


def rungs(settings: MigrationSettings) -> list[Rung]:
    """What to do, one after another. Ends with cancelling, whatever the policy: nothing is waited for for ever."""
    ladder = [rung for rung in settings.when_not_converging if rung is not Rung.CANCEL]
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
    trend: Trend
    offers: Capabilities = field(default_factory=Capabilities)
    """What its source can do."""
    ladder: list[Rung] = field(default_factory=list)
    look_at: float = 0.0
    """Not to be asked again before this."""
    verify_until: float | None = None
    """Set once the migration is over: it only remains to be verified."""
    reported: MigrationOutcome | None = None
    failure: str = ""
    given_up: str = ""
    """Why it was cancelled, where it was."""
    over: bool = False
    """The driver says that it has ended, so that it sends no more."""
    blind: bool = False
    """Its host does not answer."""
    unreachable: bool = False
    """It failed because its host could not be reached."""
    suspended: bool = False
    """By this run, at its source, to let its copy end."""
    unheard: bool = False
    """One of its hosts was silent when the hosts were last asked where the domain is."""
    late_copy: bool = False
    """Its destination started it though it had failed, and it was suspended there."""
    looks: int = 0
    """Times in a row that it was seen to run on one host, and something of it to be left on the other."""
    settling: bool = False
    """It was sent over, suspended or cancelled: it is bound to end, and is not judged any more."""

    @property
    def watched(self) -> bool:
        return self.verify_until is None

    @property
    def failed(self) -> bool:
        """Its source's own word: the migration is over, and has not moved the domain."""
        return self.over and self.reported is None and not self.unreachable

    def end(self, now: float, failure: str = "", reported: MigrationOutcome | None = None) -> None:
        """The migration is over, or is not watched any longer; what is true is asked from the hosts."""
        self.failure = "; ".join(filter(None, (self.given_up, failure))) if reported is None else failure
        self.reported = reported
        self.verify_until, self.look_at = now + VERIFY_PATIENCE, now

    def verify_again(self, now: float) -> None:
        """As if it had ended only now: its hosts answer again."""
        self.verify_until, self.look_at, self.looks, self.unheard = now + VERIFY_PATIENCE, now, 0, False

    def extend(self, now: float) -> None:
        """The deadline by what is left to send, as long as bytes arrive; a policy's own ``timeout`` stays."""
        if self.step.settings.timeout is not None or Rung.CANCEL not in self.ladder or self.trend.stalled(now):
            return
        left = self.trend.time_left(None)
        if left is not None and self.trend.bounded:
            self.deadline = max(self.deadline, now + SLACK * left + MARGIN)

    def cancel(self, now: float) -> None:
        """Raises the driver's errors."""
        self.ladder, self.settling = [], True
        self.deadline = now + CANCEL_PATIENCE
        if self.migration is not None:
            guarded(self.step.source, self.migration.cancel)

    def since(self, start: float) -> Seconds:
        return Seconds(self.started - start)
