"""What is allowed and what is good: policy files, checked and compiled.

In: the text of policy files, and a :class:`~rebalancer.cluster.Cluster`. Out: a :class:`Policy`, and the
:class:`~rebalancer.placement.problem.Problem` that it makes of the cluster::

    policy = load_policies(["balance", "./site.yaml"], read)
    errors, warnings = check_policy(policy, cluster)
    compiled = compile_problem(policy, cluster)
"""

from rebalancer.policy.check import check_policy
from rebalancer.policy.clause import Caution, During, Goal, Rule
from rebalancer.policy.compile import Compiled, compile_problem
from rebalancer.policy.history import History
from rebalancer.policy.library import policy_names, policy_text
from rebalancer.policy.load import load_policies, parse_policy
from rebalancer.policy.model import (
    Clause,
    Definition,
    Limits,
    LinkCap,
    MigrationSettings,
    Names,
    OnClash,
    Override,
    Policy,
    Rung,
    Steps,
)
from rebalancer.policy.schema import json_schema, schema_text
from rebalancer.policy.show import show_policy
from rebalancer.policy.steps import Order, StepGroup, StepRules, TimeLimit
from rebalancer.policy.view import View
from rebalancer.policy.windows import Opening, WindowEntry, opening

__all__ = [
    "Caution",
    "Clause",
    "Compiled",
    "Definition",
    "During",
    "Goal",
    "History",
    "Limits",
    "LinkCap",
    "MigrationSettings",
    "Names",
    "OnClash",
    "Opening",
    "Order",
    "Override",
    "Policy",
    "Rule",
    "Rung",
    "StepGroup",
    "StepRules",
    "Steps",
    "TimeLimit",
    "View",
    "WindowEntry",
    "check_policy",
    "compile_problem",
    "json_schema",
    "load_policies",
    "opening",
    "parse_policy",
    "policy_names",
    "policy_text",
    "schema_text",
    "show_policy",
]
