"""Lower bounds: what no placement can better.

In: a problem. Out: a number, from closed forms for each term. What balance gains by moves is weighed against what they
cost: for each number of moves there is a bound on the sum of both, and the least of these holds.
"""

from rebalancer.placement.bounds.score import score_bound

__all__ = ["score_bound"]
