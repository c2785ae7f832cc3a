"""The rules that no policy has to write and none can lift, one module each.

In: a :class:`~rebalancer.policy.view.View` and the policy. Out: hard terms for the search.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from rebalancer.placement.problem import Term
from rebalancer.policy.builtin import compatible, hints, identity, maintenance, migratable, names, protect
from rebalancer.policy.model import Policy
from rebalancer.policy.view import View

__all__ = ["BUILTIN"]

_Rule: TypeAlias = Callable[[View, Policy], Iterable[Term]]

BUILTIN: tuple[_Rule, ...] = (
    maintenance.terms,
    compatible.terms,
    migratable.terms,
    identity.terms,
    names.terms,
    protect.terms,
    hints.terms,
)
