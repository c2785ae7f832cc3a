"""Tables of measured figures in a page of the docs: each benchmark replaces its own, between its two marks."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from rebalancer.files import write_atomically

__all__ = ["PAGE", "record"]

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-planning.md"


def record(name: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Puts a table between ``<!-- name -->`` and ``<!-- end name -->``, and prints it. Where REBALANCE_CASES makes a
    benchmark smaller than it is meant to be, the page stays as it is."""
    lines = [head, ["---"] * len(head), *rows]
    table = "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
    print(f"\n{name}\n{table}")
    if "REBALANCE_CASES" in os.environ:
        return
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end {re.escape(name)} -->)", re.DOTALL)
    page, found = pattern.subn(lambda match: f"{match[1]}\n{table}\n\n{match[2]}", PAGE.read_text(encoding="utf-8"))
    if not found:
        raise LookupError(f"{PAGE} has no place for '{name}'")
    write_atomically(PAGE, page, mode=0o644)
