"""The driver: what the inventory may say of a host, and connections to it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rebalancer.cluster.units import Seconds
from rebalancer.drivers.commands import LocalTransport, Transport
from rebalancer.drivers.protocol import Clock, DriverHost, HostConnection
from rebalancer.drivers.ssh import SSH_SETTINGS, SshTransport
from rebalancer_virsh.connection import VirshConnection

__all__ = ["VirshDriver"]

_SETTINGS = frozenset({"base_directory", "shared_storage", "ssh", "transport"})

Found = list[tuple[tuple[str, ...], str]]


class VirshDriver:
    """See :class:`rebalancer.drivers.Driver`."""

    name = "virsh"

    def clock(self) -> Clock:
        return _SystemClock()

    def check(self, host: DriverHost) -> Found:
        settings = host.settings
        problems: Found = [
            ((key,), f"virsh has no setting {key!r}; it has: ssh, transport, shared_storage")
            for key in sorted(set(settings) - _SETTINGS)
        ]
        if settings.get("transport", "ssh") not in ("ssh", "local"):
            problems.append((("transport",), "must be ssh or local"))
        if host.uri and (":" not in host.uri or host.uri.startswith("-")):
            problems.append((("uri",), f"{host.uri!r} is not a libvirt URI such as qemu:///system"))
        problems += _check_ssh(settings.get("ssh"))
        shared = settings.get("shared_storage", ())
        if not isinstance(shared, list | tuple) or not all(
            isinstance(path, str) and path[:1] == "/" for path in shared
        ):
            problems.append((("shared_storage",), "must be a list of absolute paths"))
        return problems

    def connect(self, host: DriverHost) -> HostConnection:
        shared = host.settings.get("shared_storage")
        directories = [str(path) for path in shared] if isinstance(shared, list | tuple) else []
        return VirshConnection(host, _transport(host), directories)


class _SystemClock:
    def now(self) -> Seconds:
        return Seconds(time.monotonic())

    def sleep(self, duration: Seconds) -> None:
        time.sleep(duration)


def _transport(host: DriverHost) -> Transport:
    if not host.address or host.settings.get("transport") == "local":
        return LocalTransport(host.name)
    transport = SshTransport(host)
    transport.connect()
    return transport


def _check_ssh(given: object) -> Found:
    if given is None:
        return []
    if not isinstance(given, Mapping):
        return [(("ssh",), "must be settings such as {user: root, key: ~/.ssh/id_ed25519}")]
    problems: Found = []
    for key, value in given.items():
        kinds = SSH_SETTINGS.get(str(key))
        if kinds is None:
            problems.append((("ssh", str(key)), f"there is no such setting; there are: {', '.join(SSH_SETTINGS)}"))
        elif value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and value)):
            problems.append((("ssh", str(key)), f"{value!r} does not fit"))
        elif isinstance(value, int | float) and not isinstance(value, bool) and not 0 < value <= 65535:
            problems.append((("ssh", str(key)), f"{value!r} is out of range"))
    return problems
