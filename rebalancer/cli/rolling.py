"""Hosts emptied round by round: what ``plan --rolling`` shows and ``evacuate --batch`` carries out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rebalancer.cli.carry_out import RunOptions, carry_out, show
from rebalancer.cli.inputs import LiveCluster, load_policy, tell
from rebalancer.cli.planning import PlanningOptions, planner
from rebalancer.cli.status import ExitStatus
from rebalancer.cluster.text import shown
from rebalancer.cluster.units import Seconds
from rebalancer.errors import InvalidInput, PlanImpossible, RebalancerError
from rebalancer.values import dataclass

if TYPE_CHECKING:
    from rebalancer.cluster import Cluster
    from rebalancer.plan.model import Plan
    from rebalancer.plan.rolling import Rolling, Round
    from rebalancer.policy import Policy

__all__ = ["RollingOptions", "evacuate_in_rounds", "print_rolling", "rolling_json", "rolling_plan", "selected_hosts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingOptions:
    """``batch``: hosts at once, None for as many as will go together. ``home``: domains come back at the end.
    ``within``: by when all are to be empty, in seconds from now."""

    batch: int | None = None
    home: bool = False
    within: Seconds | None = None
    partial: bool = False


def selected_hosts(selector: str, cluster: Cluster) -> list[str]:
    """The hosts that can be emptied and that a CEL expression selects, in the order in which it takes fewest moves."""
    from rebalancer.cluster import HostState
    from rebalancer.plan.rolling import least_first
    from rebalancer.policy.expressions import HostSelector

    try:
        select = HostSelector(selector)
    except ValueError as error:
        raise InvalidInput(f"--rolling: {error}") from error
    found = [host.name for host in cluster.hosts if host.state is HostState.UP and select.matches(host)]
    if not found:
        raise InvalidInput(f"--rolling: no host that is up matches {shown(selector)}")
    return least_first(cluster, found)


def rolling_plan(cluster: Cluster, hosts: Sequence[str], options: PlanningOptions, how: RollingOptions) -> Rolling:
    from rebalancer.plan.rolling import roll

    policy = load_policy(options.policies, cluster, options.default_policy)
    return roll(cluster, policy, hosts, most=how.batch, home=how.home, within=how.within, make=planner(options))


def print_rolling(rolling: Rolling) -> None:
    """Rounds for people: which hosts, which moves, how long; who moves twice; what cannot be emptied."""
    from rebalancer.report import make_console
    from rebalancer.report.rolling import print_rolling as print_on

    print_on(make_console(), rolling)


def rolling_json(rolling: Rolling) -> str:
    from rebalancer.plan.file import dump_plan

    def plan(made: Plan | None) -> object:
        return None if made is None else json.loads(dump_plan(made))

    document = {
        "apiVersion": "rebalancer/v1",
        "kind": "RollingPlan",
        "rounds": [{"hosts": list(each.hosts), "plan": plan(each.plan)} for each in rolling.rounds],
        "stuck": {host: [each.domain for each in made.unplaced] for host, made in rolling.stuck.items()},
        "twice": list(rolling.twice),
        "home": plan(rolling.home),
    }
    return json.dumps(document, indent=1) + "\n"


def evacuate_in_rounds(
    live: LiveCluster, hosts: Sequence[str], options: PlanningOptions, run: RunOptions, how: RollingOptions
) -> ExitStatus:
    """All rounds are planned before the first starts, and each again when its turn comes, from what is there then."""
    from rebalancer.plan.rolling import homes_of, way_home

    rolling = rolling_plan(live.cluster, hosts, options, how)
    _require(rolling, how)
    policy = load_policy(options.policies, live.cluster, options.default_policy)
    homes = homes_of(live.cluster, hosts)
    left = [host for host in hosts if host not in rolling.stuck]
    clock = live.connections.clock()
    begun = clock.now()
    tell(f"{len(rolling.rounds)} rounds: {'; '.join(', '.join(each.hosts) for each in rolling.rounds)}")
    while left:
        within = None if how.within is None else Seconds(max(how.within - (clock.now() - begun), 0.0))
        found = _next(live, policy, left, options, replace(how, within=within))
        show(found.plan, policy.name, run)
        maintained = frozenset(found.hosts)
        status = carry_out(live, found.plan, replace(run, planned_as=_with_maintenance(maintained)))
        if status is not ExitStatus.DONE:
            return status
        left = [host for host in left if host not in maintained]
        tell(f"{', '.join(found.hosts)}: empty")
        if left or how.home:
            _wait_for_maintenance(found.hosts, run)
            live.read_again()
    if not how.home:
        return ExitStatus.DONE
    plan = way_home(live.cluster, policy, homes, make=planner(options))
    show(plan, policy.name, run)
    return carry_out(live, plan, replace(run, planned_as=lambda cluster: cluster))


def _with_maintenance(hosts: frozenset[str]) -> Callable[[Cluster], Cluster]:
    return lambda cluster: cluster.with_maintenance(hosts)


def _next(
    live: LiveCluster, policy: Policy, left: Sequence[str], options: PlanningOptions, how: RollingOptions
) -> Round:
    from rebalancer.plan.model import Plan
    from rebalancer.plan.rolling import next_round

    found = next_round(live.cluster, policy, left, most=how.batch, within=how.within, make=planner(options))
    if isinstance(found, Plan):
        raise PlanImpossible(f"{left[0]} cannot be emptied any more: {_who_stays(found)}")
    return found


def _require(rolling: Rolling, how: RollingOptions) -> None:
    for host, plan in rolling.stuck.items():
        message = f"cannot leave {host}: {_who_stays(plan)}"
        if not how.partial:
            raise PlanImpossible(f"{message}; nothing was started (--partial empties the other hosts)")
        tell(f"warning: {message}")


def _who_stays(plan: Plan) -> str:
    return ", ".join(shown(each.domain) for each in plan.unplaced) or "its domains cannot be brought elsewhere"


def _wait_for_maintenance(hosts: Sequence[str], run: RunOptions) -> None:
    """Asks until somebody says that these hosts are ready to run domains again; with ``--yes`` they are at once."""
    if run.yes:
        return
    if not sys.stdin.isatty():
        raise RebalancerError("cannot ask whether to go on: standard input is no terminal; add --yes to go on unasked")
    print(f"\nGo on when {', '.join(hosts)} can run domains again? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise RebalancerError(f"not confirmed; {', '.join(hosts)} are empty, and nothing else was started")
