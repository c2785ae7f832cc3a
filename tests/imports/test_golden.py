"""Whole files in, whole files out, compared with ``golden/``.

After an intended change: ``UPDATE_GOLDEN=1 pytest tests/imports/test_golden.py``, and look at the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rebalancer.cluster.snapshot import dump_snapshot
from rebalancer.imports import IMPORTERS, SourceText
from tests.imports.common import usable

GOLDEN = Path(__file__).parent / "golden"

CASES = {
    "one-group": ("ganeti", "one-group.txt", None),
    "two-groups": ("ganeti", "two-groups.txt", None),
    "proxlb": ("proxlb", "proxlb.yaml", None),
    "proxlb-defaults": ("proxlb", "proxlb-defaults.yaml", None),
    "proxlb-state": ("proxlb", "proxlb.yaml", "proxlb-state.json"),
}


def source(name: str | None) -> SourceText | None:
    return None if name is None else SourceText((GOLDEN / name).read_text("utf-8"), name)


@pytest.mark.parametrize("case", CASES)
def test_files(case):
    system, file, state = CASES[case]
    imported = IMPORTERS[system].read(source(file), source(state))
    usable(imported)
    outputs = {"policy.yaml": imported.policy, "notes.txt": "".join(f"{note}\n" for note in imported.notes)}
    if imported.cluster is not None:
        outputs["cluster.json"] = dump_snapshot(imported.cluster)
    for ending, text in outputs.items():
        golden = GOLDEN / f"{case}.{ending}"
        if os.environ.get("UPDATE_GOLDEN"):
            golden.write_text(text, "utf-8")
        assert text == golden.read_text("utf-8")
    assert all(len(line) <= 250 for line in imported.policy.splitlines())
