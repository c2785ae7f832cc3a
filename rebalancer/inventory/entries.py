"""The inventory file as written. See ``examples/inventory.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from rebalancer.cluster.entries import LinkEntry
from rebalancer.documents import AmountsField, DurationField, FileModel, Model, Name
from rebalancer.policy.expressions import DomainSelector

__all__ = ["HostEntry", "InventoryFile", "LabelsEntry", "ReachEntry", "SshEntry"]


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


class LabelsEntry(Model):
    """Labels for domains that their hosts do not know."""

    select: DomainSelector
    labels: Mapping[str, str] = Field(alias="set", min_length=1)


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
