"""What libvirt's errors mean to whoever runs the hosts, where its words do not say so. Pure."""

from __future__ import annotations

import re

__all__ = ["meaning"]

_MEANINGS = (
    (r"Disconnected from \S+ due to end of file", "its libvirt daemon ended, or was restarted, as '{domain}' moved"),
    (r"Disconnected from \S+ due to keepalive timeout", "its libvirt daemon stopped answering as '{domain}' moved"),
    (
        r"client socket is closed|Lost connection to destination host",
        "its connection to {host}'s libvirt broke as '{domain}' moved: the daemon there ended, or the link did",
    ),
    (r"keepalive timeout", "{host}'s libvirt daemon did not answer for as long as keepalive_count of qemu.conf allows"),
    (r"unable to connect to server at", "it cannot reach {host}'s libvirt daemon"),
    (
        r"domain is not running|guest unexpectedly quit",
        "'{domain}' was switched off, or its process ended, as it moved",
    ),
    (r"another migration job is already running", "somebody else is migrating '{domain}'"),
)
"""The first that is found counts. What is said follows the name of the source."""


def meaning(words: str, domain: str, host: str) -> str | None:
    """``words``: libvirt's, of a migration of ``domain`` to ``host``. None: they say so themselves, or nobody knows."""
    for pattern, told in _MEANINGS:
        if re.search(pattern, words):
            return told.format(domain=domain, host=host)
    return None
