"""Line charts as SVG, on logarithmic axes: what grows is told from how steep it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

__all__ = ["line_chart"]

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 150, 40, 50
"""Margins; names of lines are on the right."""
_COLOURS = (
    "#1f77b4",
    "#d62728",
    "#2ca02c",
    "#9467bd",
    "#ff7f0e",
    "#17becf",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
)

Line = Sequence[tuple[float, float]]


def line_chart(lines: Mapping[str, Line], *, title: str, x: str, y: str) -> str:
    """``lines``: of each name its points, all of them above 0. ``x``, ``y``: what the axes show, with units."""
    points = [point for line in lines.values() for point in line]
    across = _Axis([p[0] for p in points], _LEFT, _WIDTH - _RIGHT)
    up = _Axis([p[1] for p in points], _HEIGHT - _BOTTOM, _TOP)
    size = f"{_WIDTH} {_HEIGHT}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" font-family="sans-serif" font-size="12">'
    ground = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
    return "\n".join([head, ground, *_frame(across, up, title, x, y), *_drawn(lines, across, up), "</svg>\n"])


class _Axis:
    """From values to pixels."""

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        self._low, self._high = math.log10(min(values)), math.log10(max(values))
        if self._high - self._low < 0.3:  # one value alone, too
            self._low, self._high = self._low - 0.15, self._high + 0.15
        self._first, self._last = first, last

    def at(self, value: float) -> float:
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return round(self._first + share * (self._last - self._first), 1)

    def ticks(self) -> list[float]:
        """1, 10, 100, …, and where these are few 2 and 5 between them."""
        decades = range(math.floor(self._low), math.ceil(self._high) + 1)
        for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
            values = [step * 10.0**decade for decade in decades for step in steps]
            inside = [v for v in values if self._low - 1e-9 <= math.log10(v) <= self._high + 1e-9]
            if len(inside) >= 4:
                break
        return inside


def _frame(across: _Axis, up: _Axis, title: str, x: str, y: str) -> Iterator[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    yield _text(_LEFT, 20, title, size=14)
    yield _text((_LEFT + right) / 2, _HEIGHT - 10, x, anchor="middle")
    yield _text(_LEFT, 34, y)
    for value in across.ticks():
        yield f'<path d="M{across.at(value)} {_TOP}V{bottom}" stroke="#ddd"/>'
        yield _text(across.at(value), bottom + 16, f"{value:,g}", anchor="middle")
    for value in up.ticks():
        yield f'<path d="M{_LEFT} {up.at(value)}H{right}" stroke="#ddd"/>'
        yield _text(_LEFT - 6, up.at(value) + 4, f"{value:,g}", anchor="end")


def _drawn(lines: Mapping[str, Line], across: _Axis, up: _Axis) -> Iterator[str]:
    named = _apart({name: up.at(line[-1][1]) for name, line in lines.items()})
    for index, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        at = [(across.at(a), up.at(b)) for a, b in line]
        path = " ".join(f"{a},{b}" for a, b in at)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{a}" cy="{b}" r="3" fill="{colour}"/>' for a, b in at)
        yield _text(_WIDTH - _RIGHT + 10, named[name] + 4, name, colour=colour)


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """Names do not cover each other."""
    found: dict[str, float] = {}
    last = -math.inf
    for name in sorted(heights, key=heights.__getitem__):
        last = found[name] = max(heights[name], last + 14)
    over = max(last - (_HEIGHT - _BOTTOM), 0.0)
    return {name: height - over for name, height in found.items()}


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, colour: str = "#333") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{escape(words)}</text>'
