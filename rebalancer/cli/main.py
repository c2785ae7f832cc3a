"""The one way in and the one way out: arguments to a command, errors to messages and exit statuses."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import NoReturn, TextIO

import typer

from rebalancer.cli.app import app_for, with_optional_values
from rebalancer.cli.status import ExitStatus
from rebalancer.cluster.text import printable
from rebalancer.errors import InvalidInput, RebalancerError

__all__ = ["main", "run"]

DEBUG = "REBALANCE_DEBUG"

_INTERRUPTED = 130
"""What typer makes of Ctrl-C."""
_LONGEST_MESSAGE = 2000
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EFBIG}
"""What a full disk or a closed terminal behind the standard output answers."""

# The base of all that is wrong with arguments; typer has no public name for it.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


_ALLOCATIONS = 100_000
"""Between two collections of garbage. Python's own 700 cost a short command a tenth of its time, for nothing: what it
imports is never garbage."""


def main() -> NoReturn:
    """The command ``rebalance``."""
    gc.set_threshold(_ALLOCATIONS)
    # NumPy's linear algebra, which nothing here uses, would start a thread a core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Plugins of pydantic, which nothing here uses, are looked for in all that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    _leave(run(sys.argv[1:]))


def _leave(status: int) -> NoReturn:
    """Ends the process. What it holds is not freed piece by piece, which takes a tenth of a short command's time (mypy
    does so, too); where other threads are still at work they are waited for as usual."""
    if threading.active_count() > 1:
        sys.exit(status)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(status)


def run(arguments: Sequence[str]) -> int:
    """Carries out one command line and returns its exit status; never raises but for what ends the interpreter."""
    _accept_all_characters()
    status: int = ExitStatus.ERROR
    try:
        given = with_optional_values(arguments)
        status = app_for(given)(args=given, prog_name="rebalance", standalone_mode=False) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _forget(sys.stdout)
        return status or ExitStatus.ERROR
    except OSError as error:
        if error.errno not in _UNWRITABLE or error.filename is not None:
            return _report(error)
        # Files are written by code that names them in its errors.
        _forget(sys.stdout)
        _say(f"cannot write to the standard output: {error.strerror}")
        return status or ExitStatus.ERROR
    except Exception as error:  # noqa: BLE001 (the last resort: whatever it is, no traceback by default)
        return _report(error)
    except KeyboardInterrupt:
        status = _INTERRUPTED
    if status == _INTERRUPTED:
        _say("interrupted")
        return ExitStatus.ERROR
    return status


def _report(error: Exception) -> int:
    if os.environ.get(DEBUG):
        traceback.print_exc()
    for message in _messages(error):
        _say(message)
    return ExitStatus.ERROR


def _messages(error: Exception) -> Iterator[str]:
    if isinstance(error, InvalidInput):
        yield from (str(problem) for problem in error.problems)
    elif isinstance(error, RebalancerError):
        yield str(error)
    elif isinstance(error, _UsageError):
        yield f"{error.format_message()} (see {_command(error)} --help)"  # type: ignore[attr-defined]
    elif isinstance(error, typer.Abort):
        yield "interrupted"
    else:
        yield (
            f"unexpected {type(error).__name__}: {error} (a fault in rebalancer; {DEBUG}=1 shows where it happened,"
            " which is what a report needs)"
        )


def _command(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "rebalance"


def _say(message: str) -> None:
    """``error: …`` on standard error; the lines below the first are indented."""
    first, *rest = [printable(line, _LONGEST_MESSAGE) for line in message.splitlines() or [""]]
    with contextlib.suppress(OSError):
        print(f"{_prefix()}{first}", *(f"  {line}" for line in rest), sep="\n", file=sys.stderr, flush=True)


def _prefix() -> str:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return "\x1b[1;31merror:\x1b[0m " if coloured else "error: "


def _accept_all_characters() -> None:
    """A terminal that cannot show a character gets its code instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _forget(stream: TextIO) -> None:
    """Nobody reads any more; the interpreter must not try once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
