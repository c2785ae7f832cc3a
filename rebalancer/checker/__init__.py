"""Is a plan sound? Replays it step by step, as predicted and with other durations, and says what does not hold.

In: a :class:`~rebalancer.plan.model.Plan` and the policy it was made under. Out: violations, none for a sound plan.
Written apart from the planner: nothing here uses its ledger, watches, rates or schedule, so that a mistake there is
not made here again.
"""

from rebalancer.checker.check import check_plan, check_steps
from rebalancer.checker.situation import Situation
from rebalancer.checker.violation import Violation

__all__ = ["Situation", "Violation", "check_plan", "check_steps"]
