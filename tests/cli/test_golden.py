"""What commands print, compared with ``golden/``: wide, usual and very narrow terminals.

After an intended change: ``UPDATE_GOLDEN=1 pytest tests/cli/test_golden.py``, and look at the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
POLICY = ("-p", "./policy.yaml")

CASES = {
    "plan": ("plan", *POLICY),
    "plan-frontier": ("plan", "--frontier", *POLICY),
    "check": ("check", *POLICY),
    "hosts": ("hosts",),
    "evacuate-impossible": ("evacuate", "h2", *POLICY),
    "place": ("place", "domains.yaml", *POLICY),
    "simulate": ("simulate", *POLICY),
    "simulate-fail": ("simulate", "--fail", "h1", "--add", "domains.yaml", "--more", "domains.yaml", *POLICY),
    "evacuate-deadline": ("evacuate", "h1", "-p", "evacuate", "--deadline", "30s", "--yes"),
}


@pytest.mark.parametrize("columns", [160, 80, 40])
@pytest.mark.parametrize("name", CASES)
def test_output(name, columns, example, cli):
    ended = cli(*CASES[name], columns=columns)
    shown = f"{ended.out}--- messages\n{ended.err}--- status {ended.status}\n"
    file = GOLDEN / f"{name}-{columns}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(shown, "utf-8")
    assert shown == file.read_text("utf-8")
    assert all(len(line) <= columns for line in ended.out.splitlines())
    assert all(line == line.rstrip() for line in ended.out.splitlines())
