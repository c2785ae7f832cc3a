"""The user's ``ssh_config``: what of it applies to a host. Nothing in it is ever executed.

In: files and a host's name as the user writes it. Out: :class:`SshSettings`. Understood: ``Host`` (patterns, ``!``),
``Match`` by ``all``, ``host``, ``originalhost``, ``user`` and ``localuser``, and ``Include`` (anywhere, nested). The
first value of a keyword wins, as in OpenSSH. A block under ``Match exec``, ``final`` or any other criterion does not
apply. ``ProxyCommand`` would have to be executed: :attr:`SshSettings.proxy_command` lets the caller refuse.
"""

from __future__ import annotations

import getpass
import glob
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path

from rebalancer.values import dataclass

__all__ = ["SYSTEM_CONFIG", "USER_CONFIG", "SshSettings", "read_ssh_config"]

USER_CONFIG = Path("~/.ssh/config")
SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")

_MOST_INCLUDES = 16
_MOST_LINES = 100_000
_LISTS = frozenset({"identityfile"})
_SEVERAL_WORDS = frozenset({"globalknownhostsfile", "userknownhostsfile"})
_KEYWORDS = frozenset(
    {
        "connecttimeout",
        "globalknownhostsfile",
        "hostkeyalias",
        "hostname",
        "identitiesonly",
        "identityfile",
        "port",
        "proxycommand",
        "proxyjump",
        "user",
        "userknownhostsfile",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSettings:
    """What the files say of one host; empty or None where they say nothing. Paths are absolute."""

    host_name: str
    """Where to connect to."""
    port: int | None = None
    user: str | None = None
    identity_files: tuple[Path, ...] = ()
    identities_only: bool = False
    proxy_jump: tuple[str, ...] = ()
    """Hosts to go through, first hop first, each ``[user@]host[:port]``."""
    proxy_command: str | None = None
    known_hosts: tuple[Path, ...] | None = None
    """None: the usual files."""
    host_key_alias: str | None = None
    connect_timeout: float | None = None
    """In seconds."""


@dataclass(slots=True)
class _Lookup:
    """One host being looked up: what was found so far."""

    host: str
    user: str | None
    values: dict[str, list[str]] = field(default_factory=dict)
    lines: int = 0

    def take(self, keyword: str, value: str) -> None:
        if keyword in _LISTS:
            self.values.setdefault(keyword, []).append(value)
        elif keyword in _KEYWORDS:
            self.values.setdefault(keyword, [value])

    def first(self, keyword: str) -> str | None:
        found = self.values.get(keyword)
        return found[0] if found else None


def read_ssh_config(paths: Iterable[Path], host: str, *, user: str | None = None) -> SshSettings:
    """What the files say of ``host``; files that do not exist say nothing. ``user`` is who logs in, where known.

    Raises ValueError, with file and line, for what cannot be understood, and OSError for a file that cannot be read.
    """
    lookup = _Lookup(host, user)
    for path in paths:
        _read(path.expanduser(), lookup, applies=True, depth=0)
    return _settings(lookup)


def _read(path: Path, lookup: _Lookup, *, applies: bool, depth: int) -> None:
    if depth > _MOST_INCLUDES:
        raise ValueError(f"{path}: Include is nested more than {_MOST_INCLUDES} deep")
    outer = applies
    for number, line in enumerate(_lines(path), start=1):
        lookup.lines += 1
        if lookup.lines > _MOST_LINES:
            raise ValueError(f"{path}:{number}: more than {_MOST_LINES} lines, with all that is included")
        try:
            keyword, words = _split(line)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from error
        if keyword == "host":
            applies = outer and _matches(words, lookup.host)
        elif keyword == "match":
            applies = outer and _match(words, lookup)
        elif keyword == "include":
            for included in _included(words, path):
                _read(included, lookup, applies=applies, depth=depth + 1)
        elif applies and words:
            lookup.take(keyword, shlex.join(words) if keyword in _SEVERAL_WORDS else words[0])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []


def _split(line: str) -> tuple[str, list[str]]:
    """``Keyword value…`` or ``Keyword=value`` → (keyword in lower case, words)."""
    line = line.strip()
    if not line or line.startswith("#"):
        return "", []
    match = re.fullmatch(r"([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)", line)
    if match is None:
        return line.lower(), []
    keyword = match[1].lower()
    if keyword == "proxycommand":
        return keyword, [match[2]]
    try:
        return keyword, shlex.split(match[2], comments=True)
    except ValueError as error:
        raise ValueError(f"cannot read the value of {match[1]}: {error}") from error


def _included(words: list[str], path: Path) -> Iterator[Path]:
    for word in words:
        pattern = Path(word).expanduser()
        if not pattern.is_absolute():
            # The user's file includes from ~/.ssh, the system's from /etc/ssh: from where it is itself.
            pattern = path.parent / pattern
        for found in sorted(glob.glob(str(pattern))):  # noqa: PTH207 - an absolute pattern
            yield Path(found)


def _matches(patterns: Iterable[str], value: str) -> bool:
    found = False
    for pattern in patterns:
        negated = pattern.startswith("!")
        expression = re.escape(pattern.lstrip("!").lower()).replace(r"\*", ".*").replace(r"\?", ".")
        if re.fullmatch(expression, value.lower()):
            if negated:
                return False
            found = True
    return found


def _match(words: list[str], lookup: _Lookup) -> bool:
    criteria = iter(words)
    for criterion in criteria:
        negated = criterion.startswith("!")
        kind = criterion.lstrip("!").lower()
        if kind == "all":
            holds = True
        elif (value := _match_value(kind, lookup)) is not None:
            holds = _matches(next(criteria, "").split(","), value)
        else:
            return False  # exec, canonical, final…: never asked, hence never true
        if holds == negated:
            return False
    return bool(words)


def _match_value(kind: str, lookup: _Lookup) -> str | None:
    if kind == "host":
        return lookup.first("hostname") or lookup.host
    if kind == "originalhost":
        return lookup.host
    if kind == "user":
        return lookup.user or lookup.first("user") or getpass.getuser()
    return getpass.getuser() if kind == "localuser" else None


def _settings(lookup: _Lookup) -> SshSettings:
    host_name = _expand(lookup.first("hostname") or "%h", {"h": lookup.host})
    user = lookup.user or lookup.first("user")
    port = _port(lookup.first("port"))
    tokens = {
        "d": str(Path.home()),
        "h": host_name,
        "n": lookup.host,
        "p": str(port or 22),
        "r": user or getpass.getuser(),
        "u": getpass.getuser(),
    }
    jump = lookup.first("proxyjump") or "none"
    command = lookup.first("proxycommand")
    return SshSettings(
        host_name=host_name,
        port=port,
        user=user,
        identity_files=tuple(
            Path(_expand(file, tokens)).expanduser()
            for file in lookup.values.get("identityfile", [])
            if file.lower() != "none"
        ),
        identities_only=(lookup.first("identitiesonly") or "no").lower() in ("yes", "true"),
        proxy_jump=() if jump.lower() == "none" else tuple(_expand(jump, tokens).split(",")),
        proxy_command=None if command is None or command.lower() == "none" else command,
        known_hosts=_known_hosts(lookup, tokens),
        host_key_alias=lookup.first("hostkeyalias"),
        connect_timeout=_seconds(lookup.first("connecttimeout")),
    )


def _known_hosts(lookup: _Lookup, tokens: Mapping[str, str]) -> tuple[Path, ...] | None:
    """All of both kinds of files, where the config names any."""
    given = {kind: lookup.first(kind) for kind in ("userknownhostsfile", "globalknownhostsfile")}
    if not any(given.values()):
        return None
    usual = {"userknownhostsfile": "~/.ssh/known_hosts", "globalknownhostsfile": "/etc/ssh/ssh_known_hosts"}
    files = [file for kind, files in given.items() for file in shlex.split(files or usual[kind])]
    return tuple(Path(_expand(file, tokens)).expanduser() for file in files if file.lower() != "none")


def _expand(value: str, tokens: Mapping[str, str]) -> str:
    """OpenSSH's ``%`` tokens; one that we do not know stays as it is."""
    known = {**tokens, "%": "%"}
    return re.sub(r"%(.)", lambda match: known.get(match[1], match[0]), value)


def _port(value: str | None) -> int | None:
    if value is None:
        return None
    if not value.isdecimal() or not 1 <= int(value[:6]) <= 65535:
        raise ValueError(f"Port {value!r} in ssh_config is not a port")
    return int(value)


def _seconds(value: str | None) -> float | None:
    """A whole number of seconds; other spellings (``1m``) are left to the default."""
    return float(value) if value is not None and value.isdecimal() and int(value) > 0 else None
