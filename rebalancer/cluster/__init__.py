"""The cluster model: what was read from every host, as immutable values in base units.

In: nothing. Out: :class:`Cluster`, which ``policy``, ``placement`` and ``plan`` work on.
"""

from rebalancer.cluster.capabilities import Capabilities, NameForm
from rebalancer.cluster.model import Cluster, Domain, DomainState, Host, HostState, Link, MigrationTraits
from rebalancer.cluster.network import Caps, DirectedLink, Network, cap_of
from rebalancer.cluster.writes import Writes

__all__ = [
    "Capabilities",
    "Caps",
    "Cluster",
    "DirectedLink",
    "Domain",
    "DomainState",
    "Host",
    "HostState",
    "Link",
    "MigrationTraits",
    "NameForm",
    "Network",
    "Writes",
    "cap_of",
]
