"""Several controllers and one journal in PostgreSQL, on simulated hosts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rebalancer_simulator import SimulatedHosts, Simulation
from rebalancer_simulator.clock import ScaledClock

from rebalancer.errors import RunError
from rebalancer.execution import Journal, RunRecord, RunState, execute
from rebalancer.execution.journal.controller import Controller
from rebalancer.execution.journal.leases import HostsHeldError
from rebalancer.plan.model import Plan
from tests.execution.worlds import GB, cluster, domain, plan, step, uuid
from tests.postgresql import server, skip_or_fail_without_postgresql

SPEED = 100.0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    skip_or_fail_without_postgresql()
    with server() as found:
        yield found


WORLD = cluster(
    ["h1", "h2", "h3", "h4"],
    [
        domain(name, host, memory=2 * GB)
        for name, host in zip("abcdef", ["h1", "h1", "h2", "h2", "h3", "h3"], strict=True)
    ],
)


def controller(name: str) -> Controller:
    return replace(Controller.this_process(), id=name, who=f"{name}@test")


class Operator(threading.Thread):
    """Applies a plan; while somebody else has one of its hosts, waits and tries again."""

    def __init__(self, url: str, name: str, made: Plan, hosts: SimulatedHosts) -> None:
        super().__init__(name=name)
        self.refusals: list[str] = []
        self.complete = False
        self._url, self._made, self._hosts = url, made, hosts

    def run(self) -> None:
        with Journal(self._url, controller=controller(self.name)) as journal:
            for _ in range(600):
                try:
                    result = execute(
                        self._made,
                        self._hosts.simulation.seen(),
                        self._hosts,
                        journal,
                        clock=self._hosts.clock(),
                        plan_text="{}",
                    )
                except HostsHeldError as error:
                    self.refusals.append(str(error))
                    time.sleep(0.1)
                else:
                    self.complete = result.complete
                    return


def test_no_host_is_touched_by_two_controllers_at_once_and_both_end_well(url: str) -> None:
    hosts = SimulatedHosts(Simulation(WORLD), ScaledClock(SPEED))
    first = plan(WORLD, step(WORLD, 1, "a", "h1", "h2"), step(WORLD, 2, "b", "h1", "h3", after=["s1"]))
    second = plan(WORLD, step(WORLD, 1, "c", "h2", "h4"), step(WORLD, 2, "e", "h3", "h4", after=["s1"]))
    operators = [Operator(url, "one", first, hosts), Operator(url, "two", second, hosts)]
    for operator in operators:
        operator.start()
    for operator in operators:
        operator.join(120)
    assert [operator.complete for operator in operators] == [True, True]
    places = {seen.uuid: seen.host for seen in hosts.simulation.settled().domains}
    moved = {"a": "h2", "b": "h3", "c": "h4", "d": "h2", "e": "h4", "f": "h3"}
    assert places == {uuid(name): host for name, host in moved.items()}
    (refusals,) = [operator.refusals for operator in operators if operator.refusals]
    assert "h2" in refusals[0]
    assert "@test" in refusals[0]
    with Journal(url) as journal:
        records = [journal.run(run.id) for run in journal.list_runs()]
        assert [record.summary.state for record in records] == [RunState.COMPLETE] * 2
        assert_apart(*records)
        assert journal.leases() == ()


def assert_apart(one: RunRecord, other: RunRecord) -> None:
    """No host has events of one run between events of the other."""
    for host in ("h1", "h2", "h3", "h4"):
        spans = []
        for record in (one, other):
            steps = {s.step for s in record.steps if host in (s.source, s.destination)}
            times = [event.time for event in record.events if event.step in steps]
            spans += [(min(times), max(times))] if times else []
        if len(spans) == 2:
            (began, ended), (began_other, ended_other) = spans
            assert ended <= began_other or ended_other <= began, (host, spans)


def test_a_journal_may_be_opened_by_many_at_once_for_the_first_time() -> None:
    skip_or_fail_without_postgresql()
    opened, failed = [], []

    def open_it(url: str) -> None:
        try:
            with Journal(url) as journal:
                opened.append(journal.list_runs())
        except RunError as error:
            failed.append(str(error))

    with server() as fresh:
        threads = [threading.Thread(target=open_it, args=(fresh,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert failed == []
    assert opened == [()] * 6


def test_who_has_a_host_is_said(url: str) -> None:
    made = plan(WORLD, step(WORLD, 1, "a", "h1", "h2"))
    with Journal(url, controller=controller("alive")) as journal:
        number = journal.start_run("{}", "test", made.steps)
        with Journal(url, controller=controller("other")) as theirs:
            with pytest.raises(RunError, match="alive@test"):
                theirs.start_run("{}", "test", made.steps)
            assert len(theirs.leases(number)) == 2
        journal.finish_run(number, complete=False)


def test_intents_are_durable_and_counted_once(url: str) -> None:
    made = plan(WORLD, step(WORLD, 1, "a", "h1", "h2"))
    with Journal(url, controller=controller("alive")) as journal:
        number = journal.start_run("{}", "test", made.steps)
        journal.intent(number, made.steps[0], {"live": True})
        with Journal(url, controller=controller("reader")) as reader:
            (known,) = reader.run(number).steps
            assert (known.state, known.attempts) == ("intended", 1)
        journal.finish_run(number, complete=False)
