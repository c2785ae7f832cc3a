"""Running commands and waiting, both with a deadline."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Final

# What a command sees: nothing of the machine's locale or settings.
ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
}


class LabError(Exception):
    """The lab could not do what it was told; the message holds the command and what it said."""


def run(
    arguments: Sequence[str], *, timeout: float = 30, check: bool = True, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. With `check`, a status other than 0 is a LabError; a missed deadline always is."""
    # A session of its own: at the deadline its children go with it (nsenter forks, and would leave its child behind).
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(stdin, timeout)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise LabError(f"{shlex.join(arguments)}: not done after {timeout} s") from None
        raise
    if check and process.returncode != 0:
        raise LabError(f"{shlex.join(arguments)}: status {process.returncode}: {(stderr or stdout).strip()}")
    return subprocess.CompletedProcess(list(arguments), process.returncode, stdout, stderr)


def wait_until(
    condition: Callable[[], object], what: str | Callable[[], str], *, timeout: float = 10, every: float = 0.02
) -> None:
    """Poll until `condition` holds; past the deadline a LabError says what was waited for."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout} s for {what if isinstance(what, str) else what()}")
        time.sleep(every)
