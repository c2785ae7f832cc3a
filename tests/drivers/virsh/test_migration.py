"""A migration as its thread sees it; what real hosts do is in tests/lab."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest
from rebalancer_virsh.connection import VirshConnection
from rebalancer_virsh.migration import VirshMigration

from rebalancer.cluster import Domain
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import DriverHost, MigrationOptions
from rebalancer.errors import HostUnreachable, MigrationFailed, Unsupported
from tests.drivers.virsh.fake import ALPHA, Answer, FakeCommand, FakeTransport, host_answers, saved

MIB = 2**20
DOMAIN = Domain(name="alpha", uuid=ALPHA, host="h1")
H2 = DriverHost(name="h2", address="10.0.0.2", peer="qemu+tcp://h2/system")
COMPLETED = f"domjobinfo --completed --keep-completed --rawstats {ALPHA}"
JOB = f"domjobinfo --rawstats {ALPHA}"
GONE = {"list --all --uuid": "", f"domname {ALPHA}": f"error: failed to get domain '{ALPHA}'"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_LOOK_EVERY": 0.02, "_STEP": 0.005, "_RECONNECT_EVERY": 0.02}.items():
        monkeypatch.setattr(f"rebalancer_virsh.migration.{name}", value)


def begin(
    changes: Mapping[str, Answer] | None = None, options: MigrationOptions | None = None
) -> tuple[VirshMigration, FakeTransport]:
    transport = FakeTransport({**host_answers(), **(changes or {})})
    connection = VirshConnection(DriverHost(name="h1"), transport, [])
    migration = connection.migrate(DOMAIN, H2, options or MigrationOptions())
    assert isinstance(migration, VirshMigration)
    return migration, transport


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_success_is_told_in_the_hypervisors_numbers() -> None:
    migration, transport = begin({COMPLETED: saved("jobinfo-completed-raw.txt")})
    eventually(lambda: migration.progress().iteration == 719)
    assert not migration.done()
    transport.command.end()
    outcome = migration.result()
    assert migration.done()
    assert (outcome.duration, outcome.downtime, outcome.transferred) == (798.163, 0.542, 2505599059)
    assert [started[:4] for started in transport.started] == [("migrate", "--p2p", "--domain", ALPHA)]


def test_a_success_without_numbers_is_timed_here() -> None:
    migration, transport = begin()
    eventually(lambda: migration.progress().processed is not None)
    transport.command.end()
    outcome = migration.result()
    assert 0 < outcome.duration < 5
    assert (outcome.downtime, outcome.transferred) == (None, 2498741259)


def test_a_failure_is_told_in_libvirts_words() -> None:
    migration, transport = begin({JOB: "Job type: 0"})
    transport.answers[f"domjobinfo {ALPHA}"] = "Job type: None"
    transport.command.end(1, "error: operation failed: domain 'alpha' already exists\n")
    with pytest.raises(MigrationFailed, match="h1: operation failed: domain 'alpha' already exists"):
        migration.result()


def test_a_destination_without_memory_is_told_with_figures() -> None:
    migration, transport = begin({JOB: "Job type: 0", "nodememstats": "total  : 100000 KiB\nfree   : 1024 KiB\n"})
    transport.answers[f"domjobinfo {ALPHA}"] = "Job type: None"
    transport.command.end(1, "error: internal error: process exited while connecting to monitor\n")
    with pytest.raises(MigrationFailed, match=r"h2 ended the process of 'alpha' .*: 1 MiB are free there.*monitor\)$"):
        migration.result()


def test_the_old_form_of_job_information_is_understood() -> None:
    migration, transport = begin(
        {
            JOB: "error: command 'domjobinfo' doesn't support option --rawstats",
            f"domjobinfo {ALPHA}": saved("jobinfo-running.txt"),
        }
    )
    eventually(lambda: migration.progress().iteration == 698)
    transport.command.end()
    migration.result()


def test_a_cap_is_set_once_there_is_a_job_and_taken_back_after_a_failure() -> None:
    job = ["Job type: 0"]
    migration, transport = begin({JOB: lambda: job[0], f"migrate-setspeed {ALPHA} 20": ""})
    transport.answers[f"migrate-setspeed {ALPHA} 8796093022207"] = ""
    migration.set_bandwidth(BytesPerSecond(20.9 * MIB))
    eventually(lambda: transport.asked.count(JOB) > 2)
    assert f"migrate-setspeed {ALPHA} 20" not in transport.asked, "it would be the domain's"
    job[0] = "Job type: 2\n\noperation: 5\ntime_elapsed: 100\n"
    seen = transport.asked.count(JOB)
    eventually(lambda: transport.asked.count(JOB) > seen + 2)
    assert f"migrate-setspeed {ALPHA} 20" not in transport.asked, "the cap that it starts with would undo it"
    job[0] = saved("jobinfo-running-raw.txt").decode()
    eventually(lambda: f"migrate-setspeed {ALPHA} 20" in transport.asked)
    time.sleep(0.1)
    assert transport.asked.count(f"migrate-setspeed {ALPHA} 20") == 1
    transport.command.end(1, "error: x")
    with pytest.raises(MigrationFailed):
        migration.result()
    assert f"migrate-setspeed {ALPHA} 8796093022207" in transport.asked


STATE = f"domstate {ALPHA} --reason"
DISKS_BACK = [f"suspend {ALPHA}", f"resume {ALPHA}"]


def test_a_guest_that_went_on_by_itself_gets_its_disks_back_after_a_failure() -> None:
    migration, transport = begin(dict.fromkeys(DISKS_BACK, ""))
    eventually(lambda: bool(transport.started))
    assert not set(DISKS_BACK) & set(transport.asked)
    transport.answers[STATE] = "running (unpaused)"
    transport.command.end(1, "error: internal error: client socket is closed")
    with pytest.raises(MigrationFailed):
        migration.result()
    assert transport.asked[-2:] == DISKS_BACK


def test_a_guest_whose_last_migration_nobody_saw_end_gets_its_disks_back_before_the_next() -> None:
    migration, transport = begin({STATE: "running (unpaused)", **dict.fromkeys(DISKS_BACK, "")})
    eventually(lambda: bool(transport.started))
    assert [command for command in transport.asked if command in DISKS_BACK] == DISKS_BACK
    transport.command.end()
    migration.result()


def test_a_guest_that_cannot_be_let_go_on_is_not_migrated() -> None:
    refused = {DISKS_BACK[0]: "", DISKS_BACK[1]: "error: x"}
    migration, transport = begin({STATE: "running (unpaused)", **refused})
    with pytest.raises(MigrationFailed, match=r"stands still, and cannot be let go on"):
        migration.result()
    assert not transport.started


def test_a_guest_that_still_migrates_is_not_made_to_stand_still() -> None:
    migration, transport = begin(dict.fromkeys(DISKS_BACK, ""))
    eventually(lambda: bool(transport.started))
    transport.answers |= {STATE: "running (unpaused)", f"domjobinfo {ALPHA}": saved("jobinfo-running.txt")}
    migration._take_disks_back()
    assert not set(DISKS_BACK) & set(transport.asked)
    transport.answers |= GONE
    transport.command.end()
    migration.result()


def test_a_cap_holds_in_post_copy_too() -> None:
    caps = {f"migrate-setspeed {ALPHA} 20", f"migrate-setspeed --postcopy {ALPHA} 20"}
    migration, transport = begin(dict.fromkeys(caps, ""), MigrationOptions(post_copy=True))
    migration.set_bandwidth(BytesPerSecond(20.0 * MIB))
    eventually(lambda: caps <= set(transport.asked))
    transport.command.end()
    migration.result()


def test_what_fails_is_asked_again() -> None:
    answers = iter(["error: busy", "error: busy", ""])
    migration, transport = begin({f"domjobabort {ALPHA}": lambda: next(answers, "")})
    migration.cancel()
    eventually(lambda: transport.asked.count(f"domjobabort {ALPHA}") == 3)
    transport.command.end(1, "error: operation aborted: migration job: canceled by client")
    with pytest.raises(MigrationFailed, match="canceled by client"):
        migration.result()


def test_a_downtime_that_is_refused_before_is_set_during_the_migration() -> None:
    command = f"migrate-setmaxdowntime {ALPHA} 250"
    answers = iter(["error: domain is not being migrated", "", ""])
    migration, transport = begin({command: lambda: next(answers)}, MigrationOptions(max_downtime=Seconds(0.25)))
    eventually(lambda: transport.asked.count(command) == 2)
    transport.command.end()
    migration.result()


def test_pause_and_post_copy() -> None:
    migration, transport = begin(
        {f"suspend {ALPHA}": "", f"migrate-postcopy {ALPHA}": ""}, MigrationOptions(post_copy=True)
    )
    migration.pause()
    migration.start_post_copy()
    eventually(lambda: {f"suspend {ALPHA}", f"migrate-postcopy {ALPHA}"} <= set(transport.asked))
    transport.command.end()
    migration.result()


def test_post_copy_needs_to_be_allowed_beforehand() -> None:
    migration, transport = begin()
    with pytest.raises(Unsupported, match="started without it"):
        migration.start_post_copy()
    with pytest.raises(Unsupported, match="below 1 MiB/s"):
        migration.set_bandwidth(BytesPerSecond(0))
    transport.command.end()
    migration.result()


def test_a_domain_that_is_not_there_is_not_migrated() -> None:
    migration, transport = begin(GONE)
    with pytest.raises(MigrationFailed, match="has no domain"):
        migration.result()
    assert not transport.started


# Lost connections


def test_lost_and_gone_from_the_source_has_moved() -> None:
    migration, transport = begin()
    eventually(lambda: bool(transport.started))
    # First the source does not list it, then the destination tells its name.
    transport.answers.update({"list --all --uuid": "", f"domname {ALPHA}": "alpha"})
    transport.command.lose()
    migration.result()


def test_lost_and_still_there_without_a_job_has_failed() -> None:
    migration, transport = begin({JOB: "Job type: 0"})
    eventually(lambda: bool(transport.started))
    transport.command.lose()
    with pytest.raises(MigrationFailed, match="the connection was lost"):
        migration.result()


def test_lost_while_it_goes_on_is_followed_to_its_end() -> None:
    migration, transport = begin({f"domjobinfo {ALPHA}": saved("jobinfo-running.txt")})
    eventually(lambda: bool(transport.started))
    transport.command.lose()
    time.sleep(0.1)
    assert not migration.done()
    transport.answers[f"domjobabort {ALPHA}"] = ""
    migration.cancel()
    eventually(lambda: f"domjobabort {ALPHA}" in transport.asked)
    transport.answers[f"domjobinfo {ALPHA}"] = "Job type: None"
    with pytest.raises(MigrationFailed):
        migration.result()


def test_a_post_copy_whose_connection_broke_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rebalancer_virsh.migration._STUCK", 0.05)
    migration, transport = begin({f"domjobabort --postcopy {ALPHA}": ""}, MigrationOptions(post_copy=True))
    eventually(lambda: migration.progress().remaining is not None)
    transport.answers[f"domjobinfo {ALPHA}"] = "Job type: Unbounded\nOperation: Outgoing migration"
    transport.answers[f"domstate {ALPHA} --reason"] = "paused (post-copy failed)"
    broken, transport.command = transport.command, FakeCommand()
    broken.end(1, "error: internal error: client socket is closed")
    eventually(lambda: len(transport.started) == 2)
    again, transport.command = transport.command, FakeCommand()
    again.end(1, "error: migration of domain alpha is being actively monitored by another thread")
    eventually(lambda: len(transport.started) == 3)
    transport.command.end()
    assert migration.result().duration > 0
    assert [arguments[-1] for arguments in transport.started[1:]] == ["--postcopy-resume"] * 2
    assert transport.asked.count(f"domjobabort --postcopy {ALPHA}") == 2


def test_a_host_that_stays_away_leaves_it_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rebalancer_virsh.migration._RECONNECT_FOR", 0.1)
    migration, transport = begin()
    eventually(lambda: bool(transport.started))
    transport.answers["list --all --uuid"] = HostUnreachable("h1", "no route to host")
    transport.command.lose()
    with pytest.raises(HostUnreachable, match=r"whether .* moved is not known: .*; no route to host"):
        migration.result()


def test_a_transient_domain_that_crashed_has_not_moved() -> None:
    migration, transport = begin()
    eventually(lambda: bool(transport.started))
    transport.answers.update(GONE)
    transport.command.end(1, "error: operation failed: domain is not running\n")
    with pytest.raises(MigrationFailed, match="no longer there, and not on the destination either"):
        migration.result()


def test_closing_the_connection_ends_the_watch() -> None:
    transport = FakeTransport(host_answers())
    connection = VirshConnection(DriverHost(name="h1"), transport, [])
    migration = connection.migrate(DOMAIN, H2, MigrationOptions())
    eventually(lambda: bool(transport.started))
    connection.close()
    with pytest.raises(HostUnreachable, match=r"whether .* moved is not known"):
        migration.result()
