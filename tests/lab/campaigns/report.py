"""Puts the figures of the campaigns into the docs: `python -m tests.lab.campaigns.report docs/campaigns.md DIRECTORY`.

DIRECTORY holds `kills.json`, `faults.json` and `model.json`; what is missing there keeps what the page says.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

NOT_HELD = "runs in which a domain was lost, doubled, paused, reset, moved twice or left elsewhere"


def kills(found: dict[str, Any]) -> str:
    return "\n".join(
        [
            "| what | figure |",
            "| --- | --- |",
            f"| boundaries of the journal died at | {found['at_boundaries']} of {found['boundaries']} |",
            f"| random instants died at | {found['at_random']} of {found['randoms']} |",
            f"| runs carried to their end | {found['rounds']} |",
            f"| steps carried out, none of them twice | {found['steps']} |",
            f"| {NOT_HELD} | {len(found['failures'])} |",
            f"| time | {found['seconds'] / 60:.0f} min |",
        ]
    )


def faults(found: dict[str, Any]) -> str:
    bitten, harmless = found["faults"], found["harmless"]
    rows = [
        f"| {name} | {bitten.get(name, 0)} | {harmless.get(name, 0)} | {_words(found, name)} |"
        for name in sorted({*bitten, *harmless})
    ]
    runs = f"runs {found['rounds']}, resumed {found['resumed']} times, planned anew {found['planned_anew']} times"
    return "\n".join(
        [
            "| fault | bit | found nothing to harm | what the run said of it, for example |",
            "| --- | --- | --- | --- |",
            *rows,
            f"| **all** | **{sum(bitten.values())} of {found['wanted']}** | {sum(harmless.values())} | {runs} |",
            "",
            f"{NOT_HELD[0].upper()}{NOT_HELD[1:]}: {len(found['failures'])}. Time: {found['seconds'] / 60:.0f} min.",
        ]
    )


def model(found: dict[str, Any]) -> str:
    return f"{found['examples']:,} histories, no counterexample."


def _words(found: dict[str, Any], name: str) -> str:
    said = found["told"].get(name) or []
    # Paths and tables of Markdown are of no use there.
    return re.sub(r"\S*/(\w+\.sqlite)", r"\1", said[0]).replace("|", "/") if said else "nothing: it went on"


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
