"""Rules and goals by name, ours and third parties' alike, through entry points."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from rebalancer.errors import RebalancerError
from rebalancer.policy.clause import Goal, Rule

__all__ = ["goal_names", "load_goal", "load_rule", "rule_names"]

RULES = "rebalancer.rules"
GOALS = "rebalancer.goals"


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def rule_names() -> tuple[str, ...]:
    """The names of all installed rules, sorted."""
    return tuple(sorted(_points(RULES)))


def goal_names() -> tuple[str, ...]:
    """The names of all installed goals, sorted."""
    return tuple(sorted(_points(GOALS)))


def load_rule(name: str) -> type[Rule]:
    """The rule of an installed name; raises RebalancerError where it does not load."""
    found = _load(RULES, name)
    if not issubclass(found, Rule):
        raise RebalancerError(f"rule '{name}' does not load: it is no rule")
    return found


def load_goal(name: str) -> type[Goal]:
    """The goal of an installed name; raises RebalancerError where it does not load."""
    found = _load(GOALS, name)
    if not issubclass(found, Goal):
        raise RebalancerError(f"goal '{name}' does not load: it is no goal")
    return found


def _load(group: str, name: str) -> type:
    try:
        found = _points(group)[name].load()
    except (ImportError, AttributeError) as error:
        raise RebalancerError(f"{group.removeprefix('rebalancer.')[:-1]} '{name}' does not load: {error}") from error
    return found if isinstance(found, type) else object
