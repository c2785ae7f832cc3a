"""A destination that has no memory for an arriving domain, in words that say what to do. Pure.

QEMU says so where it is refused memory; where the kernel kills it for want of memory, libvirt only knows that it ended.
"""

from __future__ import annotations

import re

from rebalancer.cluster.units import format_bytes

__all__ = ["MEMORY_COMMAND", "free_memory", "shortage"]

MEMORY_COMMAND = "nodememstats"

_REFUSED = re.compile(r"cannot allocate memory|cannot set up guest memory|unable to map backing store", re.IGNORECASE)
_ENDED = re.compile(r"process exited while connecting to monitor\W*$|unexpectedly closed the monitor\W*$")
_LINE = re.compile(r"(free|buffers|cached)\s*:\s*([0-9]{1,15}) KiB")


def free_memory(answer: str) -> int | None:
    """Bytes that a host can give away, from ``nodememstats``: ``free``, ``buffers`` and ``cached`` together."""
    found = [int(number) << 10 for _, number in _LINE.findall(answer)]
    return sum(found) if found else None


def shortage(words: str, domain: str, host: str, needed: float, free: int | None) -> str | None:
    """``words``: libvirt's; ``needed``: bytes, 0 where it is not known. None: this is not about memory.

    What is said: "h2 has no memory for 'web': it needs 8 GiB, 6 GiB are free there, 2 GiB are missing. Free some …"
    """
    refused = _REFUSED.search(words) is not None
    if not refused and not _ENDED.search(words):
        return None
    what = (
        f"{host} has no memory for '{domain}'"
        if refused
        else f"{host} ended the process of '{domain}' as it arrived, as Linux does when memory runs out"
    )
    facts = [f"it needs {format_bytes(needed)}"] if needed else []
    facts += [f"{format_bytes(free)} are free there"] if free is not None else []
    missing = needed - free if needed and free is not None else 0
    if missing > 0:
        facts.append(f"{format_bytes(missing)} are missing")
        advice = "Free some there, or plan anew with more in reserve (capacity: {resource: memory, reserve: …})"
    else:
        advice = (
            "Look there for a limit below that (huge pages, MemoryMax of machine.slice) and into the kernel's log"
            " (journalctl -k)"
        )
    return f"{what}: {', '.join(facts)}. {advice}" if facts else f"{what}. {advice}"
