"""What an inventory says of runs on its hosts: when to pause, and whom to ask and to tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from rebalancer.cluster.units import Seconds
from rebalancer.values import dataclass

__all__ = ["Call", "Hook", "Moment", "Probe", "Safeguards"]


class Moment(StrEnum):
    """When hooks are called."""

    BEFORE_RUN = "before_run"
    BEFORE_STEP = "before_step"
    AFTER_STEP = "after_step"
    AFTER_RUN = "after_run"
    ON_FAILURE = "on_failure"
    """After a step that failed or of which nobody knows what became."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Something outside to ask or to tell: a command on this machine or a URL, one of them."""

    command: tuple[str, ...] = ()
    url: str = ""
    timeout: Seconds = Seconds(30.0)

    @property
    def name(self) -> str:
        """For messages."""
        return self.url or self.command[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    moment: Moment
    call: Call
    veto: bool = False
    """Whether a refusal, an error or silence keeps the run or the step from being started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Asked again and again; while it fails, nothing is started."""

    name: str
    call: Call
    every: Seconds = Seconds(30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguards:
    """``pressure``: resource → the share of time that something on a host may wait for it, before nothing is sent
    there. ``patience``: seconds that a run stays paused before it ends."""

    pressure: Mapping[str, float] = field(default_factory=dict)
    probes: tuple[Probe, ...] = ()
    patience: Seconds = Seconds(600.0)
    hooks: tuple[Hook, ...] = ()
