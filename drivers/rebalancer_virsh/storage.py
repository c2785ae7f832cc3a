"""Which storage all hosts share: directories that the inventory names, and libvirt's networked pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rebalancer.drivers.xml import parse_xml, text
from rebalancer_virsh.virsh import uuid_of

__all__ = ["NETWORKED_POOLS", "SharedStorage", "pool_commands", "shared_storage"]

NETWORKED_POOLS = "pool-list --type netfs,gluster,rbd,iscsi,iscsi-direct,sheepdog,vstorage --uuid"
"""The command that lists them; names of pools must not become part of a command, so by UUID."""


@dataclass(frozen=True, slots=True)
class SharedStorage:
    """Absolute paths of directories, and names of pools."""

    directories: tuple[str, ...] = ()
    pools: frozenset[str] = frozenset()

    def holds(self, path: str) -> bool:
        """Whether a file or device is in one of the directories; ``..`` is never believed."""
        parts = PurePosixPath(path).parts
        if ".." in parts:
            return False
        return any(
            parts[: len(directory)] == directory
            for directory in (PurePosixPath(directory).parts for directory in self.directories)
        )


def pool_commands(listing: bytes) -> tuple[str, ...]:
    """Commands that describe the pools in the answer to :data:`NETWORKED_POOLS`; raises ValueError."""
    return tuple(f"pool-dumpxml {uuid_of(word)}" for word in listing.decode("utf-8", "replace").split())


def shared_storage(directories: Sequence[str], pools: Sequence[bytes]) -> SharedStorage:
    """From the inventory's directories and the answers to :func:`pool_commands`; raises ValueError."""
    paths = list(directories)
    names: set[str] = set()
    for answer in pools:
        if not answer.strip():
            continue  # gone in the meantime
        pool = parse_xml(answer, "pool")
        names.add(text(pool, "name") or "")
        path = text(pool, "target/path")
        # rbd and the like have no directory; what iscsi has (/dev/disk/by-path) is all devices, not only its own.
        if path and path.startswith("/") and not path.startswith("/dev"):
            paths.append(path)
    return SharedStorage(tuple(paths), frozenset(names - {""}))
