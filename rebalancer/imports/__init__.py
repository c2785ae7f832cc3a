"""Other systems' state and settings as ours, one module a system.

In: the text of another system's files. Out: :class:`Imported`, a cluster (where the files have one), the text of a
policy, and notes on what has no equivalent. Pure: :mod:`rebalancer.files` reads and writes.

A new importer is a module with a function like :func:`rebalancer.imports.ganeti.import_ganeti` and a line here.
"""

from collections.abc import Mapping

from rebalancer.imports.ganeti import import_ganeti
from rebalancer.imports.model import Imported, Importer, SourceText
from rebalancer.imports.proxlb import import_proxlb

__all__ = ["IMPORTERS", "Imported", "Importer", "SourceText"]

IMPORTERS: Mapping[str, Importer] = {
    importer.name: importer
    for importer in (
        Importer(name="ganeti", reads="Ganeti's text format, as hbal -t reads and hscan writes it", read=import_ganeti),
        Importer(
            name="proxlb",
            reads="ProxLB's configuration (proxlb.yaml)",
            read=import_proxlb,
            state="what proxlb --dry-run --json prints",
        ),
    )
}
