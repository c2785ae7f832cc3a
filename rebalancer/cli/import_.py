"""``rebalance import``"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from rebalancer.cli.inputs import tell
from rebalancer.cli.status import ExitStatus
from rebalancer.cluster.text import printable, shown
from rebalancer.errors import InvalidInput, RebalancerError

__all__ = ["import_"]

System = Annotated[str, typer.Argument(metavar="SYSTEM", help="ganeti or proxlb.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="Ganeti: as hbal -t reads. ProxLB: proxlb.yaml.")]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where to write; made if needed.")]
State = Annotated[
    Path | None, typer.Option("--state", metavar="FILE", help="ProxLB: what proxlb --dry-run --json printed.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]


def import_(system: System, file: File, output: Output, state: State = None, force: Force = False) -> ExitStatus:
    """Another system's state and settings as ours: writes cluster.json and policy.yaml to a directory."""
    from rebalancer.cluster.snapshot import dump_snapshot
    from rebalancer.files import read_text
    from rebalancer.imports import IMPORTERS, SourceText

    importer = IMPORTERS.get(system)
    if importer is None:
        raise InvalidInput(f"there is no importer {shown(system)}; known: {', '.join(IMPORTERS)}")
    if state is not None and importer.state is None:
        raise InvalidInput(f"--state is not for {system}: its FILE has everything")
    source = SourceText(read_text(file), str(file))
    second = None if state is None else SourceText(read_text(state), str(state))
    imported = importer.read(source, second)
    files = {} if imported.cluster is None else {"cluster.json": dump_snapshot(imported.cluster)}
    _write(output, files | {"policy.yaml": imported.policy}, force=force)
    for note in imported.notes:
        tell(f"note: {note}")
    return ExitStatus.DONE


def _write(directory: Path, files: dict[str, str], *, force: bool) -> None:
    from rebalancer.files import write_atomically

    # All before any: half an import would be worse than none.
    present = [name for name in files if os.path.lexists(directory / name)]
    if present and not force:
        where = printable(str(directory))
        raise InvalidInput(
            f"{where} has {' and '.join(present)} already; --force overwrites, -o takes another directory"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise RebalancerError(f"cannot make {printable(str(directory))}: {error}") from error
    for name, text in files.items():
        write_atomically(directory / name, text, 0o644)
        print(printable(str(directory / name)))
