"""Reading all hosts: what comes together, what fails alone, and that nothing waits for ever."""

from __future__ import annotations

import threading
import time
from datetime import datetime

import pytest

from rebalancer.cluster import Capabilities, Domain, DomainState, Host, HostState, Link
from rebalancer.cluster.units import BytesPerSecond, Seconds
from rebalancer.drivers import DriverHost, ReadOptions
from rebalancer.errors import HostAnswerInvalid, HostUnreachable, InvalidInput, Position
from rebalancer.inventory import Connections, Inventory, InventoryHost, LabelRule, Reading, read_cluster
from rebalancer.inventory import reading as reading_module
from rebalancer.policy.expressions import DomainSelector
from tests.inventory.drivers import Reads, TestDriver, loader

NOW = ReadOptions(sample=Seconds(0.0))


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def domain(name: str, number: int, **labels: str) -> Domain:
    return Domain(name=name, uuid=uuid(number), host="whatever", labels=labels)


def read(inventory: Inventory, reads: Reads, deadline: float = 10.0) -> Reading:
    with Connections(inventory, load=loader(TestDriver(reads=reads))) as connections:
        return read_cluster(inventory, NOW, connections=connections, deadline=Seconds(deadline))


def host(name: str, **known: object) -> InventoryHost:
    return InventoryHost(driver="virsh", reach=DriverHost(name=name), **known)  # type: ignore[arg-type]


def test_what_hosts_say_and_what_the_inventory_says_come_together():
    links = (Link(name="nic", connects=("b", "a"), capacity=BytesPerSecond(1.0)),)
    inventory = Inventory(
        name="lab",
        hosts=(
            host("b", labels={"rack": "r1"}, capacity={"memory": 5.0}),
            host("a", maintenance=True),
        ),
        links=links,
        label_rules=(
            LabelRule(select=DomainSelector("name.startsWith('db')"), labels={"app": "db", "x": "1"}),
            LabelRule(select=DomainSelector("labels.app == 'db' && host == 'b'"), labels={"x": "2"}),
        ),
    )
    said = Host(
        name="its own name",
        labels={"rack": "?", "site": "s"},
        capacity={"cpu": 2.0, "memory": 9.0},
        migration=Capabilities(live=True),
    )
    cluster, failures = read(
        inventory,
        {
            "a": lambda: (Host(name="a"), (domain("z", 1), domain("y", 3), domain("y", 2))),
            "b": lambda: (said, (domain("db", 4, app="old", kept="yes"),)),
        },
    )
    assert failures == ()
    assert cluster.name == "lab"
    assert cluster.links == links
    assert datetime.fromisoformat(cluster.taken_at).tzinfo is not None
    assert cluster.hosts == (
        Host(
            name="b",
            labels={"rack": "r1", "site": "s"},
            capacity={"cpu": 2.0, "memory": 5.0},
            migration=Capabilities(live=True),
        ),
        Host(name="a", state=HostState.MAINTENANCE, reason="in maintenance according to the inventory"),
    )
    assert [(d.name, d.uuid, d.host) for d in cluster.domains] == [
        ("db", uuid(4), "b"),
        ("y", uuid(2), "a"),
        ("y", uuid(3), "a"),
        ("z", uuid(1), "a"),
    ]
    assert cluster.domains[0].labels == {"app": "db", "x": "2", "kept": "yes"}


def test_hosts_that_fail_are_reported_and_the_rest_is_read():
    def refuse() -> tuple[Host, tuple[()]]:
        raise HostUnreachable("h1", "connection refused")

    def babble() -> tuple[Host, tuple[()]]:
        raise HostAnswerInvalid("h2", "no XML")

    def break_down() -> tuple[Host, tuple[()]]:
        raise KeyError("oops")

    inventory = Inventory(
        name="lab", hosts=(host("h1", labels={"rack": "r1"}, maintenance=True), host("h2"), host("h3"), host("h4"))
    )
    cluster, failures = read(
        inventory,
        {"h1": refuse, "h2": babble, "h3": break_down, "h4": lambda: (Host(name="h4"), (domain("web", 1),))},
    )
    assert [host.state for host in cluster.hosts] == [HostState.UNREACHABLE] * 3 + [HostState.UP]
    assert cluster.hosts[0].labels == {"rack": "r1"}
    assert [host.reason for host in cluster.hosts] == [
        "connection refused",
        "no XML",
        "its driver failed: KeyError('oops')",
        None,
    ]
    assert [failure.host for failure in failures] == ["h1", "h2", "h3"]
    assert isinstance(failures[2].__cause__, KeyError)
    assert [found.name for found in cluster.domains] == ["web"]


def test_a_host_that_hangs_costs_its_deadline_only():
    release = threading.Event()

    def hang() -> tuple[Host, tuple[()]]:
        release.wait(30)
        return Host(name="h1"), ()

    inventory = Inventory(name="lab", hosts=(host("h1"), host("h2")))
    start = time.monotonic()
    try:
        cluster, failures = read(inventory, {"h1": hang, "h2": lambda: (Host(name="h2"), ())}, deadline=0.2)
    finally:
        release.set()
    assert time.monotonic() - start < 5
    assert [str(failure) for failure in failures] == ["h1: did not answer within 200 ms"]
    assert [host.state for host in cluster.hosts] == [HostState.UNREACHABLE, HostState.UP]


def test_hosts_are_read_at_the_same_time_but_not_too_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading_module, "AT_ONCE", 4)
    together = threading.Barrier(4, timeout=10)  # breaks unless four are read at once
    running = 0
    most = 0
    lock = threading.Lock()

    def slow(name: str) -> tuple[Host, tuple[()]]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait()
        with lock:
            running -= 1
        return Host(name=name), ()

    names = [f"h{index}" for index in range(12)]
    inventory = Inventory(name="lab", hosts=tuple(host(name) for name in names))
    cluster, failures = read(inventory, {name: lambda name=name: slow(name) for name in names})  # type: ignore[misc]
    assert failures == ()
    assert [found.name for found in cluster.hosts] == names
    assert most <= 4


def test_one_machine_under_two_names_is_read_once():
    machine = {"host_uuid": frozenset({"m"})}
    found = (domain("web", 1), domain("db", 2))
    inventory = Inventory(name="lab", hosts=(host("h1"), host("alias"), host("empty"), host("other")))
    cluster, failures = read(
        inventory,
        {
            "h1": lambda: (Host(name="h1", offers=machine), found),
            "alias": lambda: (Host(name="alias", offers=machine), found[::-1]),
            "empty": lambda: (Host(name="empty", offers=machine), ()),
            "other": lambda: (Host(name="other", offers=machine), (domain("x", 3),)),
        },
    )
    assert [str(failure) for failure in failures] == [
        "alias: is the same machine as h1: remove one of them from the inventory"
    ]
    assert [host.state.value for host in cluster.hosts] == ["up", "unreachable", "up", "up"]
    assert [(d.name, d.host) for d in cluster.domains] == [("db", "h1"), ("web", "h1"), ("x", "other")]


def test_a_label_rule_that_fails_is_told_with_its_position():
    rule = LabelRule(
        select=DomainSelector("name.matches(labels.pattern)"),
        labels={"a": "b"},
        position=Position("inventory.yaml", 7, 3),
    )
    inventory = Inventory(name="lab", hosts=(host("h1"),), label_rules=(rule,))
    with pytest.raises(InvalidInput, match=r"^inventory.yaml:7:3: .*'web'"):
        read(inventory, {"h1": lambda: (Host(name="h1"), (domain("web", 1, pattern="["),))})


def test_an_inactive_domain_is_read_too():
    off = Domain(name="off", uuid=uuid(1), host="h1", state=DomainState.SHUT_OFF)
    cluster, _ = read(Inventory(name="lab", hosts=(host("h1"),)), {"h1": lambda: (Host(name="h1"), (off,))})
    assert cluster.domains == (off,)
