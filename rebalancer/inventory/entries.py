"""The inventory file as written. See ``examples/inventory.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue

from rebalancer.cluster.entries import LinkEntry
from rebalancer.documents import AmountsField, DurationField, FileModel, Model, Name, ShareField
from rebalancer.policy.expressions import DomainSelector

__all__ = [
    "CallEntry",
    "HookEntry",
    "HooksEntry",
    "HostEntry",
    "InventoryFile",
    "LabelsEntry",
    "ProbeEntry",
    "ReachEntry",
    "SafeguardsEntry",
    "SshEntry",
]


def _word(text: str) -> str:
    if any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError("must not contain spaces or control characters")
    # It may become an argument of a command, where it would be read as an option.
    if text.startswith("-"):
        raise ValueError("must not begin with '-'")
    return text


def _absolute(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("must be an absolute path, as seen on the hosts")
    return text


def _driver_settings(settings: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    for key in ("base_directory", "shared_storage", "ssh", "transport"):
        if key in settings:
            raise ValueError(f"'{key}' does not belong here, but beside 'settings'")
    return settings


def _web_address(text: str) -> str:
    parts = urlsplit(_word(text))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as http://127.0.0.1:8080/hook")
    if parts.username or parts.password:
        raise ValueError("must not hold a password: it would be shown in messages")
    return text


def _argument(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain a zero byte")
    return text


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be more than 0")
    return value


def _share(value: float) -> float:
    if not 0 < value <= 1:
        raise ValueError("must be more than 0% and at most 100%")
    return value


def _pressures(limits: Mapping[str, float]) -> Mapping[str, float]:
    if unknown := sorted(set(limits) - {"cpu", "memory", "io"}):
        raise ValueError(f"'{unknown[0]}' has no pressure; write 'cpu', 'memory' or 'io'")
    return limits


Argument = Annotated[str, Field(max_length=10_000), AfterValidator(_argument)]
Time = Annotated[DurationField, AfterValidator(_positive)]
Word = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_word)]
RemotePath = Annotated[Name, AfterValidator(_absolute)]


class SshEntry(Model):
    """How to log in. Paths are relative to the inventory; ``~`` is the home directory."""

    user: Word | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    key: Name | None = None
    """The private key's file."""
    known_hosts: Name | None = None
    """The file with the hosts' keys; a host whose key is not there is refused."""
    config: Name | Literal[False] | None = None
    """An ``ssh_config`` to take more settings from, instead of the user's and the system's; ``false``: none."""
    connect_timeout: DurationField | None = None
    command_timeout: DurationField | None = None


class ReachEntry(Model):
    """What can be said of one host or, under ``defaults``, of all."""

    driver: Name | None = None
    """``rebalance drivers`` lists them; ``virsh`` where nothing is said."""
    uri: Word | None = None
    """The hypervisor's URI as seen on the host itself, e.g. ``qemu:///system``."""
    transport: Literal["local", "ssh"] | None = None
    """How commands get to the host: run here, or by ssh."""
    ssh: SshEntry | None = None
    shared_storage: tuple[RemotePath, ...] | None = None
    """Directories in which all hosts see the same disks."""
    labels: Mapping[str, str] = Field(default_factory=dict)
    capacity: AmountsField = Field(default_factory=dict)
    """Replaces what the host reports, resource by resource."""
    settings: Annotated[Mapping[str, JsonValue], AfterValidator(_driver_settings)] = Field(default_factory=dict)
    """Whatever else a driver understands."""


class HostEntry(ReachEntry):
    """One host."""

    name: Name
    address: Word | None = None
    """Its name or address in the network; its ``name`` where nothing is said."""
    peer: Word | None = None
    """The URI under which other hosts reach it to migrate to it, e.g. ``qemu+tcp://h1/system``."""
    maintenance: bool = False
    """No domain should run there."""
    distance: Mapping[Name, Annotated[float, Field(ge=0, le=1e9)]] = Field(default_factory=dict)
    """Other host → how far it is to move a domain there, or to talk to one there, in any unit: ``{h2: 5}``."""


class LabelsEntry(Model):
    """Labels for domains that their hosts do not know."""

    select: DomainSelector
    labels: Mapping[str, str] = Field(alias="set", min_length=1)


class CallEntry(Model):
    """Something outside to ask or to tell: a ``command`` or a ``url``, one of them. It is given JSON."""

    command: Annotated[tuple[Argument, ...], Field(min_length=1)] | None = None
    """A program on this machine and its arguments; no shell. A path with a slash is relative to the inventory. JSON
    comes on its standard input; status 0 is consent, any other a refusal, and what it prints is the reason."""
    url: Annotated[str, Field(max_length=2000), AfterValidator(_web_address)] | None = None
    """JSON is posted to it; a status from 200 to 299 is consent. Redirections are not followed."""
    timeout: Time | None = None
    """How long it may take; 30 s where nothing is said."""


class HookEntry(CallEntry):
    """Called at one moment of a run."""

    veto: bool | None = None
    """Of ``before_run`` and ``before_step``: whether a refusal, an error or a timeout forbids it; true where nothing
    is said. The others only inform."""


class HooksEntry(Model):
    """Who is asked or told, and when. JSON says which: ``moment``, ``run``, ``cluster``, ``steps`` or ``step``."""

    before_run: tuple[HookEntry, ...] = ()
    """Before anything is started; may veto the run."""
    before_step: tuple[HookEntry, ...] = ()
    """Before each migration; may veto it."""
    after_step: tuple[HookEntry, ...] = ()
    """After each step, with its outcome."""
    after_run: tuple[HookEntry, ...] = ()
    """After the last step, with all outcomes."""
    on_failure: tuple[HookEntry, ...] = ()
    """After each step that failed or of which nobody knows what became."""


class ProbeEntry(CallEntry):
    """Something whose health migrations depend on. While it fails, nothing is started."""

    name: Name
    every: Time | None = None
    """How often it is asked while a run goes; 30 s where nothing is said."""


class SafeguardsEntry(Model):
    """What pauses a run. Migrations under way go on."""

    pressure: Annotated[Mapping[str, Annotated[ShareField, AfterValidator(_share)]], AfterValidator(_pressures)] = (
        Field(default_factory=dict)
    )
    """Of ``memory``, ``cpu`` and ``io``: the share of the last ten seconds in which something on a host waited for it
    (Linux' pressure stall information), above which no domain is sent there and the run pauses."""
    probes: tuple[ProbeEntry, ...] = ()
    """All of them must be healthy."""
    patience: Time | None = None
    """A run that is paused for longer ends; 10 min where nothing is said."""


class InventoryFile(FileModel):
    """Which hosts there are, how to reach them, and how they are linked."""

    defaults: ReachEntry = ReachEntry()
    hosts: Annotated[tuple[HostEntry, ...], Field(min_length=1)]
    switches: tuple[Name, ...] | None = None
    """Where given, links may end only at these and at hosts."""
    links: tuple[LinkEntry, ...] = ()
    labels: tuple[LabelsEntry, ...] = ()
    shared_storage: tuple[RemotePath, ...] | None = None
    """As in ``defaults``."""
    safeguards: SafeguardsEntry = SafeguardsEntry()
    """What pauses a run."""
    hooks: HooksEntry = HooksEntry()
    """Who is asked before a run or a step, and told after it."""
