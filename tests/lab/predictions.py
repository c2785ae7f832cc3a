"""One plan on real hosts, made and carried out as a user would, and what was predicted of it beside what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from random import Random

from rebalancer.execution import Journal
from rebalancer.execution.journal.records import RunRecord
from rebalancer.plan.file import parse_plan
from rebalancer.plan.model import Plan

from .cluster import Lab
from .commands import Rebalance
from .guest import Guest
from .inventory import Link
from .network import TrafficSampler

LINK = 20_000_000
"""Bytes per second that each host's link really carries."""
SHARE = 0.8
"""What of it migrations may take."""
GUESTS = ((96, 2, 24), (128, 4, 48), (160, 5, 64), (128, 1, 16), (96, 6, 32), (96, 3, 40))
"""Memory, and what is rewritten each second of how much: MiB. Another seed than 0 has others (:func:`guests_of`)."""
WINDOW = 5.0
_POLICY = """
rules:
  - capacity: {{resource: memory}}
{pins}
links:
  - {{select: "true", most: 80%}}
migration:
  - {{select: "true", max_downtime: 300 ms, concurrency: {{per_host: 2, total: 4}}}}
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds, bytes. ``busiest``: the most a link carried over 5 s, as a share of its cap; ``surprises``: how many
    migrations did not converge though the plan said that they would."""

    moves: int
    predicted: float
    took: float
    predicted_bytes: int
    sent: int
    busiest: float
    surprises: int

    @property
    def time_error(self) -> float:
        return abs(self.predicted / self.took - 1)

    @property
    def bytes_error(self) -> float:
        return abs(self.predicted_bytes / self.sent - 1)


def links(hosts: int) -> list[Link]:
    return [Link(f"h{n}-nic", (f"h{n}", "switch"), LINK) for n in range(1, hosts + 1)]


def guests_of(seed: int) -> tuple[tuple[int, int, int], ...]:
    """As many as :data:`GUESTS`, of other sizes, that write at other rates to more or less of their memory: MiB."""
    if seed == 0:
        return GUESTS
    random = Random(f"guests {seed}")
    return tuple((random.randrange(96, 161, 8), random.randint(1, 6), random.randrange(16, 65, 4)) for _ in GUESTS)


def start_guests(lab: Lab, hosts: int, seed: int = 0) -> list[Guest]:
    """Spread over the hosts, whose links are shaped."""
    for host in lab.hosts[:hosts]:
        host.shape(LINK)
    return [
        lab.start_guest(lab.hosts[n % hosts], f"guest{n}", memory, rate, working_set_mib=working_set)
        for n, (memory, rate, working_set) in enumerate(guests_of(seed))
    ]


def carry_out(lab: Lab, rebalance: Rebalance, guests: Sequence[Guest], hosts: int, random: Random) -> Measured:
    """Two to five guests go somewhere else."""
    names = [f"h{n}" for n in range(1, hosts + 1)]
    movers = random.sample(list(guests), random.randint(2, min(5, len(guests))))
    pins = []
    for guest in guests:
        here = next(iter(lab.where(guest)))
        to = random.choice([name for name in names if name != here]) if guest in movers else here
        pins.append(f"  - pin: {{select: \"uuid == '{guest.uuid}'\", hosts: [{to}]}}")
    policy = rebalance.policy("where", _POLICY.format(pins="\n".join(pins)))
    rebalance("plan", "-p", policy, "--dirty-rate", "5s", "-o", "plan.json", timeout=300)
    plan = parse_plan((rebalance.directory / "plan.json").read_text("utf-8"), "plan.json")
    with ExitStack() as stack:
        counters = [c for host in lab.hosts[:hosts] for c in (host.transmitted_bytes, host.received_bytes)]
        traffic = [stack.enter_context(TrafficSampler(counter)) for counter in counters]
        rebalance("apply", "plan.json", "--yes", timeout=600)
    with Journal(rebalance.directory / "state" / "rebalancer" / "journal.sqlite") as journal:
        run = journal.run(journal.list_runs()[0].id)
    return _measured(plan, run, max(_busiest(each) for each in traffic))


def _busiest(traffic: TrafficSampler) -> float:
    try:
        return traffic.worst_average(WINDOW) / (SHARE * LINK)
    except ValueError:  # over in less
        return traffic.total() / WINDOW / (SHARE * LINK)


def _measured(plan: Plan, run: RunRecord, busiest: float) -> Measured:
    ends = [_seconds(step.finished_at) for step in run.steps if step.finished_at]
    starts = [_seconds(step.intended_at) for step in run.steps if step.intended_at]
    predicted = {step.id: step.predicted for step in plan.steps}
    late = {event.step for event in run.events if event.kind == "not converging" and event.step}
    late |= {step.step for step in run.steps if step.state.value == "failed"}
    return Measured(
        moves=len(plan.steps),
        predicted=plan.makespan,
        took=max(ends) - min(starts),
        predicted_bytes=sum(each.bytes for each in predicted.values()),
        sent=sum(step.bytes or 0 for step in run.steps),
        busiest=busiest,
        surprises=sum(predicted[step].converges and predicted[step].rung is None for step in late),
    )


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def as_json(found: Measured) -> str:
    return json.dumps({**found.__dict__, "time_error": found.time_error, "bytes_error": found.bytes_error})
