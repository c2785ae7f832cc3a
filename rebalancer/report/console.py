"""Terminals: consoles that interpret nothing in what they print, and the characters that one can show."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.segment import Segment, Segments
from rich.text import Text

from rebalancer.cluster.text import printable
from rebalancer.values import dataclass

__all__ = ["Glyphs", "glyphs", "heading", "item", "make_console", "show", "text", "warnings"]

_MOST_WARNINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    arrow: str
    full: str
    empty: str
    good: str
    bad: str
    bullet: str


_UNICODE = Glyphs(arrow="→", full="█", empty="░", good="✔", bad="✘", bullet="•")
_ASCII = Glyphs(arrow="->", full="#", empty=".", good="+", bad="!", bullet="-")


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Nobody reads any more. rich would end the program here, be it in the middle of a run."""
        self.quiet = True
        if not self.stderr:
            raise BrokenPipeError


def make_console(*, stderr: bool = False) -> Console:
    """Standard output or standard error. Names are data: neither ``[red]`` nor ``:smile:`` mean anything in them.

    When its reader goes away, standard output raises BrokenPipeError; standard error, which has no results, is silent.
    """
    return _Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def glyphs(console: Console) -> Glyphs:
    return _ASCII if console.options.ascii_only else _UNICODE


def text(value: object, style: str = "") -> Text:
    """A name or message from outside, on one line, with control characters escaped."""
    return Text(printable(str(value)), style=style, overflow="fold")


def show(console: Console, renderable: RenderableType) -> None:
    """Prints it without the spaces that fill up its lines, which only a paste or a narrower window would show."""
    for line in console.render_lines(renderable, pad=False):
        segments = list(line)
        while segments and not segments[-1].text.strip():
            segments.pop()
        if segments:
            last = segments.pop()
            segments.append(Segment(last.text.rstrip(), last.style))
        console.print(Segments([*segments, Segment.line()]), end="", soft_wrap=True)


def heading(console: Console, title: str) -> None:
    console.print()
    show(console, Text(title, style="bold"))


def warnings(console: Console, found: Sequence[object]) -> None:
    """What needs a look, though nobody is hindered by it."""
    if not found:
        return
    heading(console, "Warnings")
    for warning in found[:_MOST_WARNINGS]:
        item(console, text(warning, "yellow"), lead=f"{glyphs(console).bullet} ")
    if len(found) > _MOST_WARNINGS:
        item(console, f"and {len(found) - _MOST_WARNINGS} more", lead=f"{glyphs(console).bullet} ")


def item(console: Console, *parts: Text | str, indent: int = 0, lead: Text | str = "") -> None:
    """A line of a list. What does not fit goes on below its beginning, right of ``lead``."""
    before = Text.assemble(" " * indent, lead)
    hanging = " " * before.cell_len
    body = Text.assemble(*parts, overflow="fold")
    for line in body.wrap(console, max(console.width - before.cell_len, 1), overflow="fold"):
        whole = Text.assemble(before, line)
        whole.rstrip()
        console.print(whole, soft_wrap=True)
        before = Text(hanging)
