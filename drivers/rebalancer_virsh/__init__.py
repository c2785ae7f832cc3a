"""Hosts with libvirt, by its own client ``virsh``: nothing else is needed on a host.

In: a host of the inventory, reached by SSH or, without an address, on this machine. Out: what it has, and migrations
from it, peer to peer: the source's daemon does them, whatever becomes of us.

Settings: ``transport`` (``ssh`` or ``local``), ``ssh`` (:mod:`rebalancer.drivers.ssh`) and ``shared_storage`` (absolute
paths of directories that are one and the same on all hosts).
"""

from rebalancer_virsh.driver import VirshDriver

__all__ = ["VirshDriver"]
