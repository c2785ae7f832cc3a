"""Commands on another machine, by SSH: one connection with a channel a command.

In: a host of the inventory. Out: :class:`SshTransport`. A host's key must be known beforehand, at every hop; nothing
is ever added. Settings of a host under ``ssh``: ``user``, ``port``, ``key``, ``known_hosts``, ``config`` (a path, or
False for none), ``connect_timeout`` and ``command_timeout`` in seconds. Where they say nothing, the user's
``ssh_config`` is asked (:mod:`rebalancer.drivers.ssh_config`).

Every failure is :class:`~rebalancer.errors.HostUnreachable` with one sentence. A connection that was lost is opened
again by the next command.
"""

from __future__ import annotations

import getpass
import logging
import shlex
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import paramiko

from rebalancer.cluster.units import Bytes, Seconds
from rebalancer.drivers.commands import (
    COMMAND_TIMEOUT,
    OUTPUT_LIMIT,
    Completed,
    RunningCommand,
    describe,
    printable,
)
from rebalancer.drivers.known_hosts import DEFAULT_PORT, HostKeyRejected, KnownHosts, read_known_hosts
from rebalancer.drivers.protocol import DriverHost
from rebalancer.drivers.ssh_config import SYSTEM_CONFIG, USER_CONFIG, SshSettings, read_ssh_config
from rebalancer.errors import HostAnswerInvalid, HostUnreachable, RebalancerError
from rebalancer.values import dataclass

__all__ = ["SSH_SETTINGS", "SshEndpoint", "SshTransport", "endpoint_of", "failure_sentence"]

SSH_SETTINGS: Mapping[str, tuple[type, ...]] = {
    "user": (str,),
    "port": (int,),
    "key": (str,),
    "known_hosts": (str,),
    "config": (str, bool),
    "connect_timeout": (int, float),
    "command_timeout": (int, float),
}
"""What may be under ``ssh``, and of which type."""

CONNECT_TIMEOUT = Seconds(15.0)
_KEEPALIVE = 15
"""Seconds between signs of life on an idle connection."""
_SILENCE = 30
"""Seconds without an acknowledgement after which a connection is dead; TCP alone would take many minutes."""
_CHANNELS = 8
"""On one connection: sshd allows ten (``MaxSessions``). With more commands at once, another is opened."""
_MOST_HOPS = 8
_DEFAULT_KEYS = tuple(Path("~/.ssh") / name for name in ("id_ed25519", "id_ecdsa", "id_rsa"))

# Without a handler, Python prints what paramiko logs as errors on standard error.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True, kw_only=True)
class SshEndpoint:
    """Where and how to log in: the settings of the inventory and the ssh_config together. Times in seconds."""

    address: str
    port: int = DEFAULT_PORT
    user: str = ""
    keys: tuple[Path, ...] = ()
    """Private keys to offer, besides the agent's."""
    keys_required: bool = False
    """Whether the keys were named, so that one that cannot be read is an error."""
    use_agent: bool = True
    known_hosts: tuple[Path, ...] = ()
    known_as: str = ""
    """The name to look for in known_hosts, if it is not the address."""
    hops: tuple[SshEndpoint, ...] = ()
    """Machines to go through, first one first."""
    connect_timeout: Seconds = CONNECT_TIMEOUT
    command_timeout: Seconds = COMMAND_TIMEOUT

    def __str__(self) -> str:
        return f"{self.address}:{self.port}" if self.port != DEFAULT_PORT else self.address


def endpoint_of(host: DriverHost) -> SshEndpoint:
    """How to reach a host of the inventory; raises HostUnreachable where its settings lead nowhere."""
    given = host.settings.get("ssh")
    settings: Mapping[str, object] = given if isinstance(given, Mapping) else {}
    try:
        return _endpoint(settings, host.address)
    except (ValueError, OSError) as error:
        raise HostUnreachable(host.name, f"cannot tell how to log in: {error}") from error


def _endpoint(settings: Mapping[str, object], address: str, *, depth: int = 0) -> SshEndpoint:
    config = settings.get("config")
    if config is False:
        files: tuple[Path, ...] = ()
    else:
        files = (Path(str(config)),) if config else (USER_CONFIG, SYSTEM_CONFIG)
    user = str(settings["user"]) if settings.get("user") else None
    found = read_ssh_config(files, address, user=user)
    if found.proxy_command and not found.proxy_jump:
        raise ValueError("its ProxyCommand in ssh_config is not executed; use ProxyJump, or ssh: {config: FILE}")
    port = settings.get("port")
    keys = (Path(str(settings["key"])),) if settings.get("key") else found.identity_files or _DEFAULT_KEYS
    connect_timeout = settings.get("connect_timeout")
    command_timeout = settings.get("command_timeout")
    return SshEndpoint(
        address=found.host_name,
        port=int(str(port)) if port else found.port or DEFAULT_PORT,
        user=user or found.user or getpass.getuser(),
        known_hosts=_known_hosts_files(settings, found),
        known_as=found.host_key_alias or "",
        hops=_hops(settings, found, depth),
        connect_timeout=Seconds(
            float(str(connect_timeout)) if connect_timeout else found.connect_timeout or CONNECT_TIMEOUT
        ),
        command_timeout=Seconds(float(str(command_timeout))) if command_timeout else COMMAND_TIMEOUT,
        keys=tuple(path.expanduser() for path in keys),
        keys_required=bool(settings.get("key")),
        use_agent=bool(settings.get("key")) or not found.identities_only,
    )


def _known_hosts_files(settings: Mapping[str, object], found: SshSettings) -> tuple[Path, ...]:
    if settings.get("known_hosts"):
        return (Path(str(settings["known_hosts"])).expanduser(),)
    if found.known_hosts is not None:
        return found.known_hosts
    return (Path("~/.ssh/known_hosts").expanduser(), Path("/etc/ssh/ssh_known_hosts"))


def _hops(settings: Mapping[str, object], found: SshSettings, depth: int) -> tuple[SshEndpoint, ...]:
    """The jump hosts, each with its own part of the ssh_config, and the jump hosts it needs itself."""
    if depth >= _MOST_HOPS:
        raise ValueError(f"ProxyJump goes through more than {_MOST_HOPS} machines")
    hops: list[SshEndpoint] = []
    for position, jump in enumerate(found.proxy_jump):
        user, _, target = jump.strip().removeprefix("ssh://").rpartition("@")
        name, port = _host_and_port(target)
        # Login and host keys as for the host itself, except for what the jump names.
        own = {key: value for key, value in settings.items() if key not in ("user", "port")}
        hop = _endpoint({**own, "user": user, "port": port}, name, depth=depth + 1)
        # Only the first one may have to be reached through others; the following ones are behind it.
        hops += (*hop.hops, replace(hop, hops=())) if position == 0 else (replace(hop, hops=()),)
    return tuple(hops)


def _host_and_port(text: str) -> tuple[str, int | None]:
    """``host``, ``host:22``, ``[::1]`` or ``[::1]:22``."""
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        name, _, port = text.partition(":")
    else:
        name, port = text, ""
    if not name or (port and not port.isdecimal()):
        raise ValueError(f"ProxyJump {printable(text)!r} is not a host")
    return name, int(port) if port else None


_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    # The first that fits, so subclasses before their bases.
    (paramiko.BadHostKeyException, "its host key is not the one that is known"),
    (paramiko.BadAuthenticationType, "it does not take public keys as a login"),
    (paramiko.PasswordRequiredException, "the private key is encrypted: add it to the ssh agent"),
    (paramiko.AuthenticationException, "it refused the login"),
    (paramiko.ChannelException, "it refused another command on the connection"),
    (paramiko.ProxyCommandFailure, "the proxy command failed"),
    (paramiko.ConfigParseError, "the ssh_config cannot be read"),
    (paramiko.SSHException, "SSH failed"),
    (paramiko.SFTPError, "SFTP failed"),
    (paramiko.pkey.UnknownKeyType, "its key is of an unknown type"),
    (socket.gaierror, "its address cannot be resolved"),
    (TimeoutError, "it did not answer in time"),
    (ConnectionRefusedError, "it refused the connection"),
    (ConnectionError, "the connection was lost"),
    (EOFError, "the connection was closed"),
    (OSError, "no connection"),
)


def failure_sentence(error: BaseException) -> str:
    """What went wrong, for a user: what it means and what the library said."""
    meaning = next((sentence for kind, sentence in _SENTENCES if isinstance(error, kind)), type(error).__name__)
    try:
        said = printable(str(error), 200)
    except Exception:  # noqa: BLE001 - paramiko's UnknownKeyType cannot always be shown
        said = ""
    return f"{meaning} ({said})" if said and said != meaning else meaning


@contextmanager
def _failures_of(host: str, doing: str) -> Iterator[None]:
    """Turns whatever the library raises into HostUnreachable."""
    try:
        yield
    except RebalancerError:
        raise
    except HostKeyRejected as error:
        raise HostUnreachable(host, f"{doing}: {error}") from error
    except Exception as error:
        # Not only its own classes: paramiko's thread hands on whatever a broken peer made it stumble over.
        raise HostUnreachable(host, f"{doing}: {failure_sentence(error)}") from error


class SshTransport:
    """Runs commands on one host by SSH. Safe for several threads; connects when first needed."""

    def __init__(self, host: DriverHost, *, output_limit: Bytes = OUTPUT_LIMIT) -> None:
        self.host = host.name
        self._endpoint = endpoint_of(host)
        self._output_limit = output_limit
        self._lock = threading.Lock()
        self._connections: list[_Connection] = []
        self._closed = False

    def connect(self) -> None:
        """Connects now, so that a host that cannot be reached is known at once."""
        with self._lock:
            self._connection()

    def run(self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: Seconds | None = None) -> Completed:
        command = self._start(argv, stdin)
        try:
            return command.result(self._endpoint.command_timeout if timeout is None else timeout)
        finally:
            command.close()

    def start(self, argv: Sequence[str]) -> RunningCommand:
        return self._start(argv, None)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    def _start(self, argv: Sequence[str], given: bytes | None) -> _RemoteCommand:
        command = describe(argv)
        # SSH has no argument lists: the one place where a line for a shell is made.
        line = shlex.join(argv)
        with _failures_of(self.host, f"cannot run {command!r}"):
            if "\0" in line:
                raise ValueError("an argument contains a zero byte")
            channel = self._open_channel()
            channel.settimeout(self._endpoint.command_timeout)
            try:
                channel.exec_command(line.encode())
                if given is not None:
                    channel.sendall(given)
                channel.shutdown_write()
            except BaseException:
                channel.close()
                raise
        return _RemoteCommand(self.host, command, channel, self._output_limit)

    def _open_channel(self) -> paramiko.Channel:
        with self._lock:
            connection = self._connection()
            try:
                return connection.open_channel(self._endpoint.connect_timeout)
            except paramiko.ChannelException:
                # It allows fewer than we thought: a connection of its own, or the error stands.
                if not connection.channels():
                    raise
            connection = self._connection(new=True)
            return connection.open_channel(self._endpoint.connect_timeout)

    def _connection(self, *, new: bool = False) -> _Connection:
        """One with room for a channel; with the lock held."""
        if self._closed:
            raise HostUnreachable(self.host, "the connection is closed")
        for connection in [one for one in self._connections if not one.alive()]:
            connection.close()
            self._connections.remove(connection)
        if not new:
            for connection in self._connections:
                if connection.channels() < _CHANNELS:
                    return connection
        connection = _Connection.open(self.host, self._endpoint)
        self._connections.append(connection)
        return connection


class _Connection:
    """A chain of transports, one for each hop; commands run on the last one."""

    def __init__(self, transports: Sequence[paramiko.Transport]) -> None:
        self._transports = tuple(transports)
        self._open: list[paramiko.Channel] = []

    @classmethod
    def open(cls, host: str, endpoint: SshEndpoint) -> _Connection:
        transports: list[paramiko.Transport] = []
        try:
            for hop in (*endpoint.hops, replace(endpoint, hops=())):
                doing = f"cannot connect to {hop.user}@{hop}"
                with _failures_of(host, doing):
                    transports.append(_connected(hop, transports[-1] if transports else None))
                    _authenticate(transports[-1], hop)
        except BaseException:
            cls(transports).close()
            raise
        return cls(transports)

    def alive(self) -> bool:
        return all(transport.is_active() for transport in self._transports)

    def channels(self) -> int:
        self._open = [channel for channel in self._open if not channel.closed]
        return len(self._open)

    def open_channel(self, timeout: Seconds) -> paramiko.Channel:
        channel = self._transports[-1].open_session(timeout=timeout)
        self._open.append(channel)
        return channel

    def close(self) -> None:
        for transport in reversed(self._transports):
            with suppress(Exception):
                transport.close()


def _connected(endpoint: SshEndpoint, through: paramiko.Transport | None) -> paramiko.Transport:
    """A transport whose host key is verified, before any login."""
    known = read_known_hosts(endpoint.known_hosts)
    name = endpoint.known_as or endpoint.address
    timeout = endpoint.connect_timeout
    stream: socket.socket | paramiko.Channel
    if through is None:
        stream = _tcp(endpoint)
    else:
        destination = (endpoint.address, endpoint.port)
        stream = through.open_channel("direct-tcpip", destination, ("127.0.0.1", 0), timeout=timeout)
    try:
        transport = paramiko.Transport(stream)
    except BaseException:
        stream.close()
        raise
    try:
        transport.banner_timeout = timeout
        transport.handshake_timeout = timeout
        transport.auth_timeout = timeout
        transport.channel_timeout = timeout
        _prefer_known_keys(transport, known, name, endpoint.port)
        transport.start_client(timeout=timeout)
        key = transport.get_remote_server_key()
        known.check(name, endpoint.port, key.get_name(), key.asbytes())
        transport.set_keepalive(_KEEPALIVE)
    except BaseException:
        transport.close()
        raise
    return transport


def _tcp(endpoint: SshEndpoint) -> socket.socket:
    stream = socket.create_connection((endpoint.address, endpoint.port), timeout=endpoint.connect_timeout)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(AttributeError, OSError):  # where the system has it
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE * 1000)
    return stream


def _prefer_known_keys(transport: paramiko.Transport, known: KnownHosts, name: str, port: int) -> None:
    """Asks for the kind of key that we know: a host has several, and shows the one that is asked for."""
    options = transport.get_security_options()
    types: list[str] = []
    for key_type in known.key_types(name, port):
        types += ["rsa-sha2-512", "rsa-sha2-256"] if key_type == "ssh-rsa" else [key_type]
    available = list(options.key_types)
    wanted = [key_type for key_type in types if key_type in available]
    options.key_types = [*wanted, *(key_type for key_type in available if key_type not in wanted)]


def _authenticate(transport: paramiko.Transport, endpoint: SshEndpoint) -> None:
    """Offers the keys one by one; raises AuthenticationException with what was tried."""
    tried: list[str] = []
    problems: list[str] = []
    last: paramiko.SSHException | None = None
    for name, key in _offered_keys(endpoint, problems):
        tried.append(name)
        try:
            if not transport.auth_publickey(endpoint.user, key):
                return
            last = paramiko.AuthenticationException("it wants another login after the key")
        except paramiko.BadAuthenticationType:
            raise
        except paramiko.AuthenticationException as error:
            last = error
        if not transport.is_active():
            break
    offered = f"offered: {', '.join(tried)}" if tried else "there is no key to offer"
    raise paramiko.AuthenticationException("; ".join([offered, *problems])) from last


def _offered_keys(endpoint: SshEndpoint, problems: list[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    for path in endpoint.keys:
        try:
            yield str(path), paramiko.PKey.from_path(path)
        except FileNotFoundError:
            if endpoint.keys_required:
                problems.append(f"there is no key {path}")
        except (paramiko.PasswordRequiredException, TypeError):
            problems.append(f"{path} is encrypted, add it to the ssh agent")
        except (paramiko.SSHException, OSError, ValueError) as error:
            problems.append(f"{path} cannot be read: {printable(str(error))}")
        except Exception as error:  # noqa: BLE001 - cryptography has its own tree of errors
            problems.append(f"{path} cannot be read: {type(error).__name__}")
    if endpoint.use_agent:
        agent = paramiko.Agent()
        try:
            for key in agent.get_keys():
                yield f"the agent's {key.get_name()}", key
        finally:
            agent.close()


class _RemoteCommand:
    """A command on a channel. paramiko buffers at most a window of its output until somebody looks."""

    def __init__(self, host: str, command: str, channel: paramiko.Channel, limit: Bytes) -> None:
        self._host = host
        self._command = command
        self._channel = channel
        self._limit = limit
        self._size = 0
        self._stdout: list[bytes] = []
        self._stderr: list[bytes] = []
        self._lock = threading.Lock()

    def done(self) -> bool:
        with self._lock:
            return self._look()

    def result(self, timeout: Seconds | None = None) -> Completed:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.done():
            left = 0.05 if deadline is None else min(0.05, deadline - time.monotonic())
            if left <= 0:
                raise HostUnreachable(self._host, f"{self._command!r} did not end within {timeout:g} s")
            if self._channel.status_event.wait(left):
                time.sleep(0.001)  # the status is there, the rest of the output is on its way
        return self._completed()

    def close(self) -> None:
        with suppress(Exception):
            self._channel.close()

    def _look(self) -> bool:
        """Takes what has arrived; True when there will be no more."""
        # Before the data: what arrives in between is seen by the next look, not lost.
        ended = self._channel.closed or bool(self._channel.eof_received and self._channel.exit_status_ready())
        for ready, receive, chunks in (
            (self._channel.recv_ready, self._channel.recv, self._stdout),
            (self._channel.recv_stderr_ready, self._channel.recv_stderr, self._stderr),
        ):
            while ready():
                chunk = receive(2**16)
                self._size += len(chunk)
                if self._size > self._limit:
                    self.close()
                    raise HostAnswerInvalid(self._host, f"{self._command!r} answered more than {self._limit} bytes")
                chunks.append(chunk)
        return ended

    def _completed(self) -> Completed:
        status = self._channel.exit_status
        transport = self._channel.get_transport()
        if status < 0 and not transport.is_active():
            raise HostUnreachable(self._host, f"the connection was lost while {self._command!r} ran")
        self.close()
        return Completed(b"".join(self._stdout), b"".join(self._stderr), status)
