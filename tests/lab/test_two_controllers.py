"""Two controllers with overlapping plans and one journal in PostgreSQL, on real hosts."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from rebalancer.execution import Journal, RunState
from tests.execution.test_postgresql import assert_apart
from tests.postgresql import server, skip_or_fail_without_postgresql

from .cluster import Lab
from .commands import Rebalance, assert_each_runs_once, capacity
from .guest import Guest


def test_no_host_is_touched_by_both_at_once_and_both_end_well(
    clean_lab: Lab, prepare: Callable[..., Rebalance]
) -> None:
    """One moves a guest from h1 to h2, the other one from h3 to h2: the second is told who has h2, and tries again."""
    skip_or_fail_without_postgresql()
    rebalance = prepare(capacity=capacity(3))
    guests = [clean_lab.start_guest(clean_lab[host], f"from-{host}", 64) for host in ("h1", "h3")]
    with server() as url:
        first, second = (start(rebalance, guest, url) for guest in guests)
        refusals = []
        processes = {guests[0].name: first, guests[1].name: second}
        deadline = time.monotonic() + 120
        while processes and time.monotonic() < deadline:
            for guest in guests:
                process = processes.get(guest.name)
                if process is None or process.poll() is None:
                    continue
                said = "".join(process.communicate())
                assert "Traceback" not in said
                if process.returncode == 0:
                    del processes[guest.name]
                else:
                    assert process.returncode == 1, said
                    refusals.append(said)
                    processes[guest.name] = start(rebalance, guest, url)
            time.sleep(0.1)
        assert not processes, refusals
        with Journal(url) as journal:
            records = [journal.run(run.id) for run in journal.list_runs()]
            assert journal.leases() == ()
    assert [record.summary.state for record in records] == [RunState.COMPLETE] * 2
    assert_apart(*records)
    assert refusals
    assert all("h2" in said and "since" in said for said in refusals)
    assert [clean_lab.where(guest) for guest in guests] == [{"h2": "running"}] * 2
    assert_each_runs_once(clean_lab, guests)


def start(rebalance: Rebalance, guest: Guest, url: str) -> subprocess.Popen[str]:
    policy = rebalance.policy(guest.name, f"rules:\n  - pin: {{select: \"name == '{guest.name}'\", hosts: [h2]}}\n")
    return rebalance.start("apply", "-p", policy, "--yes", "--journal", url)
