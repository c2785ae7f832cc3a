"""Pressure stall information, as Linux tells it below ``/proc/pressure`` (kernel 4.20 and later)."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["PRESSURE_COMMAND", "parse_pressure"]

# With -H each line says which file it is from; one that is not there costs a line on the other output.
PRESSURE_COMMAND = ("grep", "-H", "^some", "/proc/pressure/cpu", "/proc/pressure/io", "/proc/pressure/memory")
_LINE = re.compile(rb"/proc/pressure/(cpu|io|memory):some avg10=([0-9]{1,3}(?:\.[0-9]{1,6})?) .*")


def parse_pressure(output: bytes) -> Mapping[str, float]:
    """Resource → share of the last ten seconds in which at least one task waited for it.

    >>> parse_pressure(b"/proc/pressure/io:some avg10=1.50 avg60=0.40 avg300=0.10 total=42\\n")
    {'io': 0.015}
    """
    found = (_LINE.fullmatch(line) for line in output.splitlines())
    return {match[1].decode(): min(float(match[2]) / 100, 1.0) for match in found if match is not None}
