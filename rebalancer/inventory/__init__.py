"""The inventory: which hosts there are, how to reach them, and what they say of themselves.

In: an inventory file. Out: a :class:`~rebalancer.cluster.Cluster`, read from all hosts at once, and the connections
that a run migrates with.

::

    inventory = load_inventory("inventory.yaml")
    with Connections(inventory) as connections:
        cluster, failures = read_cluster(inventory, ReadOptions(), connections=connections)
"""

from rebalancer.inventory.connections import Connections
from rebalancer.inventory.file import load_inventory, parse_inventory
from rebalancer.inventory.model import Inventory, InventoryHost, LabelRule
from rebalancer.inventory.reading import Reading, read_cluster
from rebalancer.inventory.safeguards import Call, Hook, Moment, Probe, Safeguards

__all__ = [
    "Call",
    "Connections",
    "Hook",
    "Inventory",
    "InventoryHost",
    "LabelRule",
    "Moment",
    "Probe",
    "Reading",
    "Safeguards",
    "load_inventory",
    "parse_inventory",
    "read_cluster",
]
