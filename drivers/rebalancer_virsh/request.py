"""A migration in virsh's words: the arguments, and whether the host can do what is asked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from rebalancer.cluster import Capabilities, Domain
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers.protocol import DriverHost, MigrationOptions
from rebalancer.errors import Unsupported
from rebalancer_virsh.hypervisors import MIB
from rebalancer_virsh.virsh import uuid_of

__all__ = ["MigrationRequest", "downtime_milliseconds", "migration_request", "whole_mib"]

_DATA_SCHEMES = ("tcp", "rdma", "unix")
"""Of URIs that say where QEMU sends the data, in place of which libvirt to talk to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRequest:
    """One migration to start."""

    uuid: str
    name: str
    """At its source."""
    memory: float
    """Bytes that the domain counts for; 0: not known."""
    active: bool
    destination: str
    """Name of the host in the inventory."""
    peer: str
    """URI of the destination's libvirt, as seen from the source."""
    arguments: tuple[str, ...]
    """Of virsh."""
    max_downtime: int | None
    """In milliseconds."""


def migration_request(
    host: str, can: Capabilities, kind: str, domain: Domain, destination: DriverHost, options: MigrationOptions
) -> MigrationRequest:
    """What to run on ``host``; raises Unsupported for what it cannot do. No option is left out silently.

    A domain that is shut off has nothing to copy: its definition moves, and caps and downtimes hold by themselves.
    """
    active = domain.state.active
    _require(host, can, domain, options, active=active)
    try:
        uuid = uuid_of(domain.uuid)
    except ValueError as error:
        raise Unsupported(host, "migration", str(error)) from error
    peer, data = _uris(host, kind, destination, options)
    arguments = ["migrate", "--p2p", "--domain", uuid, "--desturi", peer]
    if not active:
        arguments += ["--offline", "--persistent", "--undefinesource"]
    else:
        arguments += _active_arguments(host, domain, options)
        arguments += ["--migrateuri", data] if data else []
    if options.new_name is not None and options.new_name != domain.name:
        arguments += ["--dname", _new_name(host, options.new_name)]
    downtime = options.max_downtime if active else None
    return MigrationRequest(
        uuid=uuid,
        name=domain.name,
        memory=domain.uses.get("memory", 0.0),
        active=active,
        destination=destination.name,
        peer=peer,
        arguments=tuple(arguments),
        max_downtime=None if downtime is None else downtime_milliseconds(downtime),
    )


def whole_mib(host: str, bandwidth: BytesPerSecond) -> int:
    """The cap in MiB/s, rounded down: a cap is kept. Never 0, which libvirt takes for no cap at all."""
    mib = int(bandwidth // MIB)
    if mib < 1:
        raise Unsupported(host, "bandwidth", f"libvirt has no caps below 1 MiB/s, asked for {bandwidth:g} bytes/s")
    return mib


def downtime_milliseconds(downtime: Seconds) -> int:
    """At least 1 ms."""
    return max(1, int(downtime * 1000))


def _require(host: str, can: Capabilities, domain: Domain, options: MigrationOptions, *, active: bool) -> None:
    asked = {
        "live": active and options.live,
        "offline": not (active and options.live),
        "rename": options.new_name is not None and options.new_name != domain.name,
        "bandwidth": options.bandwidth is not None,
        "max_downtime": options.max_downtime is not None,
        "auto_converge": options.auto_converge,
        "post_copy": options.post_copy,
    }
    for option, wanted in asked.items():
        if wanted and not getattr(can, option):
            raise Unsupported(host, option)
    if options.transport is not None and options.transport not in can.transports:
        raise Unsupported(host, f"transport {options.transport!r}", f"it has: {', '.join(can.transports) or 'none'}")
    if not active and not domain.persistent:
        raise Unsupported(host, "migration", f"{domain.uuid} is neither running nor defined")


def _active_arguments(host: str, domain: Domain, options: MigrationOptions) -> list[str]:
    flags = {
        "--live": options.live,
        # Also for transient domains: a definition is neither made nor lost on the way.
        "--persistent": domain.persistent,
        "--undefinesource": domain.persistent,
        "--auto-converge": options.auto_converge,
        "--postcopy": options.post_copy,
        "--tls": options.transport == "tls",
    }
    arguments = [flag for flag, wanted in flags.items() if wanted]
    if options.bandwidth is not None:
        cap = str(whole_mib(host, options.bandwidth))
        arguments += ["--bandwidth", cap]
        # QEMU has another cap for post-copy, which is none at all where it is not set.
        arguments += ["--postcopy-bandwidth", cap] if options.post_copy else []
    return arguments


def _uris(host: str, kind: str, destination: DriverHost, options: MigrationOptions) -> tuple[str, str]:
    """The destination's libvirt, and where the data goes (empty: libvirt finds out)."""
    given = options.uri or ""
    data = given if given.partition(":")[0] in _DATA_SCHEMES else ""
    peer = given if given and not data else destination.peer
    if not peer and destination.address:
        # With the keys of the source's daemon, usually root's.
        path = "system" if kind == "qemu" else ""
        peer = f"{kind}+ssh://{_in_uri(destination.address)}/{path}"
    if not peer:
        raise Unsupported(host, "migration", f"{destination.name} has neither a 'peer' nor an 'address'")
    if peer.startswith("-"):
        raise Unsupported(host, "migration", f"{peer!r} is not a URI")
    # Given an address, libvirt does not ask the destination for its name, which the source may not be able to resolve.
    if not data and destination.address:
        data = f"tcp://{_in_uri(destination.address)}"
    return peer, data


def _in_uri(address: str) -> str:
    try:
        return f"[{address}]" if isinstance(ip_address(address), IPv6Address) else address
    except ValueError:
        return address


def _new_name(host: str, name: str) -> str:
    # What libvirt refuses in names anyway, said before anything has started.
    if not name.strip() or "/" in name or "\n" in name or "\0" in name:
        raise Unsupported(host, "rename", f"{name!r} cannot be a name")
    return name
