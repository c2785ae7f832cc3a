from __future__ import annotations

import getpass
import inspect
import logging
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from rebalancer.cluster.units import Bytes, Seconds
from rebalancer.drivers import DriverHost
from rebalancer.drivers.commands import LocalTransport, Transport
from rebalancer.drivers.known_hosts import HostKeyRejected
from rebalancer.drivers.ssh import SshTransport, _failures_of, endpoint_of, failure_sentence
from rebalancer.errors import HostAnswerInvalid, HostUnreachable
from tests.drivers.sshd import SSHD, Sshd, end_sessions, free_port, make_key, running_sshd

pytestmark = pytest.mark.skipif(SSHD is None, reason="there is no sshd on this machine")

ARGUMENTS = ["a b", "$(touch pwned)", "`id`", "a;b 'c\"", "-n", "*", "", "☃", "two\nlines", "\\", "!x"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def transport(server: Sshd) -> Iterator[SshTransport]:
    transport = SshTransport(server.host())
    yield transport
    transport.close()


@pytest.fixture(params=["local", "ssh"])
def either(request: pytest.FixtureRequest, server: Sshd) -> Iterator[Transport]:
    """The contract is one, wherever the commands run."""
    transport = LocalTransport("h1") if request.param == "local" else SshTransport(server.host())
    yield transport
    transport.close()


def small(kind: str, server: Sshd, limit: int) -> Transport:
    return (
        LocalTransport("h1", output_limit=Bytes(limit))
        if kind == "local"
        else SshTransport(server.host(), output_limit=Bytes(limit))
    )


# Commands


def test_output_error_output_and_status_come_back(either: Transport) -> None:
    done = either.run(["sh", "-c", "cat; echo oops >&2; exit 3"], stdin=b"in\x00put")
    assert (done.stdout, done.stderr, done.exit_status) == (b"in\x00put", b"oops\n", 3)


def test_arguments_arrive_as_they_are(either: Transport) -> None:
    done = either.run([sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))", *ARGUMENTS])
    assert done.stdout.decode().strip() == ascii(ARGUMENTS)


def test_much_output_on_both_streams_does_not_stop_it(either: Transport) -> None:
    script = "import sys; [(sys.stdout.write('o' * 4096), sys.stderr.write('e' * 4096)) for _ in range(2000)]"
    done = either.run([sys.executable, "-c", script])
    assert (len(done.stdout), len(done.stderr)) == (4096 * 2000, 4096 * 2000)


@pytest.mark.parametrize("kind", ["local", "ssh"])
def test_endless_output_is_refused(kind: str, server: Sshd) -> None:
    transport = small(kind, server, 100_000)
    with pytest.raises(HostAnswerInvalid, match="answered more than 100000 bytes"):
        transport.run(["sh", "-c", "while :; do echo garbage; done"])
    transport.close()


def test_a_command_that_does_not_end_is_given_up(either: Transport) -> None:
    began = time.monotonic()
    with pytest.raises(HostUnreachable, match=r"'sleep 30' did not end within 0\.3 s"):
        either.run(["sleep", "30"], timeout=Seconds(0.3))
    assert time.monotonic() - began < 5


def test_started_commands_do_not_wait(either: Transport) -> None:
    began = time.monotonic()
    command = either.start(["sh", "-c", "sleep 0.5; echo done"])
    assert not command.done()
    assert time.monotonic() - began < 0.5
    assert command.result(Seconds(10)).stdout == b"done\n"
    assert command.done()
    command.close()


def test_a_command_that_is_not_there_says_so(server: Sshd, transport: SshTransport) -> None:
    assert transport.run(["no-such-command"]).exit_status == 127
    with pytest.raises(HostUnreachable, match="no command 'no-such-command'"):
        LocalTransport("h1").run(["no-such-command"])


def test_zero_bytes_in_arguments_are_refused(either: Transport) -> None:
    with pytest.raises(HostUnreachable):
        either.run(["echo", "a\0b"])


def test_more_commands_at_once_than_a_connection_takes(transport: SshTransport) -> None:
    commands = [transport.start(["sh", "-c", "sleep 0.5; echo x"]) for _ in range(25)]
    assert [command.result(Seconds(20)).stdout for command in commands] == [b"x\n"] * 25
    assert len(transport._connections) > 1


def test_a_server_that_allows_one_session_gets_more_connections(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "d", options=("MaxSessions 1",)) as server:
        transport = SshTransport(server.host())
        commands = [transport.start(["sh", "-c", "sleep 0.5; echo x"]) for _ in range(3)]
        assert [command.result(Seconds(20)).stdout for command in commands] == [b"x\n"] * 3
        transport.close()


def test_several_threads_share_a_connection(transport: SshTransport) -> None:
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(transport.run(["echo", str(n)]).stdout)) for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == sorted(f"{n}\n".encode() for n in range(12))


# Connections


def test_a_lost_connection_is_said_and_the_next_command_opens_another(server: Sshd, transport: SshTransport) -> None:
    command = transport.start(["sleep", "30"])
    end_sessions(server.process)
    with pytest.raises(HostUnreachable, match="the connection was lost while 'sleep 30' ran"):
        command.result(Seconds(10))
    assert transport.run(["echo", "again"]).stdout == b"again\n"


def test_nothing_runs_after_close(transport: SshTransport) -> None:
    transport.run(["true"])
    transport.close()
    with pytest.raises(HostUnreachable, match="the connection is closed"):
        transport.run(["true"])


def test_nobody_there(server: Sshd) -> None:
    with pytest.raises(HostUnreachable, match="it refused the connection") as caught:
        SshTransport(server.host(port=free_port())).connect()
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert str(caught.value).startswith("h1: cannot connect to ")


def test_a_name_that_does_not_resolve(server: Sshd) -> None:
    host = replace(server.host(), address="no-such-host.invalid")
    with pytest.raises(HostUnreachable, match="its address cannot be resolved"):
        SshTransport(host).connect()


def test_a_server_that_says_nothing(server: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        server.known_hosts.with_name("silent").write_text(f"[127.0.0.1]:{port} {server.host_key}\n")
        began = time.monotonic()
        with pytest.raises(HostUnreachable):
            SshTransport(server.host(port=port, connect_timeout=0.5)).connect()
        assert time.monotonic() - began < 10


def test_a_server_that_is_no_ssh_server(server: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            stream, _ = other.accept()
            with stream:
                stream.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n" * 50)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(HostUnreachable):
            SshTransport(server.host(port=other.getsockname()[1], connect_timeout=2)).connect()
        thread.join()


# Who it is


def test_an_unknown_host_key_is_refused_and_never_added(server: Sshd, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.write_text("")
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(server.directory / "host_key.pub")], capture_output=True, text=True, check=True
    )
    with pytest.raises(HostUnreachable) as caught:
        SshTransport(server.host(known_hosts=str(empty))).connect()
    assert shown.stdout.split()[1] in str(caught.value)
    assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> {empty}" in str(caught.value)
    assert empty.read_text() == ""


def test_a_changed_host_key_names_the_line_that_disagrees(server: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    file = tmp_path / "known_hosts"
    file.write_text(f"# two\n[127.0.0.1]:{server.port} {other}")
    with pytest.raises(HostUnreachable, match="its host key has changed") as caught:
        SshTransport(server.host(known_hosts=str(file))).connect()
    assert f"{file}:2" in str(caught.value)


def test_the_key_that_is_known_is_asked_for(tmp_path: Path) -> None:
    rsa = make_key(tmp_path / "rsa", "rsa")
    with running_sshd(tmp_path / "d", options=(f"HostKey {rsa}",)) as server:
        known = tmp_path / "known_hosts"
        known.write_text(f"[127.0.0.1]:{server.port} {rsa.with_suffix('.pub').read_text()}")
        transport = SshTransport(server.host(known_hosts=str(known)))
        assert transport.run(["true"]).exit_status == 0
        transport.close()


def test_no_command_runs_before_the_key_is_verified(server: Sshd, tmp_path: Path) -> None:
    transport = SshTransport(server.host(known_hosts=str(tmp_path / "none")))
    with pytest.raises(HostUnreachable):
        transport.run(["touch", str(tmp_path / "ran")])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: make_key(path), "it refused the login"),
        (lambda path: path, "there is no key"),
        (lambda path: make_key(path, passphrase="secret"), "is encrypted, add it to the ssh agent"),
        (lambda path: (path.write_text("nonsense"), path)[1], "cannot be read"),
    ],
)
def test_a_login_that_is_refused_says_what_was_tried(
    make: object, says: str, server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(make)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key = make(tmp_path / "key")
    with pytest.raises(HostUnreachable, match=says) as caught:
        SshTransport(server.host(key=str(key))).connect()
    assert str(tmp_path / "key") in str(caught.value)


# The ssh_config


def test_settings_come_from_the_ssh_config(server: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    touched = tmp_path / "touched"
    config.write_text(
        f"""\
Match exec "touch {touched}"
    Port 1
Host al*
Include more.conf
    User {getpass.getuser()}
    UserKnownHostsFile {server.known_hosts}
"""
    )
    (tmp_path / "more.conf").write_text(
        f"Host alias\n  HostName 127.0.0.1\n  Port {server.port}\n  IdentityFile {server.key}\n"
    )
    host = DriverHost(name="h1", address="alias", settings={"ssh": {"config": str(config)}})
    transport = SshTransport(host)
    assert transport.run(["echo", "x"]).stdout == b"x\n"
    transport.close()
    assert not touched.exists()


def test_a_proxy_command_is_refused_rather_than_run_or_ignored(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n  ProxyCommand nc %h %p\n")
    with pytest.raises(HostUnreachable, match="ProxyCommand in ssh_config is not executed; use ProxyJump"):
        SshTransport(DriverHost(name="h1", address="h1", settings={"ssh": {"config": str(config)}}))


def test_a_jump_host_is_gone_through_and_its_key_checked(server: Sshd, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "jump") as jump:
        config, known = tmp_path / "config", tmp_path / "known_hosts"
        config.write_text(
            f"Host target\n  HostName 127.0.0.1\n  Port {server.port}\n  IdentityFile {server.key}\n"
            f"  ProxyJump first\n"
            f"Host first\n  HostName 127.0.0.1\n  Port {jump.port}\n  IdentityFile {jump.key}\n"
        )
        known.write_text(server.known_hosts.read_text())
        host = DriverHost(
            name="h1", address="target", settings={"ssh": {"config": str(config), "known_hosts": str(known)}}
        )
        with pytest.raises(HostUnreachable, match=f"127.0.0.1:{jump.port}: its host key .* is not known"):
            SshTransport(host).connect()

        known.write_text(server.known_hosts.read_text() + jump.known_hosts.read_text())
        transport = SshTransport(host)
        port = transport.run(["sh", "-c", 'echo "$SSH_CONNECTION"']).stdout.split()[-1]
        assert int(port) == server.port
        assert [hop.port for hop in endpoint_of(host).hops] == [jump.port]
        end_sessions(jump.process)
        time.sleep(0.3)
        assert transport.run(["echo", "again"]).stdout == b"again\n"
        transport.close()

        known.write_text(jump.known_hosts.read_text())
        with pytest.raises(HostUnreachable, match=f"127.0.0.1:{server.port}: its host key .* is not known"):
            SshTransport(host).connect()


def test_jumps_that_go_round_in_circles_end(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    with pytest.raises(HostUnreachable, match="more than 8 machines"):
        SshTransport(DriverHost(name="h1", address="a", settings={"ssh": {"config": str(config)}}))


# What the library raises


def paramiko_exceptions() -> list[type[BaseException]]:
    modules = (paramiko, paramiko.ssh_exception)
    found = {value for module in modules for _, value in inspect.getmembers(module, inspect.isclass)}
    return sorted((kind for kind in found if issubclass(kind, Exception)), key=lambda kind: kind.__name__)


ARGUMENTS_OF: dict[str, tuple[object, ...]] = {
    "BadAuthenticationType": ("x", ["publickey"]),
    "BadHostKeyException": ("h1", paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()),
    "ChannelException": (1, "x"),
    "NoValidConnectionsError": ({("127.0.0.1", 22): OSError("x")},),
    "PartialAuthentication": (["publickey"],),
    "ProxyCommandFailure": ("nc", "x"),
}


@pytest.mark.parametrize("kind", [*paramiko_exceptions(), OSError, EOFError, TimeoutError, socket.gaierror, ValueError])
def test_every_failure_becomes_host_unreachable(kind: type[BaseException]) -> None:
    error = kind(*ARGUMENTS_OF.get(kind.__name__, ("x",)))
    with pytest.raises(HostUnreachable) as caught, _failures_of("h1", "cannot connect"):
        raise error
    assert caught.value.__cause__ is error
    assert str(caught.value).startswith("h1: cannot connect: ")
    assert "\n" not in str(caught.value)
    assert failure_sentence(error) != type(error).__name__ or kind is ValueError


def test_a_rejected_key_is_a_sentence() -> None:
    with pytest.raises(HostUnreachable, match="h1: x: it is wrong"), _failures_of("h1", "x"):
        raise HostKeyRejected("it is wrong")


def test_paramiko_does_not_print(server: Sshd) -> None:
    """In a process of its own, without pytest's handlers."""
    script = (
        "from rebalancer.drivers import DriverHost\n"
        "from rebalancer.drivers.ssh import SshTransport\n"
        "import socket, threading\n"
        "s = socket.create_server(('127.0.0.1', 0))\n"
        "threading.Thread(target=lambda: s.accept()[0].sendall(b'SSH-2.0-x\\r\\ngarbage' * 99), daemon=True).start()\n"
        "h = DriverHost(name='h', address='127.0.0.1', settings={'ssh': {'port': s.getsockname()[1], 'config': False,"
        " 'connect_timeout': 2}})\n"
        "try: SshTransport(h).connect()\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert (done.stdout, done.stderr) == ("HostUnreachable\n", ""), shlex.quote(done.stderr)
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("paramiko").handlers)
