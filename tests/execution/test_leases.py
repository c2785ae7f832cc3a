from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rebalancer.execution import HostsHeldError, Journal, RunLostError
from rebalancer.execution.journal import leases as module
from rebalancer.execution.journal.controller import Controller
from tests.execution.worlds import cluster, domain, step

WORLD = cluster(["h1", "h2", "h3", "h4"], [domain("a", "h1"), domain("b", "h3"), domain("c", "h2")])
A = step(WORLD, 1, "a", "h1", "h2")
B = step(WORLD, 1, "b", "h3", "h4")
C = step(WORLD, 1, "c", "h2", "h3")


def elsewhere(who: str) -> Controller:
    """A controller on a machine of which nothing can be known here."""
    return Controller(who=f"{who}@{who}", machine=who, process=4711, birth="boot pid:[1] 99")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def two(path: Path) -> Iterator[tuple[Journal, Journal]]:
    with (
        Journal(path, controller=elsewhere("first")) as first,
        Journal(path, controller=elsewhere("second")) as second,
    ):
        yield first, second


def tokens(journal: Journal) -> dict[str, int]:
    return {lease.host: lease.token for lease in journal.leases()}


def test_a_run_holds_its_hosts_until_its_end(two: tuple[Journal, Journal]) -> None:
    first, second = two
    run = first.start_run("{}", "lab", [A])
    assert {lease.host: lease.run for lease in second.leases()} == {"h1": run, "h2": run}
    first.finish_run(run, complete=True)
    assert second.leases() == ()


def test_the_second_learns_who_holds_what_since_when(two: tuple[Journal, Journal]) -> None:
    first, second = two
    run = first.start_run("{}", "lab", [A])
    with pytest.raises(HostsHeldError) as caught:
        second.start_run("{}", "lab", [C])
    (lease,) = caught.value.leases
    assert (lease.host, lease.run) == ("h2", run)
    said = str(caught.value)
    assert said.startswith(f"h2 is held by run {run} of first@first (process 4711) since 20")
    assert f"rebalance cancel {run}" in said
    assert [summary.id for summary in second.list_runs()] == [run]
    assert set(tokens(second)) == {"h1", "h2"}


def test_runs_on_other_hosts_do_not_wait(two: tuple[Journal, Journal]) -> None:
    first, second = two
    first.start_run("{}", "lab", [A])
    second.start_run("{}", "lab", [B])
    assert set(tokens(first)) == {"h1", "h2", "h3", "h4"}


def test_a_token_grows_with_every_holder(two: tuple[Journal, Journal]) -> None:
    first, second = two
    first.finish_run(first.start_run("{}", "lab", [A]), complete=True)
    second.start_run("{}", "lab", [A])
    assert tokens(first) == {"h1": 2, "h2": 2}


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEASE", 0.0)


@pytest.mark.usefixtures("_short")
def test_a_lease_that_was_not_renewed_gives_way_and_the_first_learns_of_it(two: tuple[Journal, Journal]) -> None:
    first, second = two
    run = first.start_run("{}", "lab", [A])
    second.start_run("{}", "lab", [C])
    with pytest.raises(RunLostError, match="h2: the lease was lost to another run"):
        first.intent(run, A, {})
    assert first.run(run).steps[0].state.value == "planned"


def test_a_run_is_taken_over_and_its_first_controller_writes_no_more(
    two: tuple[Journal, Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two
    monkeypatch.setattr(module, "LEASE", 0.0)
    run = first.start_run("{}", "lab", [A])
    second.take_over(run)
    for write in (
        lambda: first.intent(run, A, {}),
        lambda: first.event(run, "rates"),
        lambda: first.renew(run),
        lambda: first.finish_run(run, complete=True),
    ):
        with pytest.raises(RunLostError, match="taken over by second@second"):
            write()
    second.intent(run, A, {})
    assert second.run(run).steps[0].attempts == 1


def test_a_run_that_goes_on_is_not_taken_over(two: tuple[Journal, Journal]) -> None:
    first, second = two
    run = first.start_run("{}", "lab", [A])
    with pytest.raises(HostsHeldError, match="h1 and h2 are held"):
        second.take_over(run)


def test_a_dead_process_of_this_machine_gives_way_at_once(path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        living = Controller.this_process()
        from rebalancer.execution.journal.controller import _birth

        doomed = replace(living, process=process.pid, birth=_birth(process.pid), id="doomed")
        with Journal(path, controller=doomed) as first, Journal(path) as second:
            run = first.start_run("{}", "lab", [A])
            with pytest.raises(HostsHeldError):
                second.take_over(run)
            process.kill()
            process.wait()
            assert second.leases(run) == ()
            second.take_over(run)
            assert len(second.leases(run)) == 2


def test_asking_a_run_to_stop_is_heard_and_never_taken_back(two: tuple[Journal, Journal]) -> None:
    first, second = two
    run = first.start_run("{}", "lab", [A])
    second.request_stop(run, 2)
    second.request_stop(run, 1)
    assert first.stop_requested(run) == 2
    assert [event.detail for event in first.run(run).events if event.kind == "stop requested"] == [
        {"level": 2, "who": "second@second"},
        {"level": 2, "who": "second@second"},
    ]
