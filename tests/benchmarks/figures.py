"""Tables of measured figures in a page of the docs: each benchmark replaces its own, between its two marks."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from rebalancer.files import write_atomically

__all__ = ["PAGE", "SEARCH_PAGE", "draw", "record"]

_DOCS = Path(__file__).parents[2] / "docs"
PAGE = _DOCS / "benchmarks-planning.md"
SEARCH_PAGE = _DOCS / "benchmarks-search.md"


def record(name: str, head: Sequence[str], rows: Sequence[Sequence[object]], *, page: Path = PAGE) -> None:
    """Puts a table between ``<!-- name -->`` and ``<!-- end name -->``, and prints it. Where REBALANCE_CASES makes a
    benchmark smaller than it is meant to be, the page stays as it is."""
    lines = [head, ["---"] * len(head), *rows]
    table = "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
    print(f"\n{name}\n{table}")
    if "REBALANCE_CASES" in os.environ:
        return
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end {re.escape(name)} -->)", re.DOTALL)
    text, found = pattern.subn(lambda match: f"{match[1]}\n{table}\n\n{match[2]}", page.read_text(encoding="utf-8"))
    if not found:
        raise LookupError(f"{page} has no place for '{name}'")
    write_atomically(page, text, mode=0o644)


def draw(name: str, chart: str) -> None:
    """Puts a chart into the docs, as ``charts/NAME.svg``; not where :func:`record` leaves the page as it is."""
    if "REBALANCE_CASES" not in os.environ:
        write_atomically(_DOCS / "charts" / f"{name}.svg", chart, mode=0o644)
