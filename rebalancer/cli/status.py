"""How a command ends."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitStatus"]


class ExitStatus(IntEnum):
    DONE = 0
    """Or nothing to do."""
    ERROR = 1
    PLAN_HAS_STEPS = 2
    """Only with ``--detailed-exitcode``."""
    RULE_BROKEN = 3
    """``check`` found one; for ``place`` and ``simulate``: something finds no place."""
    RUN_INCOMPLETE = 4
    """Everything is safe; ``resume`` goes on."""
