"""What earlier plans advised, beside the journal: ``confirmations`` asks for the same several times in a row.

A JSON file, written atomically: for each policy, by its digest, the placements of the last plans since the last run,
oldest first, each with the time at which the cluster was read. Reading the same cluster again confirms nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from rebalancer.cli.inputs import tell
from rebalancer.documents import Model, parse_document, validate
from rebalancer.errors import InvalidInput, RebalancerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rebalancer.cluster import Cluster
    from rebalancer.plan.model import Plan
    from rebalancer.policy import Policy

__all__ = ["AdviceBook"]

_MOST_POLICIES = 50


class _Advice(Model):
    cluster: str
    taken_at: str
    placement: dict[str, str] = Field(default_factory=dict)


class _Book(Model):
    advice: dict[str, tuple[_Advice, ...]] = Field(default_factory=dict)


class AdviceBook:
    """Of one journal (None: the user's own), one policy and one cluster. Does nothing for a policy that asks for no
    confirmations."""

    def __init__(self, policy: Policy, cluster: Cluster, journal: Path | str | None = None) -> None:
        self._policy, self._cluster = policy, cluster
        self._wanted = policy.limits.confirmations
        self._path = _beside(journal)
        self._book = self._read() if self._wanted > 1 else _Book()

    def earlier(self) -> tuple[Mapping[str, str], ...] | None:
        """The placements advised so far, oldest first; None: nobody asks."""
        return tuple(each.placement for each in self._mine()) if self._wanted > 1 else None

    def remember(self, plan: Plan) -> None:
        """Adds what a plan advises; nothing, for one that repairs a rule or finds nothing to do: the row ends there."""
        if self._wanted > 1:
            advice = _Advice(cluster=self._cluster.name, taken_at=self._cluster.taken_at, placement=dict(plan.advised))
            self._write((*self._mine(), advice)[-self._wanted :])

    def _mine(self) -> tuple[_Advice, ...]:
        """What was advised for this cluster, when it was read earlier."""
        found = self._book.advice.get(self._policy.digest, ())
        return tuple(
            each for each in found if each.cluster == self._cluster.name and each.taken_at < self._cluster.taken_at
        )

    def _read(self) -> _Book:
        from rebalancer.files import read_text

        if not self._path.exists():
            return _Book()
        try:
            return validate(parse_document(read_text(self._path), str(self._path)), _Book)
        except InvalidInput as error:
            tell(f"warning: what earlier plans advised cannot be read, and is forgotten: {error}")
            return _Book()

    def _write(self, advice: tuple[_Advice, ...]) -> None:
        from rebalancer.files import write_atomically

        others = {digest: each for digest, each in self._book.advice.items() if digest != self._policy.digest}
        kept = dict(list(others.items())[-_MOST_POLICIES:]) | {self._policy.digest: advice}
        self._book = _Book(advice=kept)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(self._book.model_dump(mode="json"), indent=1) + "\n")
        except (OSError, RebalancerError) as error:
            tell(f"warning: confirmations: what this plan advises is not remembered: {error}")


def _beside(journal: Path | str | None) -> Path:
    """``journal.sqlite`` → ``journal.advice.json``; for a journal in a database, in the user's own directory."""
    from rebalancer.execution.journal.location import default_journal_path, journal_location

    location = journal_location(journal)
    path = location if isinstance(location, Path) else default_journal_path()
    return path.with_name(f"{path.stem}.advice.json")
