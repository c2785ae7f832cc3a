from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rebalancer_virsh import VirshDriver
from rebalancer_virsh.connection import VirshConnection

from rebalancer.cluster import DomainState
from rebalancer.cluster.units import Seconds
from rebalancer.drivers import DriverHost, ReadOptions
from rebalancer.errors import HostAnswerInvalid, HostError, MigrationFailed
from tests.drivers.virsh.fake import ALPHA, Answer, FakeTransport, host_answers, saved

QUICK = ReadOptions(sample=Seconds(0))
HOST = DriverHost(name="h1", address="10.0.0.1")
OTHER = "7d0e85ba-2118-4f16-866e-915f206f88e6"


def connection(changes: Mapping[str, Answer] | None = None) -> tuple[VirshConnection, FakeTransport]:
    transport = FakeTransport({**host_answers(), **(changes or {})})
    return VirshConnection(HOST, transport, []), transport


# Reading


def test_a_host_is_read_in_three_trips() -> None:
    opened, transport = connection()
    host, (domain,) = opened.read(QUICK)
    assert transport.trips == 3
    assert host.name == "h1"
    assert host.capacity == {"cpu": 2.0, "memory": pytest.approx(host.capacity["memory"])}
    assert host.offers["network"] == {"default", "br prod"}
    assert host.offers["pool"] == frozenset()
    assert host.offers["bridge"] == {"eth0"}
    assert {"qemu64 (emulated)", "kvm64", "host-passthrough:kvm64"} <= host.offers["cpu_model"]
    assert "qemu64" not in host.offers["cpu_model"], "not usable with this host's KVM"
    assert host.migration == opened.capabilities()
    assert (domain.name, domain.uuid, domain.state, domain.persistent) == ("alpha", ALPHA, DomainState.RUNNING, False)
    assert domain.missing_on(host) == ()


def test_rates_come_from_two_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = f"domstats --raw --state --cpu-total --balloon --interface --block --nowait {ALPHA}"
    counters = iter(["1000000000", "1500000000"])
    opened, _ = connection(
        {stats: lambda: f"Domain: 'a'\n  state.state=1\n  cpu.time={next(counters)}\n  balloon.rss=40960\n"}
    )
    now = iter([100.0, 101.0, 102.0])
    slept: list[float] = []
    monkeypatch.setattr("rebalancer_virsh.connection.time.monotonic", lambda: next(now))
    monkeypatch.setattr("rebalancer_virsh.connection.time.sleep", slept.append)
    (domain,) = opened.read(ReadOptions(sample=Seconds(1.0)))[1]
    assert domain.uses["cpu"] == 0.5
    assert domain.migration.memory == 10 * 2**20
    assert slept == [1.0]


def test_dirty_rates_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    status = iter(["1", "1", "2"])
    opened, transport = connection(
        {
            f"domdirtyrate-calc {ALPHA} --seconds 2": "Start to calculate domain's memory dirty rate successfully.\n",
            f"domstats --raw --dirtyrate {ALPHA}": lambda: (
                f"Domain: 'a'\n  dirtyrate.calc_status={next(status)}\n  dirtyrate.megabytes_per_second=58\n"
            ),
        }
    )
    monkeypatch.setattr("rebalancer_virsh.connection.time.sleep", lambda _: None)
    (domain,) = opened.read(ReadOptions(sample=Seconds(1), dirty_rate=Seconds(2)))[1]
    assert domain.migration.dirty_rate == 58 * 2**20
    assert transport.asked.count(f"domstats --raw --dirtyrate {ALPHA}") == 3


def test_hosts_without_statistics_count_cpu_time_by_dominfo(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = f"domstats --raw --state --cpu-total --balloon --interface --block --nowait {ALPHA}"
    seconds = iter(["5.0s", "7.0s"])
    opened, _ = connection(
        {
            stats: "error: this function is not supported by the connection driver",
            f"dominfo {ALPHA}": lambda: f"State:          running\nCPU time:       {next(seconds)}\n",
        }
    )
    now = iter([0.0, 4.0])
    monkeypatch.setattr("rebalancer_virsh.connection.time.monotonic", lambda: next(now))
    monkeypatch.setattr("rebalancer_virsh.connection.time.sleep", lambda _: None)
    (domain,) = opened.read(ReadOptions())[1]
    assert domain.uses["cpu"] == 0.5


def test_a_domain_that_goes_while_it_is_read_is_left_out() -> None:
    gone = f"error: failed to get domain '{OTHER}'"
    names = ("dominfo", "dumpxml", "domstats --raw --state --cpu-total --balloon --interface --block --nowait")
    opened, _ = connection({"list --all --uuid": f"{OTHER}\n{ALPHA}\n", **{f"{name} {OTHER}": gone for name in names}})
    assert [domain.uuid for domain in opened.read(QUICK)[1]] == [ALPHA]


def test_what_a_host_does_not_have_is_unknown_rather_than_nothing() -> None:
    error = "error: this function is not supported by the connection driver"
    kinds = {"network": "net-list --name", "pool": "pool-list --name", "bridge": "nodedev-list --cap net"}
    models = [f"domcapabilities --virttype {kind}" for kind in ("kvm", "qemu")]
    opened, _ = connection({**dict.fromkeys([*kinds.values(), *models], error)})
    host, _ = opened.read(QUICK)
    assert not {"network", "pool", "bridge", "cpu_model"} & set(host.offers)


def test_snapshots_forbid_and_checkpoints_may_be_unknown() -> None:
    opened, _ = connection(
        {"list --all --with-snapshot --uuid": ALPHA, "list --all --with-checkpoint --uuid": "error: unknown option"}
    )
    (domain,) = opened.read(QUICK)[1]
    assert domain.migration.reason == "it has snapshots or checkpoints, which libvirt does not migrate"


@pytest.mark.parametrize(
    ("command", "answer", "says"),
    [
        ("capabilities", "garbage", "did not answer XML"),
        ("capabilities", "<!DOCTYPE x [<!ENTITY a 'b'>]><capabilities>&a;</capabilities>", "DOCTYPE"),
        ("capabilities", "error: access denied", "'capabilities' failed: access denied"),
        ("nodeinfo", "nothing of use", "answered without CPUs or memory: nothing of use"),
        ("list --all --uuid", "alpha\n", "'alpha' is not a UUID"),
        ("list --all --uuid", "error: x", "'list --all --uuid' failed: x"),
        (f"dumpxml {ALPHA}", "<x/>", "root <x> in place of <domain>"),
        (f"dumpxml {ALPHA}", "error: cannot acquire state change lock", "state change lock"),
        ("pool-list --type netfs,gluster,rbd,iscsi,iscsi-direct,sheepdog,vstorage --uuid", "a; b", "is not a UUID"),
        ("domcapabilities --virttype kvm", "<domainCapabilities><cpu>", "did not answer XML"),
    ],
)
def test_garbage_is_said_in_one_line(command: str, answer: str, says: str) -> None:
    opened, _ = connection({command: answer})
    with pytest.raises(HostAnswerInvalid, match=says) as caught:
        opened.read(QUICK)
    assert str(caught.value).startswith("h1: ")
    assert str(caught.value).isprintable()


def test_names_of_network_devices_that_are_no_words_are_not_asked_for() -> None:
    opened, transport = connection({"nodedev-list --cap net": "net_a; destroy\nnet_vnet0_fe\n$(x)\n"})
    host, _ = opened.read(QUICK)
    assert host.offers["bridge"] == frozenset()
    assert not any(command.startswith("nodedev-dumpxml") for command in transport.asked)


@given(st.sampled_from(sorted(host_answers())), st.binary(max_size=200))
def test_no_answer_makes_another_error(command: str, answer: bytes) -> None:
    opened, _ = connection({command: answer})
    try:
        opened.read(QUICK)
        opened.find(ALPHA)
    except HostError as error:
        assert str(error).isprintable()  # noqa: PT017 - most answers are errors, some are not


# Finding


@pytest.mark.parametrize(
    ("state", "job", "expected"),
    [
        ("running (booted)", "Job type: None", (DomainState.RUNNING, False)),
        ("running (booted)", saved("jobinfo-running.txt").decode(), (DomainState.RUNNING, True)),
        ("running (booted)", "Job type: Unbounded\nOperation: Save", (DomainState.RUNNING, False)),
        (
            "paused (starting up)",
            "error: Operation not supported: migration statistics are available only on the source host",
            (DomainState.PAUSED, True),
        ),
        ("paused (migrating)", "error: this function is not supported by x", (DomainState.PAUSED, True)),
        ("paused (migrating)", "Job type: None", (DomainState.PAUSED, False)),
        ("paused (user)", "error: x", (DomainState.PAUSED, False)),
        ("shut off (destroyed)", "error: Requested operation is not valid", (DomainState.SHUT_OFF, False)),
    ],
)
def test_a_domain_is_found_in_its_state(state: str, job: str, expected: tuple[DomainState, bool]) -> None:
    opened, transport = connection({f"domstate {ALPHA} --reason": state, f"domjobinfo {ALPHA}": job})
    seen = opened.find(ALPHA.upper())
    assert seen is not None
    assert (seen.name, seen.state, seen.migrating) == ("alpha", *expected)
    assert transport.trips == 1


@pytest.mark.parametrize(
    ("state", "taken_back"),
    [("running (migration canceled)", True), ("running (migrated)", False), ("running (unpaused)", False)],
)
def test_what_its_source_has_taken_back_is_told(state: str, taken_back: bool) -> None:
    opened, _ = connection({f"domstate {ALPHA} --reason": state})
    seen = opened.find(ALPHA)
    assert seen is not None
    assert seen.taken_back is taken_back


@pytest.mark.parametrize(
    ("state", "job", "held"),
    [
        ("paused (migrating)", "Job type: None", True),
        ("paused (migrating)", "Job type: Failed", True),
        ("paused (migrating)", saved("jobinfo-running.txt").decode(), False),
        ("paused (user)", "Job type: None", False),
        ("running (unpaused)", "Job type: None", False),
    ],
)
def test_what_its_source_holds_is_told(state: str, job: str, held: bool) -> None:
    opened, _ = connection({f"domstate {ALPHA} --reason": state, f"domjobinfo {ALPHA}": job})
    seen = opened.find(ALPHA)
    assert seen is not None
    assert seen.held is held


@pytest.mark.parametrize(("then", "goes_on"), [("running (unpaused)", True), ("paused (migrating)", False)])
def test_what_is_held_may_go_on_by_itself_as_it_is_let_go_on(then: str, goes_on: bool) -> None:
    states = iter(["paused (migrating)", then])
    refused = {f"resume {ALPHA}": "error: Requested operation is not valid: domain is already running"}
    opened, _ = connection({f"domstate {ALPHA} --reason": lambda: next(states), **refused})
    with nullcontext() if goes_on else pytest.raises(MigrationFailed, match="already running"):
        opened.unpause(ALPHA)


def test_a_domain_that_is_not_there() -> None:
    opened, _ = connection()
    assert opened.find(OTHER) is None
    gone, _ = connection({f"domname {ALPHA}": f"error: failed to get domain '{ALPHA}'"})
    assert gone.find(ALPHA) is None


def test_what_is_no_uuid_cannot_be_looked_for() -> None:
    opened, transport = connection()
    with pytest.raises(HostAnswerInvalid, match="is not a UUID"):
        opened.find("a; destroy b")
    assert not transport.asked


def test_closing_closes_the_transport() -> None:
    opened, transport = connection()
    opened.close()
    assert transport.closed


# libvirt's own test driver, through the real virsh


@pytest.mark.skipif(shutil.which("virsh") is None, reason="there is no virsh on this machine")
def test_a_real_virsh() -> None:
    driver = VirshDriver()
    opened = driver.connect(DriverHost(name="here", uri="test:///default"))
    host, (domain,) = opened.read(ReadOptions(sample=Seconds(0.01)))
    assert host.capacity == {"cpu": 16.0, "memory": 3 * 2**30}
    assert not any((host.migration.live, host.migration.offline, host.migration.rename))
    assert (domain.name, domain.state, domain.uses["memory"]) == ("test", DomainState.RUNNING, 8 * 2**30)
    seen = opened.find(domain.uuid)
    assert seen is not None
    assert (seen.name, seen.migrating) == ("test", False)
    assert opened.find(OTHER) is None
    opened.close()


def test_dirty_rates_over_two_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    started = "Start to calculate domain's memory dirty rate successfully.\n"
    measured = iter([32, 8])
    opened, _ = connection(
        {
            f"domdirtyrate-calc {ALPHA} --seconds 1": started,
            f"domdirtyrate-calc {ALPHA} --seconds 5": started,
            f"domstats --raw --dirtyrate {ALPHA}": lambda: (
                f"Domain: 'a'\n  dirtyrate.calc_status=2\n  dirtyrate.megabytes_per_second={next(measured)}\n"
            ),
        }
    )
    slept: list[float] = []
    monkeypatch.setattr("rebalancer_virsh.connection.time.sleep", slept.append)
    (domain,) = opened.read(ReadOptions(sample=Seconds(1), dirty_rate=Seconds(5)))[1]
    assert domain.migration.dirty_rate == 32 * 2**20
    assert domain.migration.writes is not None
    assert domain.migration.writes.hot == 29.5 * 2**20
    assert slept == [1, 5]
