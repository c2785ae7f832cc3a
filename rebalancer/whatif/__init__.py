"""What if: domains that are to be started, hosts that fail, and how many more would fit.

In: a cluster, a policy, and what is supposed to happen. Out: which domain would be started where, what would find no
place and why, and the cluster as it would be then. Pure; nothing that runs is moved.
"""

from rebalancer.whatif.failures import fail, fail_each
from rebalancer.whatif.headroom import Headroom, headroom
from rebalancer.whatif.start import Option, Started, start_domains

__all__ = ["Headroom", "Option", "Started", "fail", "fail_each", "headroom", "start_domains"]
