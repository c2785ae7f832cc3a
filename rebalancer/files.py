"""Reading and writing files: whole, bounded, and with errors in plain words."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from rebalancer.cluster.text import printable
from rebalancer.documents import Document, parse_document
from rebalancer.errors import InvalidInput, Position, RebalancerError

__all__ = ["read_document", "read_text", "write_atomically"]

MAX_SIZE = 256 * 2**20
"""In bytes; a snapshot of a thousand hosts has seven million."""

_WORDS = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "a part of its path is not a directory",
    errno.EISDIR: "it is a directory",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOSPC: "no space left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.ELOOP: "too many symbolic links",
    errno.ENAMETOOLONG: "its name is too long",
}


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file of at most 256 MiB; raises InvalidInput."""
    name = os.fspath(path)
    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"cannot read {_named(name)}: {_reason(error)}") from error
    if len(data) > MAX_SIZE:
        raise InvalidInput(f"cannot read {_named(name)}: it is larger than {MAX_SIZE // 2**20} MiB")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidInput(f"cannot read {_named(name)}: it is UTF-16; save it as UTF-8")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        message = f"not UTF-8 text: byte 0x{data[error.start]:02x}"
        raise InvalidInput(message, Position(name, line, column)) from error


def read_document(path: str | os.PathLike[str]) -> Document:
    """A YAML or JSON file, parsed; raises InvalidInput."""
    return parse_document(read_text(path), os.fspath(path))


def write_atomically(path: str | os.PathLike[str], text: str, mode: int = 0o600) -> None:
    """Replaces a file's content: after a crash there is the old or the new, whole. Raises RebalancerError.

    A symbolic link stays and its target is replaced. What is no file (a pipe, a terminal) is written to directly.
    """
    name = os.fspath(path)
    try:
        data = text.encode()
        if _is_special(name):
            Path(name).write_bytes(data)
        else:
            _replace(Path(os.path.realpath(name)), data, mode)
    except (OSError, ValueError) as error:
        raise RebalancerError(f"cannot write {_named(name)}: {_reason(error)}") from error


def _is_special(name: str) -> bool:
    try:
        kind = Path(name).stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, "is a directory")
    # Renaming over /dev/stdout would replace the device.
    return not stat.S_ISREG(kind)


def _replace(target: Path, data: bytes, mode: int) -> None:
    # Beside the target, because a rename is atomic only within a file system.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    _sync_directory(target.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot; the file itself is safe.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _named(name: str) -> str:
    return printable(name) or "''"


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "its text cannot be written as UTF-8"
    if isinstance(error, OSError) and error.errno is not None:
        return _WORDS.get(error.errno) or os.strerror(error.errno).lower()
    return "its name is not valid"
