"""How to get there: steps in an order that holds at every moment, with names, routes, rates and a timeline.

In: a cluster, a policy and a placement (found by ``placement``). Out: a :class:`Plan`, which the executor carries out
as it is. Pure: the same input, seed and effort give the same plan to the byte.
"""

from rebalancer.plan.model import Deadline, Guards, Plan, Prediction, Reason, Score, Step, Unplaced

__all__ = ["Deadline", "Guards", "Plan", "Prediction", "Reason", "Score", "Step", "Unplaced"]
