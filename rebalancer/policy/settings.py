"""What a policy says about migrating, once it is resolved: names, speeds, links and limits as plain values."""

from __future__ import annotations

from enum import StrEnum

from rebalancer.cluster import Link
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.policy.expressions import DomainKey
from rebalancer.values import dataclass

__all__ = [
    "FreeIn",
    "Hint",
    "Hints",
    "HintsFrom",
    "Limits",
    "LinkCap",
    "MigrationSettings",
    "Names",
    "OnClash",
    "PerDomain",
    "PerGroup",
    "Restore",
    "Rung",
]


class OnClash(StrEnum):
    """What to do about a name that is taken on the destination."""

    RENAME = "rename"
    ORDER = "order"
    """Wait until the other has left; never rename."""
    FORBID = "forbid"
    """Never choose a host where the name is taken."""


class Restore(StrEnum):
    """Whether a domain that was renamed because of a clash gets its name back."""

    NEVER = "never"
    WHEN_FREE = "when_free"


class FreeIn(StrEnum):
    """Where nobody may have a name that is given to a domain."""

    HOST = "host"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    on_clash: OnClash = OnClash.RENAME
    template: str = "{name}-{source}"
    """Fields: ``name``, ``source``, ``destination``, ``uuid``, ``short_uuid``, ``n`` (a number that makes it free)."""
    free_in: FreeIn = FreeIn.HOST
    """Where a new name must be free: on the destination, or on all hosts."""
    restore: Restore = Restore.NEVER
    """Whether a name that was given up for a clash comes back with the next move on which it is free."""
    rename_cost: float = 0.1
    """What each domain that needs a new name where it ends up adds to the score."""
    asked: bool = False
    """Whether a policy says ``on_clash`` itself. Then a host that cannot rename is refused where a name clashes; by
    default such hosts are avoided."""


class Rung(StrEnum):
    """What to do, one after another, with a migration that does not converge."""

    MORE_BANDWIDTH = "more_bandwidth"
    """A larger share of its links, at the cost of the other migrations on them."""
    AUTO_CONVERGE = "auto_converge"
    POST_COPY = "post_copy"
    PAUSE = "pause"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationSettings:
    """How one domain is migrated: the entries of ``migration:`` that select it, merged, later ones winning."""

    live: bool = True
    per_host: int = 2
    """Migrations at once on a host, arriving and leaving together."""
    total: int = 8
    bandwidth: BytesPerSecond | None = None
    max_downtime: Seconds = Seconds(0.3)
    timeout: Seconds | None = None
    """After this long a migration is taken not to converge."""
    when_not_converging: tuple[Rung, ...] = (Rung.CANCEL,)
    transport: str | None = None
    weight: float = 1.0
    """Its share of a link in relation to that of others."""
    priority: int = 0
    """Who of those that leave a host by a deadline goes first: the highest."""
    retries: int = 0
    """How often it is tried again after it failed or was given up."""
    retry_after: Seconds = Seconds(60.0)
    """Before the first of them; twice as long before each further one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCap:
    """What migrations together may take of a link, in each direction: a share of its capacity or a rate."""

    share: float | None = None
    rate: BytesPerSecond | None = None

    def of(self, link: Link) -> BytesPerSecond:
        if self.rate is not None:
            return BytesPerSecond(min(self.rate, link.capacity))
        return BytesPerSecond(link.capacity * (1.0 if self.share is None else self.share))


@dataclass(frozen=True, slots=True, kw_only=True)
class PerDomain:
    """A domain moves at most ``most`` times ``within`` so many seconds."""

    most: int
    within: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class PerGroup:
    """Of the domains with the same key at most ``most`` move in one plan."""

    group: DomainKey
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    max_moves: int | None = None
    max_bytes: Bytes | None = None
    per_host: int | None = None
    arrivals_per_host: int | None = None
    per_group: PerGroup | None = None
    per_domain: PerDomain | None = None
    min_gain: float = 0.0
    """A plan that repairs nothing must better the score by this share, or nothing is done."""
    payback: Seconds | None = None
    """A plan that repairs nothing must gain more within this time than its migrations take."""
    per_hour: int | None = None
    """Domains that are moved in any hour, all runs together; a run waits until it may go on."""
    cooldown: Seconds | None = None
    """A domain that moved less than this ago moves only to repair a rule."""
    confirmations: int = 1
    """A plan that repairs nothing must have been the result this many times in a row, this time included."""
    only_repairs: bool = False
    """Domains move only to repair a rule, and as few as that takes."""


class HintsFrom(StrEnum):
    """Where the owners of domains write their hints."""

    LABELS = "labels"
    TAGS = "tags"


class Hint(StrEnum):
    """What the owner of a domain may ask for. None of them can make a domain move."""

    STAY = "stay"
    AVOID = "avoid"
    ONLY = "only"
    APART = "apart"
    TOGETHER = "together"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    source: HintsFrom = HintsFrom.LABELS
    allow: tuple[Hint, ...] = ()
