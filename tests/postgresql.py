"""A PostgreSQL server of its own for a test: a data directory, a free port, a user without privileges."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

__all__ = ["server", "skip_or_fail_without_postgresql"]

DEBIAN = Path("/usr/lib/postgresql")
USER = "postgres"
"""Who runs it where the tests run as root, whom PostgreSQL refuses; Debian's package makes the user."""


def _programs() -> Path | None:
    """The newest server's programs; Debian keeps them out of the PATH."""
    found = sorted(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name)) if DEBIAN.is_dir() else []
    named = shutil.which("initdb")
    return found[-1] if found else Path(named).parent if named else None


def skip_or_fail_without_postgresql() -> None:
    """In continuous integration it has to be there, or nobody would see that these tests are never run."""
    reason = "PostgreSQL's server is not installed: run tests/lab/packages.sh" if _programs() is None else ""
    if not reason and os.geteuid() == 0:
        with suppress(KeyError):
            pwd.getpwnam(USER)
            return
        reason = f"there is no user {USER} for PostgreSQL to run as"
    if reason and os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty database, as ``--journal`` takes it."""
    programs = _programs()
    assert programs is not None
    user = USER if os.geteuid() == 0 else getpass.getuser()
    with tempfile.TemporaryDirectory(prefix="rebalancer-postgresql-") as directory:
        data = Path(directory) / "data"
        if os.geteuid() == 0:
            shutil.chown(directory, USER, USER)
        _run([programs / "initdb", "-D", data, "-A", "trust", "-U", user, "--no-sync", "-E", "UTF8"])
        port = _free_port()
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": directory}
        given = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, *given],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **_as_user(),
        )
        try:
            _wait(programs, port, process)
            yield f"postgresql+psycopg://{user}@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(30)


def _as_user() -> dict[str, object]:
    return {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}


def _run(command: list[object]) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True, cwd="/", **_as_user())


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(programs: Path, port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while subprocess.run([programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode:
        assert process.poll() is None, "PostgreSQL did not start"
        assert time.monotonic() < deadline, "PostgreSQL does not answer"
        time.sleep(0.1)
