"""What each of libvirt's hypervisor drivers can do of a migration: known, not tried out.

The capabilities XML says far less (``<live/>`` and the transports), so it only takes away from this table.
"""

from __future__ import annotations

from dataclasses import replace

from rebalancer.cluster import Capabilities, NameForm
from rebalancer.drivers.xml import Element

__all__ = ["MIB", "capabilities_of", "kind_of", "version_of"]

MIB = 2**20

_TABLE = {
    # ssh: only as libvirt's tunnel, which excludes post-copy and needs the daemon's own keys on every host.
    "qemu": Capabilities(
        live=True,
        offline=True,
        rename=True,
        bandwidth=True,
        set_bandwidth=True,
        max_downtime=True,
        cancel=True,
        progress=True,
        auto_converge=True,
        post_copy=True,
        dirty_rate=True,
        transports=("tcp", "tls"),
        bandwidth_unit=MIB,
    ),
    # libxl: its migration parameters are migrate_uri, destination_name and destination_xml; job info has the time only.
    "xen": Capabilities(live=True, rename=True, transports=("tcp",), bandwidth_unit=MIB, names=NameForm.NO_NUMBER),
}
_NOTHING = Capabilities(bandwidth_unit=MIB)
_DIRTY_RATE_SINCE = (7, 2)
"""libvirt's version with ``domdirtyrate-calc``."""


def kind_of(uri: str) -> str:
    """``qemu+ssh://h1/system`` → ``qemu``."""
    return uri.partition(":")[0].partition("+")[0].lower()


def capabilities_of(kind: str, answered: Element, version: tuple[int, ...]) -> Capabilities:
    """The table's entry, without what the host says it lacks."""
    found = _TABLE.get(kind, _NOTHING)
    if answered.find("host/migration_features/live") is None:
        found = replace(found, live=False, auto_converge=False, post_copy=False)
    if version < _DIRTY_RATE_SINCE:
        found = replace(found, dirty_rate=False)
    named = {element.text for element in answered.iterfind("host/migration_features/uri_transports/uri_transport")}
    if named and "tcp" not in named:
        found = replace(found, transports=())
    return found


def version_of(answer: str) -> tuple[int, ...]:
    """``virsh version``'s library version, e.g. ``(9, 0, 0)``; empty where it does not say."""
    for line in answer.splitlines():
        if line.startswith("Using library: libvirt "):
            words = line.removeprefix("Using library: libvirt ").strip().split(".")
            return tuple(int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 9)
    return ()
