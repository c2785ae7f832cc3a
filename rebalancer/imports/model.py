"""What an importer is given and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TypeAlias

from rebalancer.cluster import Cluster
from rebalancer.values import dataclass

__all__ = ["Imported", "Importer", "Read", "SourceText"]


@dataclass(frozen=True, slots=True)
class SourceText:
    """The text of a file, and the file's name for messages."""

    text: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Another system's state and settings as ours."""

    policy: str
    """The text of a policy file; what has no equivalent stands in it as a comment."""
    cluster: Cluster | None = None
    """None: the file says nothing about hosts and domains."""
    notes: tuple[str, ...] = field(default=())
    """What the user should know: mostly what could not be carried over. One sentence each, on one line."""


Read: TypeAlias = Callable[[SourceText, SourceText | None], Imported]
"""(settings or everything, state) → ours; pure. Raises InvalidInput with positions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """How one other system's files are read."""

    name: str
    """As on the command line."""
    reads: str
    """What the file is, in a few words."""
    read: Read
    state: str | None = None
    """What a second file with the state is; None: the first file has it all, and a second one is refused."""
