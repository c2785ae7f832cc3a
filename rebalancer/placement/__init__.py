"""Where each domain should run.

In: a :class:`Problem` (arrays, compiled from cluster and policy). Out: a :class:`Placement`. Pure and deterministic:
the same problem, seed and effort give the same placement.
"""

from rebalancer.placement.problem import Problem, Term
from rebalancer.placement.search import Placement, search
from rebalancer.placement.state import State

__all__ = ["Placement", "Problem", "State", "Term", "search"]
