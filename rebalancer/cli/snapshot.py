"""``rebalance snapshot``"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from rebalancer.cli.inputs import INVENTORY_VARIABLE, read_input, refuse_to_overwrite, tell
from rebalancer.cli.options import DirtyRate, Inventory, Snapshot
from rebalancer.cli.status import ExitStatus

__all__ = ["snapshot"]

Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it here instead of printing it.")
]


Anonymise = Annotated[
    bool, typer.Option("--anonymise", help="Numbers for all names and labels, e.g. to send it with a report.")
]


def snapshot(
    inventory: Inventory = None,
    saved: Snapshot = None,
    output: Output = None,
    dirty_rate: DirtyRate = None,
    anonymise: Anonymise = False,
) -> ExitStatus:
    """Save what the hosts say now, as JSON: to plan on later, to compare, or to report a bad placement."""
    from rebalancer.cluster.anonymise import anonymise as without_names
    from rebalancer.cluster.snapshot import dump_snapshot
    from rebalancer.files import write_atomically

    refuse_to_overwrite(output, inventory or os.environ.get(INVENTORY_VARIABLE), saved)
    cluster = read_input(inventory, saved, dirty_rate, ignore_unreachable=True)
    text = dump_snapshot(without_names(cluster) if anonymise else cluster)
    if output is None:
        print(text, end="")
    else:
        write_atomically(output, text, 0o644)
        tell(f"snapshot written to {output}")
    return ExitStatus.DONE
