"""Files of known host keys, in OpenSSH's format, read line by line: a broken line never loses the rest.

In: ``known_hosts`` files. Out: :meth:`KnownHosts.check`, which accepts a host's key or says why not. Understood:
lists of names, patterns (``*.lan``, ``!h9``), hashed names, ``[host]:port``, ``@revoked``. A ``@cert-authority`` line
is no key of a host: it is only mentioned where nothing else matches.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from pathlib import Path

from rebalancer.values import dataclass

__all__ = ["HostKeyRejected", "KnownHosts", "KnownKey", "fingerprint", "read_known_hosts"]

DEFAULT_PORT = 22


class HostKeyRejected(Exception):
    """The key that a host showed is not one that we know for it; the message says what to do."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line of a file. ``marker`` is empty, ``@revoked`` or ``@cert-authority``."""

    source: str
    """``file:line``."""
    marker: str
    names: str
    key_type: str
    key: bytes

    def is_for(self, name: str) -> bool:
        """Whether the line names this host (``host`` or ``[host]:port``, in lower case)."""
        if self.names.startswith("|"):
            return _is_hash_of(self.names, name)
        found = False
        for pattern in self.names.lower().split(","):
            if pattern.startswith("!"):
                if _matches(pattern[1:], name):
                    return False
            elif _matches(pattern, name):
                found = True
        return found


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """The keys of all files together, in their order. ``files`` are those that exist."""

    keys: tuple[KnownKey, ...]
    files: tuple[str, ...]

    def key_types(self, host: str, port: int) -> tuple[str, ...]:
        """The types of the keys known for a host: the ones to ask it for."""
        found = [key.key_type for key in self._for_host(host, port) if not key.marker]
        return tuple(dict.fromkeys(found))

    def check(self, host: str, port: int, key_type: str, key: bytes) -> None:
        """Returns if this is the host's key; raises :class:`HostKeyRejected` otherwise."""
        shown = f"{key_type} {fingerprint(key)}"
        names = {_full_name(host, port), host.lower()}
        for known in self.keys:
            if known.marker == "@revoked" and known.key == key and any(map(known.is_for, names)):
                raise HostKeyRejected(f"its host key {shown} is revoked in {known.source}")
        found = self._for_host(host, port)
        keys = [known for known in found if not known.marker]
        if any(known.key == key for known in keys):
            return
        if keys:
            known = next((known for known in keys if known.key_type == key_type), keys[0])
            raise HostKeyRejected(
                f"its host key has changed: it shows {shown}, but {known.source} has "
                f"{known.key_type} {fingerprint(known.key)}; somebody may be in between. If the change is "
                "meant, replace that line"
            )
        authority = next((known for known in found if known.marker == "@cert-authority"), None)
        hint = f" ({authority.source} has a certificate authority for it, which is not supported)" if authority else ""
        keyscan = f"ssh-keyscan {'' if port == DEFAULT_PORT else f'-p {port} '}{host}"
        where = f" >> {self.files[0]}" if self.files else ""
        raise HostKeyRejected(
            f"its host key {shown} is not known{hint}; check the fingerprint, then add the key: {keyscan}{where}"
        )

    def _for_host(self, host: str, port: int) -> list[KnownKey]:
        found = [known for known in self.keys if known.is_for(_full_name(host, port))]
        if port != DEFAULT_PORT and not found:
            # As OpenSSH: a key noted without a port is the machine's, whatever the port.
            found = [known for known in self.keys if known.is_for(host.lower())]
        return found


def read_known_hosts(paths: Iterable[Path]) -> KnownHosts:
    """The keys in these files; one that does not exist has none. Raises OSError for one that cannot be read."""
    keys: list[KnownKey] = []
    files: list[str] = []
    for path in paths:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        files.append(str(path))
        for number, line in enumerate(content.split(b"\n"), start=1):
            known = _parse(line.decode("utf-8", "replace"), f"{path}:{number}")
            if known is not None:
                keys.append(known)
    return KnownHosts(tuple(keys), tuple(files))


def fingerprint(key: bytes) -> str:
    """``SHA256:…`` as ``ssh-keygen -l`` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def _parse(line: str, source: str) -> KnownKey | None:
    fields = line.split()
    marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
    if len(fields) < 3 or fields[0].startswith("#") or marker not in ("", "@revoked", "@cert-authority"):
        return None
    names, key_type, encoded = fields[:3]
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    # The key repeats its type; where it does not, the line is damaged.
    if not key.startswith(len(key_type).to_bytes(4, "big") + key_type.encode()):
        return None
    return KnownKey(source, marker, names, key_type, key)


def _full_name(host: str, port: int) -> str:
    return host.lower() if port == DEFAULT_PORT else f"[{host.lower()}]:{port}"


def _matches(pattern: str, name: str) -> bool:
    # Not fnmatch: brackets are part of names here.
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, name, re.DOTALL) is not None


def _is_hash_of(hashed: str, name: str) -> bool:
    """``|1|salt|HMAC-SHA1 of the name with the salt as key|``, both in base64."""
    try:
        _, version, salt, digest = hashed.split("|")
        expected = base64.b64decode(digest, validate=True)
        key = base64.b64decode(salt, validate=True)
    except (binascii.Error, ValueError):
        return False
    return version == "1" and hmac.compare_digest(hmac.new(key, name.encode(), hashlib.sha1).digest(), expected)
