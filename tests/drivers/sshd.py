"""A real sshd on loopback, with keys of its own, for the tests of what talks to it."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rebalancer.drivers import DriverHost

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Sshd:
    """A running server. ``key`` is let in."""

    port: int
    directory: Path
    key: Path
    known_hosts: Path
    process: subprocess.Popen[bytes]

    @property
    def host_key(self) -> str:
        """``ssh-ed25519 AAAA…``."""
        return " ".join((self.directory / "host_key.pub").read_text().split()[:2])

    def host(self, **ssh: object) -> DriverHost:
        """An entry of an inventory that reaches it; ``ssh`` replaces settings."""
        settings = {
            "user": getpass.getuser(),
            "port": self.port,
            "key": str(self.key),
            "known_hosts": str(self.known_hosts),
            "config": False,
            "connect_timeout": 10,
        }
        return DriverHost(name="h1", address="127.0.0.1", settings={"ssh": {**settings, **ssh}})


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)], check=True)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_sshd(directory: Path, *, options: tuple[str, ...] = ()) -> Iterator[Sshd]:
    """Starts one; ends it, and whatever sessions it has, with the block."""
    assert SSHD is not None
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    directory.mkdir(exist_ok=True)
    host_key, key = make_key(directory / "host_key"), make_key(directory / "key")
    port = free_port()
    config = directory / "sshd_config"
    lines = (
        f"ListenAddress 127.0.0.1:{port}",
        f"HostKey {host_key}",
        f"AuthorizedKeysFile {key}.pub",
        f"PidFile {directory}/pid",
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        *options,
    )
    config.write_text("\n".join(lines) + "\n")
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=log, start_new_session=True)
    try:
        _wait_for(port, process)
        known_hosts = directory / "known_hosts"
        server = Sshd(port, directory, key, known_hosts, process)
        known_hosts.write_text(f"[127.0.0.1]:{port} {server.host_key}\n")
        yield server
    finally:
        end_sessions(process)
        process.terminate()
        process.wait(10)


def end_sessions(process: subprocess.Popen[bytes]) -> None:
    """Ends the processes that serve connections: each is a child of the one that listens."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with suppress(OSError):
        for child in children.read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), 9)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError("sshd did not start")
