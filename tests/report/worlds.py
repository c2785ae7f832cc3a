"""A small plan to report on, and a console to report to."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO

from rich.console import Console

from rebalancer.cluster import Capabilities, Cluster, Domain, Host, HostState
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.drivers import MigrationOutcome
from rebalancer.execution import Outcome, Place, RunResult, StepOutcome
from rebalancer.placement.explain import Breach, Conflict
from rebalancer.plan.model import Plan, Prediction, Reason, Score, Step, Unplaced
from rebalancer.policy.model import MigrationSettings, Rung

GIB = 2**30
UUIDS = {name: f"00000000-0000-4000-8000-{index:012d}" for index, name in enumerate(["web", "db", "old"])}


def console(width: int = 80, *, terminal: bool = False) -> tuple[Console, StringIO]:
    """As ``make_console``, but into a string."""
    out = StringIO()
    made = Console(file=out, width=width, markup=False, highlight=False, emoji=False, force_terminal=terminal)
    return made, out


def cluster() -> Cluster:
    offers = Capabilities(live=True, rename=True, bandwidth=True, transports=("tcp",))
    return Cluster(
        name="lab",
        hosts=(
            Host(name="h1", capacity={"cpu": 8.0, "memory": 32.0 * GIB, "gpu": 2.0}, migration=offers),
            Host(name="h2", state=HostState.MAINTENANCE, capacity={"cpu": 8.0, "memory": 16.0 * GIB}),
            Host(name="h3", state=HostState.UNREACHABLE, reason="no route to host"),
        ),
        domains=(
            Domain(name="web", uuid=UUIDS["web"], host="h2", uses={"cpu": 2.0, "memory": 4.0 * GIB}),
            Domain(name="db", uuid=UUIDS["db"], host="h2", uses={"cpu": 4.0, "memory": 14.0 * GIB}),
        ),
    )


def step(name: str, number: int, *, after: tuple[str, ...] = (), converges: bool = True, live: bool = True) -> Step:
    return Step(
        id=f"s{number}",
        domain=name,
        uuid=UUIDS[name],
        source="h2",
        destination="h1",
        after=after,
        bandwidth=BytesPerSecond(50e6),
        settings=MigrationSettings(live=live, when_not_converging=(Rung.AUTO_CONVERGE, Rung.CANCEL)),
        predicted=Prediction(
            start=Seconds(12.0 * (number - 1)),
            duration=Seconds(12.0),
            downtime=Seconds(0.08),
            bytes=Bytes(GIB),
            converges=converges,
        ),
        why=(Reason(rule="maintenance", before=1.0, after=0.0),),
    )


def plan(
    *steps: Step,
    before: tuple[Breach, ...] = (),
    after: tuple[Breach, ...] = (),
    unplaced: tuple[Unplaced, ...] = (),
    notes: tuple[str, ...] = (),
    conflicts: tuple[Conflict, ...] = (),
    scores: tuple[float, float, float] = (8.0, 2.0, 1.0),
    placement: Mapping[str, str] | None = None,
) -> Plan:
    """``scores``: before, after, bound."""
    return Plan(
        snapshot=cluster(),
        fingerprint="sha256:0",
        policy="sha256:1",
        seed=0,
        created_at="",
        version="0",
        steps=steps,
        placement={each.uuid: each.destination for each in steps} if placement is None else placement,
        before=Score(total=scores[0], parts={"balance: cpu": scores[0]}),
        after=Score(total=scores[1], parts={"balance: cpu": scores[1]}),
        bound=scores[2],
        violations_before=before,
        violations_after=after,
        unplaced=unplaced,
        notes=notes,
        conflicts=conflicts,
    )


def outcome(number: int, kind: Outcome, reason: str = "") -> StepOutcome:
    measured = MigrationOutcome(duration=Seconds(11.0), downtime=Seconds(0.05)) if kind is Outcome.DONE else None
    return StepOutcome(step=f"s{number}", outcome=kind, reason=reason, measured=measured)


def result(of: Plan, *outcomes: StepOutcome, where: Mapping[str, Place | None]) -> RunResult:
    return RunResult(
        run_id=7,
        outcomes={each.step: each for each in outcomes},
        complete=all(each.outcome is Outcome.DONE for each in outcomes),
        where={each.uuid: where.get(each.domain) for each in of.steps},
    )
