"""Why: which rules a placement breaks, and what keeps a domain from a host. Read off the primitives, not the search.

In: a problem and a placement. Out: breaches and refusals, each in words that name domains, hosts and numbers.
"""

from rebalancer.placement.explain.breaches import Breach, Conflict, breaches
from rebalancer.placement.explain.refusals import refusals

__all__ = ["Breach", "Conflict", "breaches", "refusals"]
