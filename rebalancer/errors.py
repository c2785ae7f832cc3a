"""Every error that the tool raises on purpose.

::

    RebalancerError
    ├── InvalidInput           a file or an argument is wrong: positions and what to write instead
    ├── HostError              something about one host; carries the host's name
    │   ├── HostUnreachable    no connection: refused, timed out, wrong host key, failed login
    │   ├── HostAnswerInvalid  the host answered something that cannot be understood
    │   └── MigrationFailed    a migration ended without moving its domain
    ├── Unsupported            a host cannot do what the plan or the policy asks of it
    ├── PlanImpossible         no order of steps leads to the placement
    ├── PlanOutdated           the cluster is no longer the one that a plan was made for
    └── RunError               a run cannot start or go on (journal, locks)

The command line prints the message of any of these and ends with status 1, without a traceback.
"""

from __future__ import annotations

from collections.abc import Sequence

from rebalancer.values import dataclass

__all__ = [
    "HostAnswerInvalid",
    "HostError",
    "HostUnreachable",
    "InvalidInput",
    "MigrationFailed",
    "PlanImpossible",
    "PlanOutdated",
    "Position",
    "Problem",
    "RebalancerError",
    "RunError",
    "Unsupported",
]


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the input, where it is, and what to write instead."""

    message: str
    position: Position | None = None

    def __str__(self) -> str:
        return f"{self.position}: {self.message}" if self.position else self.message


class RebalancerError(Exception):
    """Base of all errors raised on purpose; ``str(error)`` is fit to be shown to the user."""


class InvalidInput(RebalancerError):
    """One or more problems in what the user wrote; nothing was changed."""

    def __init__(self, problems: Sequence[Problem] | str, position: Position | None = None) -> None:
        if isinstance(problems, str):
            problems = [Problem(problems, position)]
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class HostError(RebalancerError):
    """Something went wrong with one host."""

    def __init__(self, host: str, message: str) -> None:
        self.host = host
        self.message = message
        super().__init__(f"{host}: {message}")


class HostUnreachable(HostError):
    """The host could not be reached or refused us; the cause is chained."""


class HostAnswerInvalid(HostError):
    """The host answered something that is not what its hypervisor answers."""


class MigrationFailed(HostError):
    """A migration ended without moving its domain; ``host`` is the source."""


class Unsupported(RebalancerError):
    """A host cannot do what is asked; the message names host and option."""

    def __init__(self, host: str, option: str, detail: str = "") -> None:
        self.host = host
        self.option = option
        super().__init__(f"{host}: {option} is not supported" + (f": {detail}" if detail else ""))


class PlanImpossible(RebalancerError):
    """No order of steps leads from the cluster to the placement; the message says what is missing where."""


class PlanOutdated(RebalancerError):
    """The cluster has changed since the plan was made; the message says what differs."""


class RunError(RebalancerError):
    """A run cannot start or go on."""
