"""Small clusters and hand-built plans for the executor's tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rebalancer_simulator import Faults, SimulatedHosts, Simulation

from rebalancer.cluster import Capabilities, Cluster, Domain, Host, Link, MigrationTraits, Network
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.drivers import Clock
from rebalancer.execution import Journal, Observer, RunResult, StopSignal, execute
from rebalancer.inventory import Safeguards
from rebalancer.plan.model import Guards, Plan, Prediction, Score, Step
from rebalancer.policy.model import MigrationSettings

GB = 10**9
MB = 10**6
MIB = 2**20
OPEN: list[Journal] = []
"""Journals to be closed when the test is over."""
EVERYTHING = Capabilities(
    live=True,
    offline=True,
    rename=True,
    bandwidth=True,
    set_bandwidth=True,
    max_downtime=True,
    cancel=True,
    progress=True,
    auto_converge=True,
    post_copy=True,
    dirty_rate=True,
    transports=("tcp",),
    bandwidth_unit=MIB,
)


def uuid(name: str) -> str:
    """A UUID that shows its domain: ``uuid("a")`` ends in ``…61``."""
    return f"00000000-0000-4000-8000-{name.encode().hex():0>12}"


def domain(name: str, host: str, *, memory: int = GB, dirty: float = 0.0, called: str | None = None) -> Domain:
    """``name`` also makes the UUID; ``called``: the name that the host knows it by."""
    return Domain(
        name=called or name,
        uuid=uuid(name),
        host=host,
        uses={"memory": float(memory)},
        migration=MigrationTraits(memory=Bytes(memory), dirty_rate=BytesPerSecond(dirty)),
    )


def cluster(
    hosts: Sequence[str],
    domains: Sequence[Domain],
    *,
    memory: float = 64 * GB,
    uplink: float | None = None,
    offers: Mapping[str, Capabilities] | None = None,
) -> Cluster:
    """Each host on a link of 1.25 GB/s to one switch; with ``uplink`` every second host is behind that link."""
    links = []
    for index, name in enumerate(hosts):
        switch = "tor2" if uplink is not None and index % 2 else "tor1"
        links.append(Link(name=f"{name}-nic", connects=(name, switch), capacity=BytesPerSecond(1.25e9)))
    if uplink is not None:
        links.append(Link(name="uplink", connects=("tor1", "tor2"), capacity=BytesPerSecond(uplink)))
    return Cluster(
        name="test",
        hosts=tuple(
            Host(name=name, capacity={"memory": memory}, migration=(offers or {}).get(name, EVERYTHING))
            for name in hosts
        ),
        domains=tuple(domains),
        links=tuple(links),
    )


def step(
    world: Cluster,
    number: int,
    name: str,
    source: str,
    destination: str,
    *,
    after: Sequence[str] = (),
    new_name: str | None = None,
    settings: MigrationSettings | None = None,
    start: float | None = None,
    duration: float = 10.0,
    converges: bool = True,
) -> Step:
    moving = world.domains_by_uuid[uuid(name)][0]
    return Step(
        id=f"s{number}",
        domain=moving.name,
        uuid=moving.uuid,
        source=source,
        destination=destination,
        new_name=new_name,
        links=tuple(link.link for link in Network(world.links).route(source, destination)),
        after=tuple(after),
        uses=moving.uses,
        settings=settings or MigrationSettings(),
        predicted=Prediction(
            start=Seconds(float(number) if start is None else start),
            duration=Seconds(duration),
            downtime=Seconds(0.1),
            bytes=Bytes(int(moving.uses["memory"])),
            converges=converges,
        ),
    )


def plan(world: Cluster, *steps: Step, caps: Mapping[str, float] | None = None, memory: float | None = None) -> Plan:
    """``caps``: of links, else their capacity; ``memory``: the guard of every host, else its capacity."""
    score = Score(total=0.0)
    return Plan(
        snapshot=world,
        fingerprint="sha256:0",
        policy="sha256:0",
        seed=0,
        created_at="2026-11-22T18:00:00Z",
        version="0",
        steps=steps,
        placement={step.uuid: step.destination for step in steps},
        before=score,
        after=score,
        guards=Guards(
            links={link.name: BytesPerSecond((caps or {}).get(link.name, link.capacity)) for link in world.links},
            ends={link.name: link.connects for link in world.links},
            hosts={
                "memory": {h.name: h.capacity["memory"] if memory is None else memory for h in world.hosts},
            },
        ),
    )


class Bench:
    """A plan, a simulated world in virtual time and a journal in memory."""

    def __init__(self, world: Cluster, faults: Faults | None = None, *, clock: Clock | None = None) -> None:
        self.world = world
        self.simulation = Simulation(world, faults)
        self.hosts = SimulatedHosts(self.simulation, clock)
        self.journal = Journal(None)
        OPEN.append(self.journal)

    def run(
        self,
        plan: Plan,
        *,
        observer: Observer | None = None,
        stop: StopSignal | None = None,
        cluster: Cluster | None = None,
        safeguards: Safeguards | None = None,
    ) -> RunResult:
        """``cluster``: as it was read, where that is not as it is."""
        return execute(
            plan,
            cluster or self.world,
            self.hosts,
            self.journal,
            clock=self.hosts.clock(),
            plan_text="{}",
            observer=observer,
            stop=stop,
            safeguards=safeguards,
        )

    def placement(self) -> dict[str, list[str]]:
        """UUID → the hosts that it is active on now."""
        found: dict[str, list[str]] = {}
        for seen in self.simulation.settled().domains:
            if seen.state.active:
                found.setdefault(seen.uuid, []).append(seen.host)
        return found

    def events(self, kind: str) -> list[Mapping[str, object]]:
        return [event.detail for event in self.journal.run(1).events if event.kind == kind]
