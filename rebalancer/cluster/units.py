"""Quantities: plain numbers in base units inside, ``64 GiB`` or ``400 Mbit/s`` at the edges.

Base units are bytes, bytes per second, seconds, cores and fractions. The spellings form a closed list: what is
ambiguous (``10G``, ``100 Mb``) is refused with the right spellings, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from math import isfinite
from typing import NewType

from rebalancer.cluster.text import shown

__all__ = [
    "Bytes",
    "BytesPerSecond",
    "Seconds",
    "format_bytes",
    "format_duration",
    "format_number",
    "format_rate",
    "parse_bytes",
    "parse_cores",
    "parse_duration",
    "parse_quantity",
    "parse_rate",
    "parse_share",
]

Bytes = NewType("Bytes", int)
BytesPerSecond = NewType("BytesPerSecond", float)
Seconds = NewType("Seconds", float)

_BINARY = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}
_DECIMAL = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}
_BYTES: dict[str, Fraction] = {unit: Fraction(n) for unit, n in {"B": 1, **_DECIMAL, **_BINARY}.items()}
_RATES: dict[str, Fraction] = {
    **{f"{unit}/s": factor for unit, factor in _BYTES.items()},
    **{f"{prefix}bit/s": Fraction(10**n, 8) for prefix, n in {"": 0, "k": 3, "M": 6, "G": 9, "T": 12}.items()},
}
_AMOUNTS = {**_BYTES, **_RATES}
_DURATIONS = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
_CORES = {"cores": Fraction(1), "core": Fraction(1)}
_SOME_CORES = "a number of cores such as 1.5 cores"
_SHARES = {"%": Fraction(1, 100)}

_QUANTITY = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?)\s*([^\s0-9].*?)?\s*")
_LONGEST = 100
_LARGEST = 10**24


def _parse(value: object, units: Mapping[str, Fraction], expected: str) -> int | float:
    """The value in base units, exact where it is whole; raises ValueError with what to write instead."""
    number: int | float
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str):
        number = _parse_text(value, units, expected)
    else:
        # No TypeError: pydantic turns only a ValueError into a message.
        raise ValueError(f"{shown(value)} is not a quantity; write {expected}")  # noqa: TRY004
    if number < 0:
        raise ValueError(f"{shown(value)} is negative; write {expected}")
    if not number <= _LARGEST:  # not a number is not less either
        raise ValueError(f"{shown(value)} is out of range; write {expected}")
    return number


def _parse_text(text: str, units: Mapping[str, Fraction], expected: str) -> int | float:
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{shown(text)} is not a quantity; write {expected}")
    unit = match[2]
    if unit is not None and unit not in units:
        raise ValueError(f"unknown unit {shown(unit)} in {shown(text)}; {_suggestion(unit, units, expected)}")
    # Fractions, or 35% would be 0.35000000000000003.
    number = Fraction(match[1]) * (units[unit] if unit is not None else 1)
    return int(number) if number.denominator == 1 else float(number)


def _suggestion(unit: str, units: Mapping[str, Fraction], expected: str) -> str:
    rate = "/" in unit or unit.endswith("ps")
    similar = [known for known in units if known[0].lower() == unit[0].lower()]
    similar = [known for known in similar if ("/" in known) == rate] or similar
    if similar:
        return f"did you mean {' or '.join(similar)}?"
    return f"write {expected} (units: {', '.join(units)})"


def parse_bytes(value: object) -> Bytes:
    """``"64 GiB"`` or a plain number of bytes → bytes; ValueError says what to write instead."""
    return Bytes(round(_parse(value, _BYTES, "a size such as 64 GiB")))


def parse_rate(value: object) -> BytesPerSecond:
    """``"400 Mbit/s"``, ``"30 MiB/s"`` or a plain number of bytes per second → bytes per second."""
    return BytesPerSecond(float(_parse(value, _RATES, "a rate such as 400 Mbit/s or 30 MiB/s")))


def parse_duration(value: object) -> Seconds:
    """``"300 ms"``, ``"15 min"`` or a plain number of seconds → seconds."""
    return Seconds(float(_parse(value, _DURATIONS, "a duration such as 300 ms, 30 s or 15 min")))


def parse_cores(value: object) -> float:
    """``"1.5 cores"`` or a plain number → cores."""
    return float(_parse(value, _CORES, _SOME_CORES))


def parse_share(value: object) -> float:
    """``"40%"`` or a plain fraction → a fraction (0.4)."""
    return float(_parse(value, _SHARES, "a share such as 40%"))


def parse_quantity(resource: str, value: object) -> float:
    """An amount of a resource: cores for ``cpu``; otherwise a plain number, a size or a rate."""
    if resource == "cpu":
        return _parse(value, _CORES, _SOME_CORES)
    return _parse(value, _AMOUNTS, "a number, a size such as 64 GiB or a rate such as 1 Gbit/s")


def format_number(value: float) -> str:
    """Four significant digits at most, no trailing zeros: ``1.5``, ``12``, ``0.0312``."""
    text = f"{value:.4g}"
    return f"{value:.0f}" if "e+" in text else text


def _format(value: float, units: list[tuple[str, float]]) -> str:
    unit, factor = next(((unit, f) for unit, f in reversed(units) if abs(value) >= f), units[0])
    return f"{format_number(round(value / factor, 1))} {unit}"


def format_bytes(value: float) -> str:
    """``68719476736`` → ``64 GiB``."""
    return _format(value, [("B", 1), *_BINARY.items()])


def format_rate(value: float) -> str:
    """Bytes per second → ``400 Mbit/s``, the unit in which links are sold."""
    return _format(value * 8, [("bit/s", 1), ("kbit/s", 1e3), ("Mbit/s", 1e6), ("Gbit/s", 1e9), ("Tbit/s", 1e12)])


def format_duration(value: float) -> str:
    """Seconds → ``80 ms``, ``12.5 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    if not isfinite(value):
        return "∞"
    if value < 0:
        return f"-{format_duration(-value)}"
    if round(value, 3) < 1:
        return f"{round(value * 1000)} ms"
    if round(value, 1) < 60:
        return f"{format_number(round(value, 1))} s"
    total = round(value)
    units = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]
    parts: list[str] = []
    for unit, seconds in units:
        amount, total = divmod(total, seconds)
        if amount or parts:
            parts.append(f"{amount} {unit}" if amount else "")
    return " ".join(part for part in parts[:2] if part)
