"""Why a domain cannot be migrated: what libvirt and QEMU would refuse, known before it is tried.

Each check takes the domain's XML and yields reasons that name the device. After libvirt's ``qemuMigrationSrcIsAllowed``
and ``qemuMigrationSrcIsSafe``.
"""

from __future__ import annotations

from collections.abc import Iterator

from rebalancer.drivers.xml import Element
from rebalancer_virsh.storage import SharedStorage

__all__ = ["obstacles"]

_SAFE_CACHES = ("none", "directsync")
_LOCAL_DISKS = {"nvme": "is a passed-through NVMe drive", "vhostuser": "is behind a local socket"}
_MOST_BACKING_FILES = 64


def obstacles(domain: Element, storage: SharedStorage, *, drops_cache: bool) -> tuple[str, ...]:
    """All reasons, e.g. ``("disk vda is on local storage (/var/lib/x.qcow2)",)``; empty: it can be migrated."""
    found: list[str] = []
    for disk in domain.iterfind("devices/disk"):
        found += _disk(disk, storage, drops_cache=drops_cache)
    for check in (_passed_through, _interfaces, _other_devices, _processor):
        found += check(domain)
    return tuple(dict.fromkeys(found))


def _disk(disk: Element, storage: SharedStorage, *, drops_cache: bool) -> Iterator[str]:
    target = disk.find("target")
    name = f"disk {target.get('dev') if target is not None else '?'}"
    source = disk.find("source")
    if source is None or _is_empty(source):
        return
    if disk.find("transient") is not None:
        yield f"{name} is transient"
    if disk.find("readonly") is not None or disk.get("device") == "cdrom":
        return
    kind = disk.get("type") or "file"
    if kind in _LOCAL_DISKS:
        yield f"{name} {_LOCAL_DISKS[kind]}"
        return
    yield from _local(name, kind, source, storage)
    yield from _local_backing(name, disk, storage)
    driver = disk.find("driver")
    cache = driver.get("cache") if driver is not None else None
    if kind == "file" and cache not in _SAFE_CACHES and not drops_cache and disk.find("shareable") is None:
        yield f"{name} has cache='{cache or 'default'}', with which libvirt refuses to migrate: set cache='none'"


def _is_empty(source: Element) -> bool:
    named = ("file", "dev", "dir", "name", "volume", "type", "protocol")
    return not any(source.get(attribute) for attribute in named) and source.find("address") is None


def _local(name: str, kind: str, source: Element, storage: SharedStorage) -> Iterator[str]:
    if kind in ("file", "block", "dir"):
        path = source.get("file") or source.get("dev") or source.get("dir") or ""
        if not storage.holds(path):
            yield f"{name} is on local storage ({path})"
    elif kind == "volume":
        pool = source.get("pool") or ""
        if pool not in storage.pools:
            yield f"{name} is in the local pool '{pool}'"
    elif kind == "network":
        if any(host.get("transport") == "unix" for host in source.iterfind("host")):
            yield f"{name} is behind a local socket"
    else:
        yield f"{name} is of type '{kind}'"


def _local_backing(name: str, disk: Element, storage: SharedStorage) -> Iterator[str]:
    """The files below a disk's overlay are opened at the destination too."""
    backing = disk.find("backingStore")
    for _ in range(_MOST_BACKING_FILES):
        if backing is None:
            return
        source = backing.find("source")
        if source is not None:
            yield from _local(f"the backing file of {name}", backing.get("type") or "file", source, storage)
        backing = backing.find("backingStore")


def _passed_through(domain: Element) -> Iterator[str]:
    for device in domain.iterfind("devices/hostdev"):
        if device.find("teaming[@type='transient']") is not None:
            continue  # libvirt unplugs it for the migration
        source = device.find("source")
        if source is not None and source.get("protocol") == "iscsi":
            continue
        kind = device.get("type") or "host"
        yield f"host device ({kind} {_address(source)}) is passed through".replace(" )", ")")


def _address(source: Element | None) -> str:
    """``0000:06:12.5`` of a PCI device, ``1d6b:0002`` of a USB device, else what there is."""
    address = source.find("address") if source is not None else None
    if address is not None and address.get("slot"):
        parts = [(address.get(part) or "0x0").removeprefix("0x") for part in ("domain", "bus", "slot", "function")]
        return "{}:{}:{}.{}".format(*parts)
    if source is not None and source.find("vendor") is not None:
        ids = [element.get("id", "").removeprefix("0x") for element in source if element.tag in ("vendor", "product")]
        return ":".join(ids)
    return (address.get("uuid") or "") if address is not None else ""


def _interfaces(domain: Element) -> Iterator[str]:
    for interface in domain.iterfind("devices/interface"):
        kind = interface.get("type")
        if kind not in ("hostdev", "vdpa") or interface.find("teaming[@type='transient']") is not None:
            continue
        mac = interface.find("mac")
        address = mac.get("address") if mac is not None else "?"
        yield f"interface {address} is a passed-through device (type '{kind}')"


def _other_devices(domain: Element) -> Iterator[str]:
    for filesystem in domain.iterfind("devices/filesystem"):
        driver, target = filesystem.find("driver"), filesystem.find("target")
        kind = (driver.get("type") if driver is not None else None) or "9p"
        directory = target.get("dir") if target is not None else "?"
        yield f"filesystem '{directory}' is a directory of the host ({'9p' if kind in ('path', 'handle') else kind})"
    for shared in domain.iterfind("devices/shmem"):
        yield f"shared memory '{shared.get('name') or '?'}' is this host's"
    if domain.find("devices/tpm/backend[@type='passthrough']") is not None:
        yield "tpm is passed through"


def _processor(domain: Element) -> Iterator[str]:
    fixed = domain.find("clock/timer[@name='tsc'][@frequency]") is not None
    if domain.find("cpu/feature[@policy='require'][@name='invtsc']") is not None and not fixed:
        yield "cpu feature 'invtsc' needs <timer name='tsc' frequency=…>"
    security = domain.find("launchSecurity")
    if security is not None:
        yield f"memory is encrypted ({security.get('type') or 'launchSecurity'})"
