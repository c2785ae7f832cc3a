"""A real cluster on one machine: hosts with their own libvirtd and sshd, joined by a switch, and guests that count.

In: the machine's own tools, run as root. Out: a `Lab` of `LabHost`s, `Guest`s on them, and what the wire carried.

    with Lab(hosts=2) as lab:
        guest = lab.start_guest(lab["h1"], "database")
        lab["h1"].virsh("migrate", "--live", "--p2p", guest.uuid, lab["h2"].peer)
        assert guest.is_counting()
        assert_never_reset(guest.counters())
"""

from .cluster import Lab
from .guest import Guest, assert_never_reset
from .host import Domain, LabHost
from .inventory import Link
from .network import TrafficSampler
from .shell import LabError

__all__ = ["Domain", "Guest", "Lab", "LabError", "LabHost", "Link", "TrafficSampler", "assert_never_reset"]
