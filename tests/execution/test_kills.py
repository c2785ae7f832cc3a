"""A controller that is killed, at every boundary of its journal, and those who go on with its run.

Killed means that nothing more is done from one moment to the next: in this process by an exception that nothing
catches, and with SIGKILL in processes of their own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rebalancer_simulator import SimulatedHosts, Simulation
from sqlalchemy import Connection

from rebalancer.cluster import Cluster
from rebalancer.cluster.snapshot import parse_snapshot
from rebalancer.cluster.units import Seconds
from rebalancer.execution import Journal, RunResult, RunState, execute
from rebalancer.execution.journal.controller import Controller
from rebalancer.execution.journal.database import Database
from rebalancer.execution.resume import resume
from rebalancer.plan.model import Plan
from tests.cli.commands import copy_example
from tests.execution.test_invariants import plans, truth, worlds
from tests.execution.worlds import GB, cluster, domain, plan, step

SHARED = Path("/dev/shm")


class Killed(BaseException):
    """Nothing catches it."""


def doomed() -> Controller:
    """A controller that everybody takes for dead once it is."""
    here = Controller.this_process()
    return Controller(
        who=here.who, machine=socket.gethostname(), process=2**22 + 1, birth=f"{here.birth.rpartition(' ')[0]} 0"
    )


class Site:
    """Simulated hosts that outlive controllers, and the journal's file."""

    def __init__(self, world: Cluster, made: Plan, folder: Path) -> None:
        self.world = world
        self.made = made
        self.simulation = Simulation(world)
        self.hosts = SimulatedHosts(self.simulation)
        self.path = folder / "journal.sqlite"
        self.writes = 0

    def attempt(self, kill_after: int | None) -> RunResult | None:
        """One controller, killed after so many writes of the journal; None: it was."""
        self.writes = 0
        with pytest.MonkeyPatch.context() as patch, Journal(self.path, controller=doomed()) as journal:
            patch.setattr(Database, "write", self._counted(Database.write, kill_after))
            try:
                return self._run(journal)
            except Killed:
                return None

    def _run(self, journal: Journal) -> RunResult:
        clock = self.hosts.clock()
        if not journal.list_runs():
            return execute(self.made, self.world, self.hosts, journal, clock=clock, plan_text="{}")
        return resume(1, self.made, self.simulation.seen, self.hosts, journal, clock=clock)

    def _counted(self, write, kill_after):  # type: ignore[no-untyped-def]
        @contextmanager
        def counted(database: Database) -> Iterator[Connection]:
            with write(database) as connection:
                yield connection
            self.writes += 1
            if kill_after is not None and self.writes >= kill_after:
                raise Killed

        return counted

    def wait(self, seconds: float) -> None:
        self.hosts.clock().sleep(Seconds(seconds))
        self.simulation.advance(self.hosts.clock().now())

    def check(self, result: RunResult) -> None:
        """Every domain runs once, where the plan wants it, and no step was executed twice."""
        places = truth(self.simulation)
        assert all(len(found) == 1 for found in places.values())
        assert all(seen.state == "running" for seen in self.simulation.settled().domains)
        assert result.complete
        for uuid, host in self.made.placement.items():
            assert [place.host for place in places[uuid]] == [host]
        begun = Counter((t.uuid, t.source, t.destination) for t in self.simulation.transfers)
        assert begun == Counter((s.uuid, s.source, s.destination) for s in self.made.steps)
        with Journal(self.path) as journal:
            assert journal.run(1).summary.state is RunState.COMPLETE
            assert journal.leases() == ()


WORLD = cluster(
    ["h1", "h2", "h3"],
    [domain("a", "h1", memory=8 * GB), domain("b", "h2", memory=8 * GB), domain("c", "h1", memory=GB)],
    memory=12 * GB,
)
SWAP = plan(
    WORLD,
    step(WORLD, 1, "a", "h1", "h3"),
    step(WORLD, 2, "b", "h2", "h1", after=["s1"]),
    step(WORLD, 3, "a", "h3", "h2", after=["s1", "s2"]),
    step(WORLD, 4, "c", "h1", "h3", new_name="c-h1", after=["s3"]),
)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, where there is one: nothing here asks whether the disk is fast."""
    with TemporaryDirectory(dir=SHARED if os.access(SHARED, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize("pause", [0.0, 3.0])
def test_killed_at_every_boundary_of_the_journal_and_resumed(memory: Path, pause: float) -> None:
    number = 0
    while True:
        number += 1
        (folder := memory / str(number)).mkdir()
        site = Site(WORLD, SWAP, folder)
        first = site.attempt(number)
        site.wait(pause)
        again = site.attempt(None)
        assert again is not None
        site.check(again)
        if first is not None:
            break
    assert number >= 10, "it was killed too seldom to have shown anything"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_killed_again_and_again_at_any_boundary(data: st.DataObject) -> None:
    world = data.draw(worlds())
    made, _ = data.draw(plans(world))
    with TemporaryDirectory(dir=SHARED if os.access(SHARED, os.W_OK) else None) as folder:
        site = Site(world, made, Path(folder))
        for kill, pause in data.draw(st.lists(st.tuples(st.integers(1, 25), st.floats(0, 40)), max_size=4)):
            site.attempt(kill)
            site.wait(pause)
        final = site.attempt(None)
        assert final is not None
        once = site.attempt(None)
        assert once is not None
        assert once.outcomes.keys() == final.outcomes.keys()
        if final.complete:
            site.check(final)
        begun = Counter((t.uuid, t.source, t.destination) for t in site.simulation.transfers if t.error is None)
        assert begun <= Counter((s.uuid, s.source, s.destination) for s in made.steps)
        assert all(len(found) == 1 for found in truth(site.simulation).values())


KILLED_AFTER = """
import os, signal, sys
from contextlib import contextmanager
from rebalancer.execution.journal.database import Database
from rebalancer.cli import run

writes, original = 0, Database.write

@contextmanager
def write(database):
    global writes
    with original(database) as connection:
        yield connection
    writes += 1
    if writes == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

Database.write = write
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.parametrize("writes", [2, 3, 5, 9, 14])
def test_killed_with_sigkill_in_a_process_of_its_own(tmp_path: Path, writes: int) -> None:
    folder = copy_example(tmp_path / "example", speed=100)
    before = parse_snapshot((folder / "world.yaml").read_text("utf-8"), "world.yaml")

    def rebalance(*start: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *start, "-i", "inventory.yaml", "--journal", "journal.sqlite"],
            cwd=folder,
            env={**os.environ, "COLUMNS": "80"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    killed = rebalance("-c", KILLED_AFTER, str(writes), "apply", "-p", "./policy.yaml", "--yes")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = rebalance("-m", "rebalancer", "resume", "--format", "json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["complete"]
    after = parse_snapshot((folder / "world.yaml").read_text("utf-8"), "world.yaml")
    assert sorted(d.uuid for d in after.domains) == sorted(d.uuid for d in before.domains)
    assert {d.state for d in after.domains} == {d.state for d in before.domains}
    with Journal(folder / "journal.sqlite") as journal:
        record = journal.run(1)
        assert {s.uuid: s.destination for s in record.steps}.items() <= {d.uuid: d.host for d in after.domains}.items()
        assert sum(s.attempts for s in record.steps) <= len(record.steps) + 1
