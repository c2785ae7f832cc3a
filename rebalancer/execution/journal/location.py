"""Where a journal is: a path, or the URL of a database. Imports nothing heavy."""

from __future__ import annotations

import os
import re
from pathlib import Path

from rebalancer.errors import InvalidInput

__all__ = ["IN_MEMORY", "JOURNAL_VARIABLE", "default_journal_path", "is_url", "journal_location", "journal_name"]

JOURNAL_VARIABLE = "REBALANCE_JOURNAL"
IN_MEMORY = ":memory:"

_POSTGRESQL = "postgresql+psycopg://"


def default_journal_path() -> Path:
    """``$XDG_STATE_HOME/rebalancer/journal.sqlite``, below ``~/.local/state`` where that is not set."""
    # The specification says to ignore a relative path.
    configured = Path(os.environ.get("XDG_STATE_HOME", ""))
    home = configured if configured.is_absolute() else Path.home() / ".local" / "state"
    return home / "rebalancer" / "journal.sqlite"


def journal_location(given: Path | str | None) -> Path | str:
    """A file's path or a database's URL: what was given, or ``$REBALANCE_JOURNAL``, or the user's own journal.

    Raises :class:`~rebalancer.errors.InvalidInput` for a URL of another kind of database.

    >>> journal_location("postgresql://ops@db/moves")
    'postgresql+psycopg://ops@db/moves'
    """
    if isinstance(given, Path):
        return given
    named = given or os.environ.get(JOURNAL_VARIABLE, "")
    if not named:
        return default_journal_path()
    if not is_url(named):
        return Path(named)
    scheme, _, rest = named.partition("://")
    if scheme.lower() not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise InvalidInput(
            f"a journal cannot be in '{scheme}://…'; give a path, or postgresql+psycopg://USER@HOST/DATABASE"
        )
    return _POSTGRESQL + rest


def is_url(location: str) -> bool:
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", location) is not None


def journal_name(location: Path | str | None) -> str:
    """For messages: never with a password.

    >>> journal_name("postgresql+psycopg://ops:secret@db/moves?password=secret")
    'postgresql+psycopg://ops@db/moves'
    """
    if location is None:
        return IN_MEMORY
    if isinstance(location, Path) or not is_url(location):
        return str(location)
    scheme, _, rest = location.partition("?")[0].partition("://")
    # A password may hold an '@': what follows the last one before the path is the host.
    authority, slash, path = rest.partition("/")
    if "@" in rest and "@" not in authority:
        authority, slash, path = rest.rpartition("@")[0] + "@" + rest.rpartition("@")[2].partition("/")[0], "/", ""
    user, at, host = authority.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{host}{slash}{path}"
